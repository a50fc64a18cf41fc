//! Servers of the user's own, under `[providers.<name>]`: each becomes a provider plugin of that name.

use std::sync::Arc;

use ccproxy_core::config::{Field, Schema};
use serde::Deserialize;
use serde_json::Value;

use crate::balancer::Balancer;
use crate::credentials::{Choice, Credentials};
use crate::factory::Factory;
use crate::oauth::Logins;
use crate::vault::Id;
use crate::{Configured, Memory, claude_api, openai};

/// The protocol a server speaks.
pub(crate) fn api() -> Field {
    let doc = "The protocol it speaks: OpenAI's, or Anthropic's";
    Field::choice("api", &["openai", "anthropic"], doc).or("openai")
}

/// Whose credential goes there: all there are.
pub(crate) const CHOICES: [&str; 4] = ["auto", "passthrough", "api_key", "oauth"];

/// Which login is used.
pub(crate) fn login_fields() -> [Field; 2] {
    let provider = "The identity provider whose login is used, of those that `ccproxy auth providers` lists; for `credential = \"oauth\"` one of the server's own name counts when none is named";
    let account = "Which stored login is used, of those that `ccproxy auth accounts` lists";
    [Field::string("oauth", provider), Field::string("account", account).or(Id::DEFAULT)]
}

/// Which login is used, as the settings say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LoginSettings {
    oauth: Option<String>,
    account: Option<String>,
    credential: Choice,
}

/// The credentials with the login that the settings of a server name. Its identity provider may be one that a plugin
/// brings later.
pub(crate) fn with_login(
    credentials: Credentials,
    name: &str,
    settings: &Value,
    logins: &Logins,
) -> Result<Credentials, String> {
    let read = LoginSettings::deserialize(settings).map_err(|error| format!("its settings: {error}"))?;
    let own = || (read.credential == Choice::Oauth).then(|| name.to_owned());
    let Some(provider) = read.oauth.clone().or_else(own) else { return Ok(credentials) };
    let account = read.account.as_deref().unwrap_or(Id::DEFAULT);
    let login = logins.login_once_there(&provider, account).map_err(|failure| failure.to_string())?;
    Ok(credentials.with_login(login))
}

/// The identity provider of the logins that take turns at a server: the one that its settings name, else one of its own
/// name.
pub(crate) fn identity(settings: &Value, name: &str) -> String {
    settings["oauth"].as_str().unwrap_or(name).to_owned()
}

/// The plugin of one table.
pub(crate) fn factory(
    name: &str,
    configured: &Configured<'_>,
    memory: &Arc<Memory>,
    logins: &Arc<Logins>,
    balancer: &Arc<Balancer>,
) -> Factory {
    let settings = configured(name, &Schema::of([api()]).open());
    match settings["api"].as_str() {
        Some("anthropic") => claude_api::own(name, configured, memory, logins, balancer),
        _ => openai::own(name, configured, memory, logins, balancer),
    }
}
