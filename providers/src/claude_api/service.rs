//! A server of Anthropic's protocol, as data.

use std::borrow::Cow;

use super::config::Config;
use crate::credentials::{Credentials, Place, Wanted};

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// The plugin's name.
    pub(super) name: Cow<'static, str>,
    /// For people.
    pub(super) title: Cow<'static, str>,
    /// The first part of its paths.
    pub(super) prefix: String,
    /// Whether it is the Claude API itself.
    pub(super) claude: bool,
    /// Where it usually answers.
    pub(super) base_url: Option<&'static str>,
    /// Whether keys go as `authorization: Bearer`, not as `x-api-key`.
    pub(super) bearer: bool,
}

/// The environment variable that holds an API key when the settings do not.
pub(super) const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";

impl Service {
    /// The Claude API itself.
    pub(super) fn claude() -> Self {
        Service {
            name: "claude_api".into(),
            title: "the Claude API".into(),
            prefix: "/claude".into(),
            claude: true,
            base_url: Some("https://api.anthropic.com"),
            bearer: false,
        }
    }

    /// A server of the user's own.
    pub(super) fn own(name: &str) -> Self {
        Service {
            name: name.to_owned().into(),
            title: name.to_owned().into(),
            prefix: format!("/{name}"),
            claude: false,
            base_url: None,
            bearer: false,
        }
    }

    /// What is so of the Claude API alone.
    pub(super) fn own_words(&self, words: &[&str]) -> Vec<String> {
        words.iter().filter(|_| self.claude).map(|&word| word.to_owned()).collect()
    }

    /// Its table in the configuration.
    pub(super) fn table(&self) -> String {
        format!("{}.{}", if self.claude { "plugins" } else { "providers" }, self.name)
    }

    /// Resolves the settings; `environment` is asked only when they hold no key.
    pub(super) fn credentials(
        &self,
        config: &Config,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Credentials, String> {
        let wanted = Wanted {
            service: self.title.to_string(),
            setting: format!("{}.api_key", self.table()),
            variable: self.claude.then_some(KEY_VARIABLE),
            place: if self.bearer { Place::Bearer } else { Place::ApiKey },
            optional: !self.claude,
        };
        Credentials::new(wanted, config.credential, config.api_key.as_ref(), environment)
    }
}
