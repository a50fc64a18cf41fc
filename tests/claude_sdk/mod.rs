//! The local Claude Code CLI as a provider, against a CLI without a model (`tests/support/fake_claude.sh`) that
//! writes down what it is told. The real one is in `tests/clients/claude_sdk.rs`.

mod asking;
mod faults;
mod health;
mod kills;
mod resume;
mod sessions;
mod tools;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{Config, Proxy, eventually};

/// A proxy with a fake CLI.
struct House {
    proxy: Proxy,
    folder: tempfile::TempDir,
    /// What the proxy was started with.
    config: Config,
}

impl House {
    async fn new() -> House {
        House::configured(|config| config).await
    }

    /// With more settings: `plugins.claude_sdk.max_sessions = 1`.
    async fn configured(more: impl FnOnce(Config) -> Config) -> House {
        House::warm(0, more).await
    }

    /// With processes that are started ahead.
    async fn warm(count: usize, more: impl FnOnce(Config) -> Config) -> House {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fake_claude.sh");
        let config = Config::new()
            .toml(&format!("plugins.claude_sdk.command = [\"/bin/sh\", {script:?}]"))
            .toml(&format!("plugins.claude_sdk.warm = {count}"))
            .toml(&format!(
                "plugins.claude_sdk.environment.FAKE_HOME = {:?}",
                folder.path().display().to_string()
            ));
        let config = more(config);
        House { proxy: Proxy::start(config.clone()).await, folder, config }
    }

    /// Another proxy in the same home, with the same CLI.
    async fn again(self) -> House {
        let House { proxy, folder, config } = self;
        House { proxy: proxy.again(config.clone()).await, folder, config }
    }

    /// Waits for the end of every process of the CLI, and of what they started.
    async fn all_gone(&self) {
        let children = read(&self.file("children"));
        let children = children.lines().filter_map(|line| line.parse().ok());
        for id in self.started().into_iter().map(|(id, _)| id).chain(children) {
            gone(id).await;
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The processes so far: id and arguments.
    fn started(&self) -> Vec<(i32, String)> {
        let text = read(&self.file("started"));
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, arguments)| (id.parse().unwrap(), arguments.to_owned()))
            .collect()
    }

    /// What the CLI was told so far, line by line.
    fn said(&self) -> Vec<Value> {
        read(&self.file("said")).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it was told that contains this.
    async fn heard(&self, text: &str) -> Value {
        eventually(&format!("`{text}` at the CLI"), async || {
            self.said().into_iter().find(|line| line.to_string().contains(text))
        })
        .await
    }

    /// One of its counts in `/plugins/status`.
    async fn count(&self, name: &str) -> u64 {
        self.proxy.plugin("claude_sdk").await["stats"][name].as_u64().unwrap()
    }

    /// Waits until one of its counts is this.
    async fn counts(&self, name: &str, wanted: u64) {
        eventually(&format!("{name} = {wanted}"), async || (self.count(name).await == wanted).then_some(()))
            .await;
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn lives(id: i32) -> bool {
    let status = read(Path::new(&format!("/proc/{id}/stat")));
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

async fn gone(id: i32) {
    eventually("the end of the CLI", async || (!lives(id)).then_some(())).await;
}

/// A request of one turn.
fn one(words: &str) -> Value {
    json!({ "model": "fake-1", "max_tokens": 50, "messages": [{ "role": "user", "content": words }] })
}

/// The same, as a stream.
fn streamed(words: &str) -> Value {
    let mut body = one(words);
    body["stream"] = true.into();
    body
}
