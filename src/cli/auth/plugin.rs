//! `ccproxy auth <command>` of a plugin, run by the running proxy; and the list of them.

use ccproxy_core::config::nearest;
use clap::Args;
use serde_json::json;

use crate::cli::context::block_on;
use crate::cli::output::Output;
use crate::cli::plugins::{Declared, declared};
use crate::cli::running::Target;
use crate::cli::x::run_command;
use crate::cli::{Failure, Global, Outcome};

/// List the commands that plugins bring
#[derive(Debug, Args)]
pub(crate) struct Commands {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Commands {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let (plugins, _) = declared(&global.load_sound(output)?);
        let all = commands(&plugins);
        if self.json {
            let described = |command: &Command| json!({ "plugin": command.plugin, "command": command.name, "summary": command.summary });
            output.json(&json!({ "commands": all.iter().map(described).collect::<Vec<_>>() }));
            return Ok(());
        }
        let rows: Vec<Vec<String>> =
            all.into_iter().map(|command| vec![command.name, command.plugin, command.summary]).collect();
        match rows.is_empty() {
            true => output.note("no plugin brings commands"),
            false => output.table(&["COMMAND", "PLUGIN", "WHAT IT DOES"], &rows),
        }
        Ok(())
    }
}

/// Runs the command that the first word names, `command` or `plugin.command`, with the words after it.
pub(super) fn run(words: Vec<String>, global: &Global, output: &mut Output) -> Outcome {
    let mut words = words.into_iter();
    let wanted = words.next().unwrap_or_default();
    let loaded = global.load_sound(output)?;
    let (plugins, _) = declared(&loaded);
    let all = commands(&plugins);
    let called = |command: &&Command| command.name == wanted || command.full_name() == wanted;
    let found: Vec<&Command> = all.iter().filter(called).collect();
    let command = match found[..] {
        [command] => command,
        [] => {
            let failure =
                Failure::new(format!("`ccproxy auth` has no command `{wanted}`, and no plugin brings it"));
            let own = ["providers", "login", "status", "refresh", "logout", "import", "accounts", "commands"];
            let known = own.into_iter().chain(all.iter().map(|command| command.name.as_str()));
            let hint = nearest(&wanted, known).map(|near| format!("did you mean `{near}`"));
            output.left_out(&loaded.left_out);
            return Err(failure.with_hint(
                hint.unwrap_or_else(|| "`ccproxy auth commands` lists those of plugins".to_owned()),
            ));
        }
        _ => {
            let names: Vec<String> =
                found.iter().map(|command| format!("`{}`", command.full_name())).collect();
            let failure = Failure::new(format!("several plugins bring a command `{wanted}`"));
            return Err(failure.with_hint(format!("say which: {}", names.join(", "))));
        }
    };
    let proxy = Target::default().proxy(&loaded)?;
    block_on(run_command(&proxy, &command.plugin, &command.name, words.collect(), output))
}

/// A command of a plugin that may run.
struct Command {
    plugin: String,
    name: String,
    summary: String,
}

impl Command {
    fn full_name(&self) -> String {
        format!("{}.{}", self.plugin, self.name)
    }
}

fn commands(plugins: &[Declared]) -> Vec<Command> {
    let running = plugins.iter().filter(|plugin| plugin.state == "enabled");
    let brought = running.filter_map(|plugin| Some((&plugin.name, plugin.factory.as_ref()?.manifest())));
    let each = brought.flat_map(|(plugin, manifest)| {
        manifest.auth_commands.iter().map(|command| Command {
            plugin: plugin.clone(),
            name: command.name.clone(),
            summary: command.summary.clone(),
        })
    });
    each.collect()
}
