//! Tests of plugins in Lua: `*_test.lua` beside a plugin, run in the real host and the real pipeline.
//!
//! Each test has a VM, a runtime and a clock of its own (`run.rs`). Its proxies (`house.rs`) are whole but for the network
//! (`world.rs`) and the time, which stands still until everybody waits and then jumps to what is due next.

mod assertions;
mod canned;
mod case;
mod client;
mod diff;
mod handle;
mod house;
mod logs;
mod network;
mod plain;
mod record;
mod reply;
mod run;
mod sight;
mod snapshot;
mod table;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use house::{Furniture, Wanted, Workbench};
pub use run::{Rules, list, run};
pub use snapshot::Snapshots;

use crate::host::Sources;
use crate::sources;

/// Lua that a test, with its file, may run in all.
const CPU: Duration = Duration::from_secs(10);
/// Of that at a stretch.
const STRETCH: Duration = Duration::from_secs(1);
/// Memory of a test's VM.
const MEMORY: usize = 128 << 20;

/// A plugin with its tests.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The plugin's name: that of its folder.
    pub name: String,
    /// All its Lua files.
    pub sources: Arc<Sources>,
}

impl Subject {
    /// Reads a plugin's folder. `Err` says why it cannot be one.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Subject { name, sources: Arc::new(sources::read_with_tests(folder)?) })
    }

    /// The test files, by their path in the folder.
    pub fn files(&self) -> Vec<&str> {
        self.sources.files.keys().map(String::as_str).filter(|file| file.ends_with("_test.lua")).collect()
    }
}

/// A test that is there.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name, unique in its file.
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// Whether it is skipped as it stands.
    pub skipped: bool,
}

/// What came of a test.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it passed.
    pub verdict: Verdict,
    /// Real time.
    pub took: Duration,
    /// Snapshots that were written.
    pub written: Vec<PathBuf>,
}

/// Whether a test passed.
#[derive(Debug)]
pub enum Verdict {
    /// It did.
    Passed,
    /// It was skipped, because.
    Skipped(String),
    /// It did not.
    Failed(Failure),
}

/// Why a test failed.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// What was expected and what came, or what was raised.
    pub message: String,
    /// The file in the plugin's folder, and the line.
    pub position: Option<(String, usize)>,
    /// The calls that led there, innermost first, when there are several.
    pub stack: Vec<String>,
    /// Under which circumstances.
    pub notes: Vec<String>,
    /// What was logged meanwhile.
    pub log: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::EXTRAS;

    /// The stub has what the objects of a test have.
    #[test]
    fn the_stub_describes_what_is_there() {
        let stub = EXTRAS.iter().find(|(name, _)| *name == "test").expect("a stub").1;
        let declared = |class: &str, local: &str, name: &str| {
            let body = stub.split(&format!("---@class {class}\n")).nth(1).unwrap_or_default();
            let own = body.lines().take_while(|line| line.starts_with("---"));
            let field = |line: &str| line.starts_with(&format!("---@field {name} "));
            own.into_iter().any(field) || stub.contains(&format!("function {local}:{name}("))
        };
        for name in table::FIELDS {
            assert!(declared("ccproxy.Test", "t", name), "`t.{name}` is not in types/test.lua");
        }
        for (class, local, names) in [
            ("ccproxy.test.Proxy", "Proxy", handle::FIELDS),
            ("ccproxy.test.Pending", "Pending", handle::PENDING),
            ("ccproxy.test.Upstream", "Upstream", network::UPSTREAM),
            ("ccproxy.test.Http", "Http", network::HTTP),
        ] {
            for name in names {
                assert!(declared(class, local, name), "`{local}.{name}` is not in types/test.lua");
            }
        }
        for name in reply::OPTIONS {
            assert!(
                stub.contains(&format!("---@field {name}? ")),
                "`{name}` of a reply is not in types/test.lua"
            );
        }
    }
}
