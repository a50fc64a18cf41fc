//! `ccproxy config check`: everything that is wrong, in one run.

use ccproxy_core::config::Problem;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::plugins::declared;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Check the configuration, plugins' settings included
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Exit code 78 when something is wrong; warnings alone leave it 0.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load()?;
        let problems = problems(&loaded);
        let broken = problems.iter().any(Problem::is_error);
        if self.json {
            let list: Vec<Value> = problems.iter().map(as_json).collect();
            output.json(&json!({ "ok": !broken, "problems": list, "left_out": loaded.left_out }));
            return if broken { Err(Failure::Config(Vec::new())) } else { Ok(()) };
        }
        output.left_out(&loaded.left_out);
        if broken {
            return Err(Failure::Config(problems));
        }
        output.problems(&problems);
        output.line("the configuration is sound");
        Ok(())
    }
}

/// What is wrong with the configuration and with the tables of the plugins.
pub(crate) fn problems(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = loaded.problems.clone();
    let (plugins, oddities) = declared(loaded);
    for manifest in
        plugins.iter().filter_map(|plugin| plugin.factory.as_ref()).map(|factory| factory.manifest())
    {
        problems.extend(loaded.settings.core.plugins.configure(&manifest.name, &manifest.config).1);
    }
    problems.extend(oddities);
    let manifests = plugins.iter().filter_map(|plugin| Some(plugin.factory.as_ref()?.manifest()));
    problems.extend(loaded.settings.core.routing.strangers(manifests));
    problems
}

pub(crate) fn as_json(problem: &Problem) -> Value {
    json!({
        "severity": problem.severity,
        "origin": problem.origin.to_string(),
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
    })
}
