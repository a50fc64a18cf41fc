//! What is measured: each target forwards `/claude/...` to the upstream.

mod ccproxy;
mod nginx;

use std::path::{Path, PathBuf};

use crate::spawn::{self, Part};
use crate::{Outcome, cpu};

/// One column of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// No proxy: what upstream and load cost by themselves.
    Direct,
    /// nginx, its events untouched.
    Nginx,
    /// nginx with the two header plugins' work in its Lua.
    NginxLua,
    /// hyper's server and client and nothing else.
    Thin,
    /// ccproxy without system plugins.
    Ccproxy,
    /// ccproxy with two Lua header plugins.
    CcproxyLua,
}

impl Target {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Target; 6] =
        [Target::Direct, Target::Nginx, Target::NginxLua, Target::Thin, Target::Ccproxy, Target::CcproxyLua];

    /// As in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Direct => "direct",
            Target::Nginx => "nginx",
            Target::NginxLua => "nginx-lua",
            Target::Thin => "thin",
            Target::Ccproxy => "ccproxy",
            Target::CcproxyLua => "ccproxy-lua",
        }
    }
}

/// What every target needs to start.
pub(crate) struct Stage<'a> {
    /// For configuration files.
    pub(crate) folder: &'a Path,
    /// The upstream's port.
    pub(crate) upstream: u16,
    /// The upstream's process: the "target" of `direct`.
    pub(crate) upstream_id: u32,
    /// The CPU of the target.
    pub(crate) cpu: Option<usize>,
    /// The ccproxy binary.
    pub(crate) ccproxy: PathBuf,
}

/// A target that runs.
pub(crate) struct Running {
    /// Which.
    pub(crate) target: Target,
    /// Where it listens.
    pub(crate) port: u16,
    id: u32,
    _part: Option<Part>,
}

impl Running {
    /// CPU time of the target so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu::of_tree(self.id).as_secs_f64()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        cpu::memory_of_tree(self.id)
    }
}

impl Target {
    /// Starts it; `None` when it is not installed. It listens when this returns.
    pub(crate) fn start(self, stage: &Stage<'_>) -> Outcome<Option<Running>> {
        let Some((part, port)) = self.launch(stage)? else {
            let direct = (self == Target::Direct).then_some(Running {
                target: self,
                port: stage.upstream,
                id: stage.upstream_id,
                _part: None,
            });
            return Ok(direct);
        };
        spawn::wait_for(port)?;
        Ok(Some(Running { target: self, port, id: part.id(), _part: Some(part) }))
    }

    /// Starts it without waiting; `None` for what has no process of its own or is not installed.
    pub(crate) fn launch(self, stage: &Stage<'_>) -> Outcome<Option<(Part, u16)>> {
        let port = spawn::free_port()?;
        let command = match self {
            Target::Direct => None,
            Target::Nginx => nginx::command(stage, port, false)?,
            Target::NginxLua => nginx::command(stage, port, true)?,
            Target::Thin => {
                let upstream = format!("127.0.0.1:{}", stage.upstream);
                Some(spawn::myself(&["thin", &port.to_string(), &upstream])?)
            }
            Target::Ccproxy => Some(ccproxy::command(stage, port, false)?),
            Target::CcproxyLua => Some(ccproxy::command(stage, port, true)?),
        };
        let Some(command) = command else { return Ok(None) };
        Ok(Some((Part::start(&command, stage.cpu)?, port)))
    }
}
