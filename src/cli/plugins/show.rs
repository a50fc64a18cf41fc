//! `ccproxy plugins show`: what a plugin declares.

use ccproxy_core::plugin::Manifest;
use ccproxy_core::routes::manifest_json;
use clap::Args;
use serde_json::json;

use super::declared;
use super::declared::{Declared, chosen};
use crate::cli::output::Output;
use crate::cli::{Global, Outcome};

/// Show what a plugin declares
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The plugin
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let (plugins, _) = declared(&loaded);
        let plugin = chosen(&plugins, Some(&self.name), &loaded, output)?[0];
        if self.json {
            let manifest = plugin.factory.as_ref().map(|factory| manifest_json(factory.manifest()));
            output.json(&json!({
                "name": plugin.name,
                "type": plugin.kind(),
                "version": plugin.version(),
                "state": plugin.state,
                "reason": plugin.reason,
                "manifest": manifest,
            }));
            return Ok(());
        }
        output.line(format!("{} {} ({}, {})", plugin.name, plugin.version(), plugin.kind(), plugin.source()));
        output.line(state(plugin));
        if let Some(factory) = &plugin.factory {
            print(factory.manifest(), output);
        }
        Ok(())
    }
}

fn state(plugin: &Declared) -> String {
    match &plugin.reason {
        Some(reason) => format!("{}: {reason}", plugin.state),
        None => plugin.state.to_owned(),
    }
}

fn print(manifest: &Manifest, output: &mut Output) {
    if !manifest.description.is_empty() {
        output.line(&manifest.description);
    }
    let words = [
        ("depends on", &manifest.dependencies),
        ("provides", &manifest.provides),
        ("requires", &manifest.requires),
        ("uses if there", &manifest.optional_requires),
        ("may touch", &manifest.capabilities),
    ];
    for (what, list) in words.iter().filter(|(_, list)| !list.is_empty()) {
        output.line(format!("{what}: {}", list.join(", ")));
    }
    let routes = manifest
        .routes
        .iter()
        .map(|route| format!("{} {}  {}", route.method, route.full_path(), route.summary));
    section("routes", routes.collect(), output);
    let middleware = manifest.middleware.iter().map(|link| {
        format!(
            "{} (layer {}, priority {}, body {}, on error {})",
            link.name,
            link.layer,
            link.priority,
            json!(link.body).as_str().unwrap_or("none"),
            json!(link.on_error).as_str().unwrap_or("closed")
        )
    });
    section("middleware", middleware.collect(), output);
    section("hooks", manifest.hooks.iter().map(|hook| hook.name.clone()).collect(), output);
    let tasks = manifest.tasks.iter().map(|task| {
        let state = if task.enabled { "" } else { " (runs only when asked)" };
        format!("{} every {} s{state}", task.name, task.every.as_secs_f64())
    });
    section("tasks", tasks.collect(), output);
    let commands = manifest
        .commands
        .iter()
        .map(|command| format!("ccproxy x {} {}  {}", manifest.name, command.name, command.summary));
    section("commands", commands.collect(), output);
    let auth = manifest
        .auth_commands
        .iter()
        .map(|command| format!("ccproxy x {} {}  {}", manifest.name, command.name, command.summary));
    section("auth commands", auth.collect(), output);
    let oauth = manifest
        .oauth_provider
        .iter()
        .map(|provider| format!("{}  {}", provider.name, provider.display_name));
    section("OAuth provider", oauth.collect(), output);
    section(
        "settings",
        manifest.config.leaves().into_iter().map(|(key, field)| format!("{key}  {}", field.doc)).collect(),
        output,
    );
}

fn section(title: &str, lines: Vec<String>, output: &mut Output) {
    if !lines.is_empty() {
        output.line(format!("{title}:"));
        lines.iter().for_each(|line| output.line(format!("  {}", line.trim_end())));
    }
}
