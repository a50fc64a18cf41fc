//! `ccproxy config check`: everything that is wrong, in one run.

use ccproxy_core::config::{Origin, Problem};
use ccproxy_core::plugin::PluginFactory;
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
    for factory in plugins.iter().filter_map(|plugin| plugin.factory.as_ref()) {
        problems.extend(problems_of(loaded, &**factory));
    }
    problems.extend(oddities);
    let manifests = plugins.iter().filter_map(|plugin| Some(plugin.factory.as_ref()?.manifest()));
    problems.extend(loaded.settings.core.routing.strangers(manifests));
    problems
}

/// What is wrong with the table of one plugin.
pub(crate) fn problems_of(loaded: &Loaded, factory: &dyn PluginFactory) -> Vec<Problem> {
    let (name, plugins) = (&factory.manifest().name, &loaded.settings.core.plugins);
    let (config, mut problems) = plugins.configure(name, &factory.manifest().config);
    // It is for whole settings, and names its own.
    if !problems.iter().any(Problem::is_error)
        && let Err(why) = factory.check(&config)
    {
        problems.push(Problem::error(&Origin::Default, "", why));
    }
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
