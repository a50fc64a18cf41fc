//! Whether the CLI is installed, which version it is, and whether it is logged in, as it says itself. Looks only
//! when someone asks.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

use super::command::Command;

/// How long the CLI may take to answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(30);
/// Most bytes read of what it prints.
const OUTPUT: u64 = 64 << 10;

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Cli {
    pub(super) path: PathBuf,
    /// `None` when it did not answer in time.
    pub(super) version: Option<String>,
    /// `None` when it does not say: older ones know no such command.
    pub(super) logged_in: Option<bool>,
}

/// Remembers what was found.
#[derive(Default)]
pub(super) struct Detection {
    last: Mutex<Option<(Instant, Option<Cli>)>>,
}

impl Detection {
    /// From memory when that is fresh. Waits [`LIMIT`] at most.
    pub(super) async fn look(&self, command: &Command) -> Option<Cli> {
        // Held across the wait on purpose: those who ask together share one answer.
        let mut last = self.last.lock().await;
        if let Some((_, found)) = last.as_ref().filter(|(when, _)| when.elapsed() < FRESH) {
            return found.clone();
        }
        let found = match command.program() {
            Some(path) => {
                let (version, status) = tokio::join!(
                    printed(command, &path, &["--version"]),
                    printed(command, &path, &["auth", "status"])
                );
                let version = version.as_deref().and_then(|text| text.split_whitespace().next());
                let version = version.filter(|word| word.starts_with(|start: char| start.is_ascii_digit()));
                let version = version.map(|word| word.chars().take(64).collect());
                let status = status.and_then(|text| serde_json::from_str::<Value>(&text).ok());
                let logged_in = status.and_then(|status| status["loggedIn"].as_bool());
                Some(Cli { path, version, logged_in })
            }
            None => None,
        };
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

async fn printed(command: &Command, path: &std::path::Path, arguments: &[&str]) -> Option<String> {
    let read = async {
        let mut child = command.plain(path, arguments).spawn().ok()?;
        let mut text = String::new();
        child.stdout.take()?.take(OUTPUT).read_to_string(&mut text).await.ok()?;
        child.wait().await.ok()?;
        Some(text)
    };
    tokio::time::timeout(LIMIT, read).await.ok().flatten()
}
