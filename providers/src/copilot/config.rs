//! Settings under `[plugins.copilot]`.

use std::collections::BTreeMap;

use ccproxy_core::config::{Field, Schema};
use ccproxy_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;

use crate::fixed_headers;
use crate::vault::Id;

/// The environment variable that GitHub's own Copilot tools read a token from first.
pub(super) const TOKEN_VARIABLE: &str = "COPILOT_GITHUB_TOKEN";
/// Where Copilot answers when the exchange names no other host.
pub(super) const BASE_URL: &str = "https://api.githubcopilot.com";
const GITHUB_API: &str = "https://api.github.com";

/// The settings as validated against the schema.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) github_token: Option<Secret>,
    #[serde(default = "account")]
    pub(super) account: String,
    #[serde(default = "yes")]
    pub(super) exchange: bool,
    #[serde(default = "github_api")]
    pub(super) github_api: String,
    pub(super) base_url: Option<String>,
    #[serde(default)]
    pub(super) messages_via: Via,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Secret>,
}

/// What requests to `/v1/messages` become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Via {
    /// Chat, which nearly every model of Copilot has.
    #[default]
    Chat,
    /// Responses, which the Codex models have alone.
    Responses,
    /// They stay what they are, which Claude's models understand.
    Messages,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            github_token: None,
            account: account(),
            exchange: true,
            github_api: github_api(),
            base_url: None,
            messages_via: Via::default(),
            headers: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the validated settings.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if value.is_null() {
            return Ok(Config::default());
        }
        Self::deserialize(value).map_err(|error| format!("its settings: {error}"))
    }
}

pub(super) fn schema() -> Schema {
    let token = format!(
        "A GitHub token of an account with Copilot; without it {TOKEN_VARIABLE} counts, then a stored login"
    );
    Schema::of([
        Field::secret("github_token", &token),
        Field::string("account", "Without any token: which stored login is used").or(Id::DEFAULT),
        Field::boolean("exchange", "Whether it is exchanged for a token of Copilot's own, or sent as it is")
            .or(true),
        Field::url("github_api", "Where GitHub exchanges tokens and tells what is used").or(GITHUB_API),
        Field::url("base_url", "Where Copilot answers, whatever host the exchange names"),
        Field::choice(
            "messages_via",
            &["chat", "responses", "messages"],
            "What requests to `/v1/messages` become; `messages` leaves them, for Claude's models",
        )
        .or("chat"),
        fixed_headers::field(),
    ])
}

fn account() -> String {
    Id::DEFAULT.to_owned()
}

fn yes() -> bool {
    true
}

fn github_api() -> String {
    GITHUB_API.into()
}
