//! An identity provider, as data.

use std::collections::BTreeMap;

use ccproxy_core::oauth::Loopback;
use ccproxy_core::secret::Secret;

/// Where an identity provider answers, and what it wants to hear.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// As on the command line.
    pub(super) name: String,
    /// For people.
    pub(super) title: String,
    /// What a person should know before the first login.
    pub(super) notice: Option<&'static str>,
    /// Who this program is to it. A public client: known to everybody.
    pub(super) client_id: String,
    /// For clients that are not public.
    pub(super) client_secret: Option<Secret>,
    /// Where a person logs in.
    pub(super) authorize_url: Option<String>,
    /// Where codes and refresh tokens become tokens.
    pub(super) token_url: String,
    /// Where a device flow begins.
    pub(super) device_url: Option<String>,
    /// Where tokens are taken back.
    pub(super) revoke_url: Option<String>,
    /// Where it tells whose a token is.
    pub(super) profile_url: Option<String>,
    /// Where the browser comes back to.
    pub(super) redirect_uri: Option<String>,
    /// Where the browser shows the code instead.
    pub(super) manual_redirect_uri: Option<String>,
    /// What the tokens are for.
    pub(super) scopes: Vec<String>,
    /// More for the page where a person logs in.
    pub(super) authorize_params: BTreeMap<String, String>,
    /// How it wants its requests.
    pub(super) body: Body,
    /// Whether the state goes with the code.
    pub(super) send_state: bool,
    /// Whether the scopes go with a refresh.
    pub(super) refresh_scopes: bool,
    /// Whether logins use PKCE.
    pub(super) pkce: bool,
    /// Whether tokens can be refreshed.
    pub(super) refresh: bool,
    /// Where the fields of its answers stand, as JSON pointers, where that is not at the top under RFC 6749's names.
    pub(super) answer: BTreeMap<String, String>,
    /// How it says whose tokens are.
    pub(super) whose: Whose,
}

/// How a server wants its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// As RFC 6749 says.
    Form,
    /// The same fields as an object.
    Json,
}

/// How a server says whose tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// In the answer and in a profile of its own form.
    Claude,
    /// In the claims of an ID token, with names of OpenAI's own.
    OpenAi,
    /// GitHub's `/user`.
    GitHub,
    /// In the claims of an ID token, as OpenID Connect has them.
    Standard,
}

impl Server {
    /// The origins of its endpoints: where secrets may go.
    pub(super) fn origins(&self) -> Vec<String> {
        let more = [&self.device_url, &self.revoke_url, &self.profile_url];
        let urls = more.into_iter().flatten().chain([&self.token_url]);
        urls.filter_map(|url| Some(reqwest::Url::parse(url).ok()?.origin().ascii_serialization())).collect()
    }

    /// The redirect URI, when that is the proxy's own route for it.
    pub(super) fn at_the_proxy(&self) -> Option<String> {
        let uri: http::Uri = self.redirect_uri.as_deref()?.parse().ok()?;
        let own = format!("/oauth/{}/callback", self.name);
        (uri.path() == own && uri.port_u16() != Some(0)).then(|| self.redirect_uri.clone()).flatten()
    }

    /// Where the browser comes back to, when that is this machine.
    pub(super) fn loopback(&self) -> Option<Loopback> {
        let uri: http::Uri = self.redirect_uri.as_deref()?.parse().ok()?;
        if self.at_the_proxy().is_some() {
            return None;
        }
        let host = uri.host()?;
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        (uri.scheme_str() == Some("http") && local).then(|| Loopback {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri.path().to_owned(),
        })
    }
}
