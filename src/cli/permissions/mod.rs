//! `ccproxy permissions`: tool calls that wait for a decision, for people and for scripts.

mod board;
mod diff;
mod editor;
mod events;
mod list;
mod respond;
mod rows;
mod screen;
mod terminal;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;

use clap::{Args, Subcommand};

use super::context::block_on;
use super::output::Output;
use super::running::{Running, Target};
use super::{Failure, Global, Outcome};

/// Decide about tool calls that wait for you
#[derive(Debug, Args)]
pub(crate) struct Permissions {
    /// Where the proxy listens; by default where the configuration says
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// Print JSON: what is asked for, or what happens, one object a line, instead of asking
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits now
    List(list::List),
    /// Decide about one of them
    Respond(respond::Respond),
}

impl Permissions {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let target = self.url.as_deref().map_or_else(Target::default, Target::at);
        let proxy = target.proxy(&global.load_sound(output)?)?;
        match self.command {
            Some(Command::List(command)) => command.run(&proxy, self.json, output),
            Some(Command::Respond(command)) => command.run(&proxy, self.json, output),
            None if self.json => block_on(print(&proxy, output)),
            None if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => terminal::run(proxy),
            None => Err(Failure::new("this is no terminal")
                .with_hint("`ccproxy permissions list`, `respond` and `--json` are for scripts")),
        }
    }
}

/// Every event as a line, for as long as there is a proxy. One stream does not last for ever: the next goes on
/// where it ended. A stream without an event is the end.
async fn print(proxy: &Running, output: &mut Output) -> Outcome {
    let mut last: Option<String> = None;
    loop {
        let before = last.clone();
        let mut events = events::Events::open(proxy, last.as_deref()).await?;
        while let Some(event) = events.next().await? {
            let line = serde_json::json!({ "event": event.name, "id": event.id, "data": event.data });
            output.text(&format!("{line}\n"));
            last = Some(event.id);
        }
        if last == before {
            return Err(Failure::new("the proxy ended the stream"));
        }
    }
}
