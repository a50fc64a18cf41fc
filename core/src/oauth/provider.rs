//! The contract of an OAuth provider.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Failure, Reason, Storage, Tokens};
use crate::secret::Secret;
use crate::step::BoxFuture;

/// Speaks to one identity provider. It keeps no state between calls: who calls holds the attempt.
pub trait OAuthProvider: Send + Sync + 'static {
    /// As on the command line.
    fn provider_name(&self) -> &str;

    /// For people.
    fn provider_display_name(&self) -> &str;

    /// Whether logins use PKCE (RFC 7636), with S256.
    fn supports_pkce(&self) -> bool;

    /// Whether tokens can be refreshed.
    fn supports_refresh(&self) -> bool;

    /// Whether tokens can be revoked at the server.
    fn supports_revocation(&self) -> bool {
        false
    }

    /// What a person should know and agree to before the first login.
    fn notice(&self) -> Option<&str> {
        None
    }

    /// The ways to log in.
    fn flows(&self) -> Flows;

    /// Where a person logs in, for an attempt.
    fn authorization_url<'a>(&'a self, attempt: &'a Attempt) -> BoxFuture<'a, Result<String, Failure>>;

    /// Turns the code that came back into tokens. The caller has compared the state already.
    fn handle_callback<'a>(
        &'a self,
        code: &'a Secret,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Tokens, Failure>>;

    /// Begins a login on another device (RFC 8628).
    fn begin_device_login(&self) -> BoxFuture<'_, Result<DeviceLogin, Failure>> {
        let told = format!("{} has no device flow", self.provider_display_name());
        Box::pin(std::future::ready(Err(Failure::new(Reason::Unsupported, told))))
    }

    /// Waits until the person is done with that login, no longer than it is good for, asking as often as the
    /// server allows.
    fn finish_device_login<'a>(&'a self, login: &'a DeviceLogin) -> BoxFuture<'a, Result<Tokens, Failure>> {
        let _ = login;
        let told = format!("{} has no device flow", self.provider_display_name());
        Box::pin(std::future::ready(Err(Failure::new(Reason::Unsupported, told))))
    }

    /// One request for fresh tokens. What the answer leaves unsaid (a refresh token, the account) is unset in
    /// the result. Callers go through whoever keeps tokens fresh: a server that rotates takes each only once.
    fn refresh<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<Tokens, Failure>>;

    /// Takes the tokens back at the server.
    fn revoke<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Result<(), Failure>> {
        let _ = tokens;
        let told = format!("{} cannot revoke tokens", self.provider_display_name());
        Box::pin(std::future::ready(Err(Failure::new(Reason::Unsupported, told))))
    }

    /// Where its tokens are kept.
    fn storage(&self) -> Arc<dyn Storage>;

    /// What may be told of tokens: nothing secret.
    fn credential_summary<'a>(&'a self, tokens: &'a Tokens) -> BoxFuture<'a, Map<String, Value>> {
        Box::pin(std::future::ready(summary_of(self.provider_name(), tokens)))
    }
}

/// What may be told of the tokens of any provider.
pub fn summary_of(provider: &str, tokens: &Tokens) -> Map<String, Value> {
    let summary = json!({
        "provider": provider,
        "account": tokens.account,
        "scopes": tokens.scopes,
        "expires_at": tokens.expires_at,
        "expires_in": tokens.left().map(|left| left.as_secs()),
        "expired": tokens.left().is_some_and(|left| left.is_zero()),
        "has_refresh_token": tokens.refresh.is_some(),
        "has_id_token": tokens.id.is_some(),
    });
    match summary {
        Value::Object(summary) => summary,
        _ => Map::new(),
    }
}

/// The ways to log in to a provider, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    /// The browser comes back to this machine.
    pub loopback: Option<Loopback>,
    /// The browser comes back to the running proxy, at `/oauth/<name>/callback`: the whole redirect URI.
    pub proxy: Option<String>,
    /// The browser shows a code, and the person brings it here: the redirect URI for that.
    pub paste: Option<String>,
    /// The person types a code on another device.
    pub device: bool,
}

/// Where the browser comes back to (RFC 8252, section 7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loopback {
    /// As the provider knows it: `localhost` or an address.
    pub host: String,
    /// The port; 0 takes a free one, where the provider allows any.
    pub port: u16,
    /// The one path.
    pub path: String,
}

impl Loopback {
    /// The redirect URI, once the port is known.
    pub fn redirect_uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host, self.path)
    }
}

/// One try to log in. Its secrets stay in memory, and are good for this try only.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Comes back with the code.
    pub state: Secret,
    /// Proves that who brings the code began the login; none without PKCE.
    pub verifier: Option<Secret>,
    /// Where the browser goes afterwards.
    pub redirect_uri: String,
}

/// A login that a person finishes on another device.
#[derive(Clone, Debug)]
pub struct DeviceLogin {
    /// Ours, for the server.
    pub device_code: Secret,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, where the server has one.
    pub verification_uri_complete: Option<String>,
    /// How often the server may be asked.
    pub interval: Duration,
    /// How long the person has.
    pub expires_in: Duration,
}
