//! `ccproxy trust`: lets a folder's `ccproxy.toml` and `scripts` count.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{Failure, Global, Outcome};
use crate::config::load;
use crate::config::trust::Trust;

/// Let a folder's `ccproxy.toml` and `scripts` count
///
/// Both can run code and send requests elsewhere, so they are left out until their folder is trusted.
/// A project file that changes must be trusted again; scripts may change freely.
#[derive(Debug, Args)]
pub(crate) struct TrustCommand {
    /// The folder; by default the working folder
    dir: Option<PathBuf>,
    /// List the trusted folders
    #[arg(long, conflicts_with_all = ["revoke", "dir"])]
    list: bool,
    /// End the trust in the folder
    #[arg(long)]
    revoke: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl TrustCommand {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let mut inputs = global.inputs()?;
        let dir = inputs.cwd.join(self.dir.clone().unwrap_or_default());
        // The list stands where the user's own layers say, never where a project says.
        inputs.cwd = PathBuf::from("/");
        let data_dir = load(&inputs).settings.core.data_dir;
        let (mut trust, problem) = Trust::read(&data_dir);
        output.problems(problem.as_slice());
        if self.list {
            self.list(&trust, output);
            return Ok(());
        }
        let (folder, state) = if self.revoke {
            let known = trust.revoke(&dir).map_err(Failure::new)?;
            (dir, if known { "no longer trusted" } else { "was not trusted" })
        } else {
            (trust.add(&dir).map_err(Failure::new)?, "trusted")
        };
        match self.json {
            true => output.json(&json!({ "folder": folder, "trusted": !self.revoke })),
            false => output.line(format!("{state}: {}", folder.display())),
        }
        Ok(())
    }

    fn list(&self, trust: &Trust, output: &mut Output) {
        let folders = trust.list();
        if self.json {
            let folders =
                folders.iter().map(|(folder, wrong)| json!({ "folder": folder, "left_out": wrong }));
            return output.json(&folders.collect::<Vec<_>>());
        }
        if folders.is_empty() {
            output.line("no folder is trusted");
        }
        for (folder, wrong) in folders {
            match wrong {
                None => output.line(folder.display().to_string()),
                Some(wrong) => output.line(format!("{}  (left out: {wrong})", folder.display())),
            }
        }
    }
}
