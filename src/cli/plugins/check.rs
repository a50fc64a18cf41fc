//! `ccproxy plugins check`: declarations, order and settings of plugins, without running them.

use clap::Args;
use serde_json::{Value, json};

use super::declared::{Declared, chosen, declared};
use crate::cli::output::Output;
use crate::cli::{Failure, Global, Outcome};
use crate::config::Loaded;

/// Check declarations and settings of plugins
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The plugin; by default every one
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Fails when a plugin would not run for another reason than being switched off.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let (plugins, _) = declared(&loaded);
        let wanted = chosen(&plugins, self.name.as_deref(), &loaded, output)?;
        let results: Vec<(&Declared, Vec<String>)> =
            wanted.iter().map(|plugin| (*plugin, faults(&loaded, plugin))).collect();
        let failed = results.iter().filter(|(_, faults)| !faults.is_empty()).count();
        if self.json {
            let list = results.iter().map(
                |(plugin, faults)| json!({ "name": plugin.name, "state": plugin.state, "faults": faults }),
            );
            output.json(&json!({ "ok": failed == 0, "plugins": list.collect::<Vec<Value>>() }));
        } else {
            for (plugin, faults) in &results {
                let word = if faults.is_empty() { plugin.state } else { "wrong" };
                output.line(format!("{}: {word}", plugin.name));
                faults.iter().for_each(|fault| output.line(format!("  {}", fault.replace('\n', "\n  "))));
            }
            output.left_out(&loaded.left_out);
        }
        match failed {
            0 => Ok(()),
            _ if self.json => Err(Failure::Silent),
            count => Err(Failure::new(format!("{count} of {} plugins would not run", results.len()))),
        }
    }
}

/// What is wrong with a plugin. One that is switched off is checked too, but needs no others.
fn faults(loaded: &Loaded, plugin: &Declared) -> Vec<String> {
    let mut faults = Vec::new();
    if matches!(plugin.state, "broken" | "skipped") {
        faults.extend(plugin.reason.clone());
    }
    if let Some(factory) = &plugin.factory {
        let schema = &factory.manifest().config;
        faults.extend(schema.faults().into_iter().map(|fault| format!("its schema: {fault}")));
        let problems = loaded.settings.core.plugins.configure(&plugin.name, schema).1;
        faults.extend(problems.iter().map(ToString::to_string));
    }
    faults
}
