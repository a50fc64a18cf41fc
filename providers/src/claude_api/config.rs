//! Settings under `[plugins.claude_api]`, and of servers of one's own.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

use super::service::{KEY_VARIABLE, Service};
use crate::credentials::Choice;
use crate::fixed_headers;
use crate::own;
use crate::vault::Id;

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) credential: Choice,
    pub(super) api_key: Option<Secret>,
    #[serde(default = "account")]
    pub(super) account: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Secret>,
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

pub(super) fn schema(service: &Service) -> Schema {
    let base_url = Field::url("base_url", &format!("Where {} answers; may have a path", service.title));
    let key = match service.claude {
        true => format!("An API key; without it the environment variable {KEY_VARIABLE} counts"),
        false => "An API key, where the server asks for one".to_owned(),
    };
    Schema::of([
        match service.base_url {
            Some(url) => base_url.or(url),
            None => base_url.required(),
        },
        Field::choice(
            "credential",
            &own::CHOICES,
            match service.claude {
                true => "Whose credential goes upstream: the client's own, the key, a stored login, or `auto`: the key when there is one, else the login when somebody is logged in",
                false => "Whose credential goes upstream: the client's own, the key, a stored login, or `auto`: the key when there is one, else the login that `oauth` names when somebody is logged in",
            },
        )
        .or("auto"),
        Field::secret("api_key", &key),
        fixed_headers::field(),
    ])
}

/// Only the Claude API's.
pub(super) fn detect_cli() -> Field {
    Field::boolean("detect_cli", "Whether health looks for an installed `claude` and asks its version")
        .or(true)
}

/// Only of servers of one's own.
pub(super) fn key_as() -> Field {
    let doc = "How the key goes: as `x-api-key`, or as `authorization: Bearer`";
    Field::choice("key_as", &["x-api-key", "bearer"], doc).or("x-api-key")
}

/// Only the Claude API's.
pub(super) fn account_field() -> Field {
    Field::string("account", "Which stored login is used, of those that `ccproxy auth accounts` lists")
        .or(Id::DEFAULT)
}

fn account() -> String {
    Id::DEFAULT.to_owned()
}

fn yes() -> bool {
    true
}
