//! `ccproxy status`: asks a running proxy how it is.

use clap::Args;
use serde_json::{Value, json};

use super::context::block_on;
use super::output::Output;
use super::running::Target;
use super::{Failure, Global, Outcome};

/// Ask a running proxy how it is
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Fails when no proxy answers, or when it does not serve.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let proxy = self.target.proxy(&global.load_sound(output)?)?;
        let (health, plugins) = block_on(async {
            let health = proxy.get("/health").await?;
            Ok((health, proxy.get("/plugins/status").await?))
        })?;
        if self.json {
            output.json(&json!({ "url": proxy.url(), "health": health, "plugins": plugins }));
        } else {
            let word = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
            output.line(format!(
                "{}: {} ({})",
                proxy.url(),
                word(&health["status"]),
                word(&health["output"])
            ));
            output.line(format!(
                "version {}, generation {}",
                word(&plugins["version"]),
                plugins["generation"]
            ));
            output.table(&["PLUGIN", "TYPE", "STATE", "REASON"], &rows(&plugins));
            let failing = failing(&plugins);
            if !failing.is_empty() {
                output.table(&["CANDIDATE", "STATE", "FAILURES", "RESTS"], &failing);
            }
            for warning in plugins["warnings"].as_array().into_iter().flatten() {
                output.line(format!("warning: {}", word(warning)));
            }
        }
        if health["status"] == "fail" { Err(Failure::Silent) } else { Ok(()) }
    }
}

/// The candidates of the front door that failed lately.
fn failing(plugins: &Value) -> Vec<Vec<String>> {
    let list = plugins["routing"]["failing"].as_array().into_iter().flatten();
    list.map(|one| {
        let word = |key: &str| one[key].as_str().unwrap_or_default();
        let rests = one["rests_seconds"].as_f64().filter(|seconds| *seconds > 0.0);
        vec![
            format!("{}/{}", word("provider"), word("model")),
            word("state").to_owned(),
            one["failures"].to_string(),
            rests.map(|seconds| format!("{seconds:.0} s")).unwrap_or_default(),
        ]
    })
    .collect()
}

fn rows(plugins: &Value) -> Vec<Vec<String>> {
    let cell = |plugin: &Value, key: &str| plugin[key].as_str().unwrap_or_default().to_owned();
    let plugins = plugins["plugins"].as_array().into_iter().flatten();
    plugins.map(|plugin| ["name", "type", "state", "reason"].map(|key| cell(plugin, key)).to_vec()).collect()
}
