//! Settings under `[plugins.claude_api]`.

use ccproxy_core::config::{Field, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

use crate::credentials::Choice;

/// The environment variable that holds an API key when the settings do not.
pub(super) const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";

const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default = "default_base_url")]
    pub(super) base_url: String,
    #[serde(default)]
    pub(super) credential: Choice,
    pub(super) api_key: Option<Secret>,
    #[serde(default = "yes")]
    pub(super) detect_cli: bool,
}

impl Config {
    /// Reads the validated settings; keys of the registry's own, such as `enabled`, are not ours.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Self::deserialize(Value::Object(serde_json::Map::new())),
            value => Self::deserialize(value),
        }
        .map_err(|error| format!("its settings: {error}"))
    }
}

pub(super) fn schema() -> Schema {
    Schema::of([
        Field::url("base_url", "Where the Claude API answers; may have a path").or(DEFAULT_BASE_URL),
        Field::choice(
            "credential",
            &["auto", "passthrough", "api_key"],
            "Whose credential goes upstream: the client's own, the key, or `auto`: the key when there is one",
        )
        .or("auto"),
        Field::secret("api_key", "An API key; without it the environment variable ANTHROPIC_API_KEY counts"),
        Field::boolean("detect_cli", "Whether health looks for an installed `claude` and asks its version")
            .or(true),
    ])
}

fn default_base_url() -> String {
    DEFAULT_BASE_URL.into()
}

fn yes() -> bool {
    true
}
