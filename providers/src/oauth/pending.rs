//! A login in a browser, from its beginning to the code that comes back.

use std::sync::Arc;

use ccproxy_core::oauth::{Attempt, Failure, OAuthProvider, Reason, Tokens};
use ccproxy_core::secret::Secret;
use reqwest::Url;

use super::random;

/// One login that is under way. Its state and its PKCE verifier are good for this one only, and stay in memory.
pub struct Pending {
    provider: Arc<dyn OAuthProvider>,
    attempt: Attempt,
    url: String,
}

/// What came to the redirect URI.
pub enum Arrival {
    /// The code of this login.
    Code(Secret),
    /// The person or the server said no to this login.
    Refused(Failure),
    /// It does not belong to this login, which goes on.
    Stray,
}

impl Pending {
    /// Begins a login that comes back to this URI.
    pub async fn begin(provider: &Arc<dyn OAuthProvider>, redirect_uri: String) -> Result<Self, Failure> {
        let verifier = if provider.supports_pkce() { Some(random()?) } else { None };
        let attempt = Attempt { state: random()?, verifier, redirect_uri };
        let url = provider.authorization_url(&attempt).await?;
        Ok(Pending { provider: provider.clone(), attempt, url })
    }

    /// Where the person logs in.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Judges a query. Nothing of it counts unless its state is the right one (RFC 6749, section 10.12).
    pub fn judge(&self, query: &str) -> Arrival {
        let Ok(url) = Url::parse(&format!("query:?{query}")) else { return Arrival::Stray };
        let field = |wanted: &str| {
            let mut found = url.query_pairs().filter(|(name, _)| name == wanted).map(|(_, value)| value);
            // One that comes twice is no answer of a server.
            found.next().filter(|value| !value.is_empty()).filter(|_| found.next().is_none())
        };
        if !field("state").is_some_and(|state| self.attempt.state.matches(state.as_bytes())) {
            return Arrival::Stray;
        }
        match (field("code"), field("error")) {
            (Some(code), None) => Arrival::Code(Secret::new(code)),
            (_, Some(error)) => {
                let name = self.provider.provider_display_name();
                Arrival::Refused(super::answer::refusal(name, &error, field("error_description").as_deref()))
            }
            (None, None) => Arrival::Stray,
        }
    }

    /// Judges what a person pasted: `code#state` as some pages show it, the whole address, or a bare code where PKCE
    /// binds it to this login.
    pub fn pasted(&self, text: &str) -> Result<Secret, Failure> {
        let text = text.trim();
        let stray =
            || Failure::new(Reason::Refused, "what was pasted does not belong to this login; begin again");
        if let Some((_, query)) = text.split_once('?') {
            let query = query.split('#').next().unwrap_or_default();
            return match self.judge(query) {
                Arrival::Code(code) => Ok(code),
                Arrival::Refused(failure) => Err(failure),
                Arrival::Stray => Err(stray()),
            };
        }
        let (code, state) = text.split_once('#').map_or((text, None), |(code, state)| (code, Some(state)));
        let plain = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_graphic());
        let bound = match state {
            Some(state) => self.attempt.state.matches(state.as_bytes()),
            None => self.attempt.verifier.is_some(),
        };
        if plain && bound { Ok(Secret::new(code)) } else { Err(stray()) }
    }

    /// Turns the code into tokens.
    pub async fn finish(&self, code: &Secret) -> Result<Tokens, Failure> {
        self.provider.handle_callback(code, &self.attempt).await
    }
}
