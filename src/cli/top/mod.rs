//! `ccproxy top`: what a running proxy does at this moment, and what its plugins cost.

mod sample;
mod screen;
mod terminal;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::time::Duration;

use ccproxy_core::config::units::parse_duration;
use clap::Args;

use self::sample::{Board, Sample};
use super::context::block_on;
use super::output::Output;
use super::running::{Running, Target};
use super::{Failure, Global, Outcome};

/// Watch a running proxy: exchanges, tokens, what each plugin costs
///
/// In a terminal it is drawn anew every second; `q` leaves, `j` and `k` choose a plugin, whose handlers are shown with
/// the time that their calls take. Elsewhere, and with `--once`, one picture is printed.
///
/// While it looks, the proxy lists exchanges as they begin and reads whole answers for their tokens.
#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    target: Target,
    /// Time between two pictures
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    every: Duration,
    /// Print one picture and leave
    #[arg(long)]
    once: bool,
    /// Print pictures as JSON, one a line
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let found = parse_duration(text).filter(|seconds| (0.1..=10.0).contains(seconds));
    found.map(Duration::from_secs_f64).ok_or_else(|| format!("`{text}` is no time from 100ms to 10s"))
}

impl Top {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let proxy = self.target.proxy(&global.load_sound(output)?)?;
        if !self.json && !self.once && std::io::stdout().is_terminal() {
            return terminal::run(proxy, self.every);
        }
        let mut board = Board::new(proxy.url());
        board.take(block_on(ask(&proxy))?);
        loop {
            // Rates need two looks.
            board.take(block_on(async {
                tokio::time::sleep(self.every).await;
                ask(&proxy).await
            })?);
            if !self.json {
                screen::print(&board, output);
                return Ok(());
            }
            output.json_line(&board.json());
            if self.once {
                return Ok(());
            }
        }
    }
}

/// Looks once.
async fn ask(proxy: &Running) -> Result<Sample, Failure> {
    let traffic = proxy.get("/traffic").await?;
    Ok(Sample::new(traffic, proxy.get("/plugins/status").await?))
}
