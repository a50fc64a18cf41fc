//! `ccproxy plugins remove`: takes away what `add` put there.

use std::path::PathBuf;

use ccproxy_core::config::nearest;
use clap::Args;
use serde_json::json;

use super::share::install::{self, Standing};
use super::share::live;
use super::share::lock::Lock;
use crate::cli::auth::prompt::agree;
use crate::cli::context::shown;
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};

/// Remove plugins that were added
///
/// What a plugin has stored stays: its data is in the data folder, under `plugins/<name>`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ccproxy plugins remove quota
  ccproxy plugins remove quota --yes      without a question")]
pub(crate) struct Remove {
    /// The plugins
    #[arg(required = true)]
    names: Vec<String>,
    /// Where they are; by default the user's plugin folder
    #[arg(long = "in", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Ask nothing
    #[arg(long)]
    yes: bool,
    /// Also where files were changed since; a copy of the folder is kept
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let folder = self.folder.clone().unwrap_or_else(|| loaded.folders.plugins());
        let lock = Lock::read(&folder)?;
        for name in &self.names {
            let entry = lock.find(name).ok_or_else(|| not_added(name, &lock))?;
            if let (Standing::Changed(files), false) =
                (install::standing(&folder, name, Some(entry)), self.force)
            {
                return Err(changed(name, &files).with_hint("`--force` removes it, and keeps a copy"));
            }
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        agree(self.yes, &format!("Remove {} from {}?", names.join(", "), shown(&folder)), output)?;
        let mut lock = Lock::hold(&folder)?;
        let mut kept = Vec::new();
        for name in &self.names {
            let changed = matches!(install::standing(&folder, name, lock.find(name)), Standing::Changed(_));
            kept.extend(install::take(&mut lock, name, changed)?);
        }
        if self.json {
            output.json(&json!({ "removed": self.names, "folder": folder, "kept": kept }));
            return Ok(());
        }
        output.line(format!("removed {}", self.names.join(", ")));
        kept.iter().for_each(|path| output.line(format!("what stood there is in {}", shown(path))));
        output.line(live::when(&folder, &loaded));
        Ok(())
    }
}

/// There is no entry of this name.
pub(super) fn not_added(name: &str, lock: &Lock) -> Failure {
    let failure =
        Failure::new(format!("`{name}` was not put in {} by `ccproxy plugins add`", shown(lock.folder())));
    match nearest(name, lock.plugins().iter().map(|plugin| plugin.name.as_str())) {
        Some(meant) => failure.with_hint(format!("did you mean `{meant}`")),
        None => failure.with_hint("`ccproxy plugins update --check` lists those that were"),
    }
}

/// Somebody's work stands there.
pub(super) fn changed(name: &str, files: &[String]) -> Failure {
    let which = match files {
        [] => String::new(),
        [one] => format!(": {one}"),
        [one, rest @ ..] => format!(": {one} and {} more", rest.len()),
    };
    Failure::new(format!("`{name}` was changed by hand since it was added{which}"))
}
