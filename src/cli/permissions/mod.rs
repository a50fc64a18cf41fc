//! `ccproxy permissions`: tool calls that wait for a decision, for people and for scripts.

mod board;
mod diff;
mod editor;
mod events;
mod list;
mod respond;
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
    #[command(flatten)]
    target: Target,
    /// Print what happens, one JSON object a line, instead of asking
    #[arg(long)]
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
        let proxy = self.target.proxy(&global.load_sound(output)?)?;
        match self.command {
            Some(Command::List(command)) => command.run(&proxy, self.json, output),
            Some(Command::Respond(command)) => command.run(&proxy, output),
            None if self.json => block_on(print(&proxy, output)),
            None if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => terminal::run(proxy),
            None => Err(Failure::new("this is no terminal")
                .with_hint("`ccproxy permissions list`, `respond` and `--json` are for scripts")),
        }
    }
}

/// Every event as a line, until the proxy ends the stream.
async fn print(proxy: &Running, output: &mut Output) -> Outcome {
    let mut events = events::Events::open(proxy, None).await?;
    while let Some(event) = events.next().await? {
        let line = serde_json::json!({ "event": event.name, "id": event.id, "data": event.data });
        output.text(&format!("{line}\n"));
    }
    Err(Failure::new("the proxy ended the stream"))
}
