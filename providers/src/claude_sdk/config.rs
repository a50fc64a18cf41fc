//! Settings under `[plugins.claude_sdk]`. Whatever decides what the CLI may do stands here, and nowhere in a request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ccproxy_core::config::{Field, FieldKind, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How something that only the CLI has is shown to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Show {
    /// As content blocks of its own kind.
    Forward,
    /// As text between tags.
    Formatted,
    /// Not at all.
    Ignore,
}

/// The settings as validated against the schema, defaults filled in.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, Secret>,
    pub(super) directory: Option<PathBuf>,
    #[serde(default)]
    pub(super) tools: Vec<String>,
    #[serde(default)]
    pub(super) allow: Vec<String>,
    pub(super) show_thinking: Show,
    pub(super) show_tools: Show,
    pub(super) max_sessions: usize,
    pub(super) max_queue: usize,
    pub(super) warm: usize,
    #[serde(deserialize_with = "seconds")]
    pub(super) queue_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) idle_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) session_ttl: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) resume_ttl: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) tool_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) start_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) turn_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) interrupt_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(super) approval_timeout: Duration,
}

impl Config {
    /// Reads the validated settings; keys of the registry's own, such as `enabled`, are not ours.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let mut all = Map::new();
        for field in schema().fields {
            if let Some(default) = field.default {
                all.insert(field.name, default);
            }
        }
        all.extend(value.as_object().cloned().unwrap_or_default());
        let config =
            Self::deserialize(Value::Object(all)).map_err(|error| format!("its settings: {error}"))?;
        match config.command.first().map(|word| word.trim()) {
            None | Some("") => Err("`plugins.claude_sdk.command` must name a program".into()),
            _ => Ok(config),
        }
    }
}

/// Seconds, or a default as it is written.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(value).map_err(serde::de::Error::custom)
}

pub(super) fn schema() -> Schema {
    let show = ["forward", "formatted", "ignore"];
    let time = |name: &str, doc: &str, most: u32| Field::duration(name, doc).between(0.05, most);
    Schema::of([
        Field::list(
            "command",
            FieldKind::string(),
            "The CLI, and words before its own arguments: `[\"claude\"]`, or a sandbox that runs it",
        )
        .or(vec!["claude"]),
        Field::map(
            "environment",
            FieldKind::Secret,
            "Variables for the CLI, beside the few it inherits (HOME, PATH, language, time zone, proxies)",
        ),
        Field::path("directory", "Its working folder; without it an empty one of the plugin's own"),
        Field::list("tools", FieldKind::string(), "Built-in tools of the CLI that the model is offered")
            .or(Vec::<String>::new()),
        Field::list(
            "allow",
            FieldKind::string(),
            "Which calls of tools may run: `Read`, `Bash(git log *)`; the others are denied",
        )
        .or(Vec::<String>::new()),
        Field::choice("show_thinking", &show, "How the model's thinking is shown").or("forward"),
        Field::choice("show_tools", &show, "How calls of the CLI's own tools and their results are shown")
            .or("formatted"),
        Field::integer("max_sessions", "Most processes of the CLI at once").between(1, 10_000).or(64),
        Field::integer("max_queue", "Most requests that wait for a process").between(0, 100_000).or(128),
        Field::integer("warm", "Processes that are started ahead, once there was a request")
            .between(0, 100)
            .or(1),
        time("queue_timeout", "How long a request waits for a process", 3600).or(30),
        time("idle_timeout", "How long a session's process is kept without a request", 604_800).or(600),
        time("session_ttl", "How old a session's process may become", 604_800).or(3600),
        time(
            "resume_ttl",
            "How long a session whose process is gone can go on, over a restart of the proxy too",
            2_592_000,
        )
        .or(604_800),
        time("tool_timeout", "How long a process waits for the results of a client's tools", 86_400).or(600),
        time("start_timeout", "How long the CLI may take to get ready", 3600).or(60),
        time("turn_timeout", "How long the CLI may be silent during an answer", 86_400).or(600),
        time("interrupt_timeout", "How long it may take to stop once its client has left", 600).or(10),
        time("approval_timeout", "How long a decision about a tool may take", 86_400).or(300),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_defaults_are_whole_and_safe() {
        let config = Config::read(&json!({"enabled": true})).expect("defaults");
        assert_eq!(config.command, ["claude"]);
        assert!(config.tools.is_empty() && config.allow.is_empty() && config.directory.is_none());
        assert_eq!(
            (config.idle_timeout, config.session_ttl),
            (Duration::from_secs(600), Duration::from_secs(3600))
        );
        assert!(Config::read(&json!({"command": []})).expect_err("no program").contains("command"));
    }
}
