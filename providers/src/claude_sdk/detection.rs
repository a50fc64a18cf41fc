//! Which version of the CLI is there, and whether it is logged in, as it says itself. Asks only when someone wants
//! to know.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::command::Command;
use crate::lookup::Lookup;

/// How long the CLI may take to answer. Nobody waits that long: a sandbox around it may be slow to start.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(30);
/// Most bytes read of what it prints.
const OUTPUT: u64 = 64 << 10;

/// What it said.
#[derive(Clone, Debug)]
pub(super) struct Cli {
    path: PathBuf,
    /// `None` when it gave none.
    pub(super) version: Option<String>,
    /// `None` when it does not say: older ones know no such command.
    pub(super) logged_in: Option<bool>,
    /// Whether it ran to its end in time, for either question.
    pub(super) answers: bool,
}

/// Remembers what it said.
pub(super) struct Detection(Lookup<Cli>);

impl Detection {
    pub(super) fn new() -> Self {
        Detection(Lookup::new(FRESH))
    }

    /// What the program at this place says, from memory when that is fresh; `None` while it is being asked.
    pub(super) async fn look(&self, command: &Arc<Command>, path: PathBuf) -> Option<Cli> {
        let (command, wanted) = (command.clone(), path.clone());
        // What one in another place said does not count for long.
        self.0.get(|| ask(command, path)).await.filter(|cli| cli.path == wanted)
    }
}

async fn ask(command: Arc<Command>, path: PathBuf) -> Cli {
    let (version, status) =
        tokio::join!(printed(&command, &path, &["--version"]), printed(&command, &path, &["auth", "status"]));
    let answers = version.is_some() || status.is_some();
    let version = version.as_deref().and_then(|text| text.split_whitespace().next());
    let version = version.filter(|word| word.starts_with(|start: char| start.is_ascii_digit()));
    let version = version.map(|word| word.chars().take(64).collect());
    let status = status.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let logged_in = status.and_then(|status| status["loggedIn"].as_bool());
    Cli { path, version, logged_in, answers }
}

async fn printed(command: &Command, path: &Path, arguments: &[&str]) -> Option<String> {
    let printed = command.plain(path, arguments).ok()?.printed(OUTPUT);
    let (text, _) = tokio::time::timeout(LIMIT, printed).await.ok()??;
    String::from_utf8(text).ok()
}
