//! Settings under `[plugins.codex]`.

use ccproxy_core::config::{Field, FieldKind, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::credentials::Choice;
use crate::vault::Id;

/// Where the Codex CLI itself goes with a ChatGPT login.
const DEFAULT_BASE_URL: &str = "https://chatgpt.com/backend-api/codex";

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(default = "default_base_url")]
    pub(super) base_url: String,
    #[serde(default)]
    pub(super) credential: Choice,
    pub(super) access_token: Option<Secret>,
    pub(super) api_key: Option<Secret>,
    #[serde(default = "account")]
    pub(super) account: String,
    pub(super) account_id: Option<String>,
    #[serde(default)]
    pub(super) models: Vec<String>,
    #[serde(default = "yes")]
    pub(super) websocket: bool,
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
        Field::url("base_url", "Where Codex answers, without `/responses`").or(DEFAULT_BASE_URL),
        Field::choice(
            "credential",
            &["auto", "passthrough", "api_key", "oauth"],
            "Whose credential goes upstream: the client's own, the token or key, a stored login, or `auto`: the token or key when there is one, else the login when somebody is logged in",
        )
        .or("auto"),
        Field::secret(
            "access_token",
            "The access token of a ChatGPT login; without it the environment variable CODEX_ACCESS_TOKEN counts",
        ),
        Field::secret(
            "api_key",
            "An API key, where `base_url` takes one; without it the environment variable CODEX_API_KEY counts",
        ),
        Field::string("account", "Which stored login is used, of those that `ccproxy auth accounts` lists")
            .or(Id::DEFAULT),
        Field::string(
            "account_id",
            "The ChatGPT account of the token; without it CODEX_ACCOUNT_ID, or what the token itself says",
        ),
        Field::list("models", FieldKind::string(), "The models to list when the upstream has no list").or(json!([])),
        Field::boolean("websocket", "Whether `/codex/v1/responses` may be asked over a websocket").or(true),
        Field::boolean("detect_cli", "Whether health looks for an installed `codex` and asks its version").or(true),
    ])
}

fn default_base_url() -> String {
    DEFAULT_BASE_URL.into()
}

fn account() -> String {
    Id::DEFAULT.into()
}

fn yes() -> bool {
    true
}
