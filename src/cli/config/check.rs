//! `ccproxy config check`: everything that is wrong, in one run.

use ccproxy_core::config::Problem;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;
use crate::wiring::Search;

/// Check the configuration, plugins' settings included
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Exit code 78 when something is wrong; warnings alone leave it 0.
    pub(super) fn run(self, global: &Global, output: &mut Output) -> Outcome {
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
pub(in crate::cli) fn problems(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = loaded.problems.clone();
    let plugins = &loaded.settings.core.plugins;
    let discovered = Search::of(loaded).discover();
    for factory in &discovered.factories {
        let manifest = factory.manifest();
        problems.extend(plugins.configure(&manifest.name, &manifest.config).1);
    }
    let names: Vec<String> = discovered
        .factories
        .iter()
        .map(|factory| factory.manifest().name.clone())
        .chain(discovered.broken.iter().map(|(name, _)| name.clone()))
        .collect();
    let warnings = ccproxy_core::registry::select(&names, plugins).warnings;
    problems.extend(warnings.into_iter().map(|warning| Problem::warning(&Default::default(), "", warning)));
    problems
}

fn as_json(problem: &Problem) -> Value {
    json!({
        "severity": problem.severity,
        "origin": problem.origin.to_string(),
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
    })
}
