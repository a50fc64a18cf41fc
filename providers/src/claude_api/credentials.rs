//! Whose credential goes upstream. A configured key never travels beside a client's own.

use ccproxy_core::error::Kind;
use ccproxy_core::provider::Credential;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::{Choice, Config, KEY_VARIABLE};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What is put on requests.
pub(super) struct Credentials {
    choice: Choice,
    key: Option<HeaderValue>,
    source: &'static str,
}

impl Credentials {
    /// Resolves the settings; `environment` is asked only when they hold no key.
    pub(super) fn new(
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
    ) -> std::result::Result<Self, String> {
        let configured = config.api_key.as_ref().map(|key| key.expose().trim().to_owned());
        let (text, source) = match configured.filter(|key| !key.is_empty()) {
            Some(key) => (Some(key), "the settings"),
            None if config.credential == Choice::Passthrough => (None, ""),
            None => (environment(KEY_VARIABLE).map(|key| key.trim().to_owned()), KEY_VARIABLE),
        };
        let key = text.filter(|key| !key.is_empty()).map(|key| {
            let mut value = HeaderValue::from_str(&key).map_err(|_| {
                format!("the API key from {source} holds characters that no header can carry")
            })?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        });
        Ok(Credentials { choice: config.credential, key: key.transpose()?, source })
    }

    /// Takes the client's credentials out of its headers and says what goes upstream instead.
    pub(super) fn take(&self, headers: &mut HeaderMap) -> Result<HeaderMap> {
        let bearer = headers.remove(header::AUTHORIZATION);
        let api_key = headers.remove(API_KEY);
        let mut credential = HeaderMap::with_capacity(2);
        if let Some(key) = self.key.as_ref().filter(|_| self.choice != Choice::Passthrough) {
            credential.insert(API_KEY, key.clone());
            return Ok(credential);
        }
        if self.choice == Choice::ApiKey {
            return Err(unauthorized(NO_KEY));
        }
        for (name, value) in [(header::AUTHORIZATION, bearer), (API_KEY, api_key)] {
            if let Some(mut value) = value.filter(|value| !value.as_bytes().trim_ascii().is_empty()) {
                value.set_sensitive(true);
                credential.insert(name, value);
            }
        }
        if credential.is_empty() {
            return Err(unauthorized(match self.choice {
                Choice::Passthrough => NO_CLIENT_KEY,
                _ => NOTHING,
            }));
        }
        Ok(credential)
    }

    /// What is known, for people.
    pub(super) fn describe(&self) -> Credential {
        let configured = self.key.is_some() && self.choice != Choice::Passthrough;
        let (kind, hint) = match self.choice {
            _ if configured => ("api_key", format!("API key from {}", self.source)),
            Choice::ApiKey => ("none", NO_KEY.to_owned()),
            Choice::Passthrough => ("passthrough", "the client's own credential passes through".to_owned()),
            Choice::Auto => (
                "passthrough",
                format!(
                    "the client's own credential passes through; set {KEY_VARIABLE} or `plugins.claude_api.api_key` to use a key of the proxy's"
                ),
            ),
        };
        Credential { kind, present: configured, hint }
    }
}

const NO_KEY: &str =
    "the proxy has no API key for the Claude API; set `plugins.claude_api.api_key` or ANTHROPIC_API_KEY";
const NO_CLIENT_KEY: &str =
    "the request has no credential for the Claude API; send one as `x-api-key` or `authorization: Bearer`";
const NOTHING: &str = "no credential for the Claude API; send one as `x-api-key` or `authorization: Bearer`, or set \
    `plugins.claude_api.api_key` or ANTHROPIC_API_KEY for the proxy";

fn unauthorized(message: &'static str) -> Error {
    Error::client(Kind::Unauthorized, message)
}
