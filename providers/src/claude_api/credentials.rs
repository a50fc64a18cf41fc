//! The Claude API's credential: a key as `x-api-key`, or the client's own, bearer tokens included.

use super::config::{Config, KEY_VARIABLE};
use crate::credentials::{Credentials, Place, Wanted};

/// Resolves the settings; `environment` is asked only when they hold no key.
pub(super) fn credentials(
    config: &Config,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, String> {
    let wanted = Wanted {
        service: "the Claude API".to_owned(),
        setting: "plugins.claude_api.api_key".to_owned(),
        variable: Some(KEY_VARIABLE),
        place: Place::ApiKey,
        optional: false,
    };
    Credentials::new(wanted, config.credential, config.api_key.as_ref(), environment)
}
