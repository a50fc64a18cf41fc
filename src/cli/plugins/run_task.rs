//! `ccproxy plugins run-task`: has the running proxy run a task now.

use clap::Args;
use serde_json::json;

use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::running::Target;
use crate::cli::x::segment;
use crate::cli::{Global, Outcome};

/// Run a task of a plugin now, in the running proxy
#[derive(Debug, Args)]
pub(crate) struct RunTask {
    #[command(flatten)]
    target: Target,
    /// The plugin
    plugin: String,
    /// The task, as `ccproxy plugins show` lists it
    task: String,
}

impl RunTask {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let proxy = self.target.proxy(&global.load_sound(output)?)?;
        let path = format!("/plugins/{}/tasks/{}/run", segment(&self.plugin), segment(&self.task));
        output.json(&block_on(proxy.post(&path, &json!({})))?);
        Ok(())
    }
}
