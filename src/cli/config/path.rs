//! `ccproxy config path`: which files are read, and which are not.

use clap::Args;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{Global, Outcome};
use crate::config::FileState;

/// Print which files are read, and which are not
#[derive(Debug, Args)]
pub(crate) struct PathCommand {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PathCommand {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load()?;
        let data_dir = &loaded.settings.core.data_dir;
        if self.json {
            output.json(&json!({
                "files": loaded.files,
                "plugin_folders": loaded.plugin_folders,
                "data_dir": data_dir,
                "left_out": loaded.left_out,
            }));
            return Ok(());
        }
        let mut rows = Vec::new();
        for file in &loaded.files {
            let state = match file.state {
                FileState::Read => "read",
                FileState::Missing => "not there",
                FileState::LeftOut => "left out: not trusted",
            };
            rows.push(vec![format!("{} file", file.role), file.path.display().to_string(), state.to_owned()]);
        }
        let there = |path: &std::path::Path| if path.is_dir() { "there" } else { "not there" }.to_owned();
        for folder in &loaded.plugin_folders {
            rows.push(vec!["plugins".to_owned(), folder.display().to_string(), there(folder)]);
        }
        rows.push(vec!["data".to_owned(), data_dir.display().to_string(), there(data_dir)]);
        output.table(&["WHAT", "PATH", "STATE"], &rows);
        output.left_out(&loaded.left_out);
        Ok(())
    }
}
