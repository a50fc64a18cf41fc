//! The exchange of a GitHub token for Copilot's own: one at a time, early, and once more after a refusal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ccproxy_core::document::{Document, Json};
use ccproxy_core::error::{Kind, Side};
use ccproxy_core::provider::Outbound;
use ccproxy_core::unix_time;
use ccproxy_core::upstream::Upstream;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use parking_lot::Mutex;

use super::token::Token;
use crate::base_url::BaseUrl;
use crate::keeper::Login;

/// Largest answer of GitHub that is read.
const LARGEST: usize = 64 << 10;
/// How long a caller waits for the exchange, its own turn included.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failure the next exchange is tried no sooner; until then the failure is told again.
const REST: Duration = Duration::from_secs(5);
/// What this program is, for GitHub, which asks editors for it.
const EDITOR: HeaderValue = HeaderValue::from_static(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));

/// The account of the settings.
pub(super) struct Exchange {
    github: BaseUrl,
    account: Account,
    upstream: Arc<Upstream>,
    token: Mutex<Option<Token>>,
    trouble: Mutex<Option<(Instant, Kind, String)>>,
    turn: tokio::sync::Mutex<()>,
}

/// Whose GitHub token is exchanged.
pub(super) enum Account {
    /// That of the settings: `token ...`, and which setting holds it.
    Fixed(HeaderValue, &'static str),
    /// That of a stored login, when there is one.
    Login(Arc<Login>),
}

impl Exchange {
    pub(super) fn new(github: BaseUrl, account: Account, upstream: Arc<Upstream>) -> Self {
        Exchange {
            github,
            account,
            upstream,
            token: Mutex::new(None),
            trouble: Mutex::new(None),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether there is anything to exchange.
    pub(super) fn has_account(&self) -> bool {
        self.login().is_none_or(|login| login.is_stored())
    }

    /// The login whose token is exchanged.
    pub(super) fn login(&self) -> Option<&Arc<Login>> {
        match &self.account {
            Account::Fixed(..) => None,
            Account::Login(login) => Some(login),
        }
    }

    /// A token that is good now.
    pub(super) async fn token(&self) -> Result<Token> {
        let now = Instant::now();
        if let Some(token) = self.held().filter(|token| now < token.renew) {
            return Ok(token);
        }
        let renewed = tokio::time::timeout(PATIENCE, self.renew()).await;
        let slow = || {
            Error::upstream(Kind::GatewayTimeout, "GitHub did not answer the exchange of its token in time")
        };
        match renewed.unwrap_or_else(|_| Err(slow())) {
            Ok(token) => Ok(token),
            // One that still lives is better than none.
            Err(error) => self.held().filter(|token| Instant::now() < token.end).ok_or(error),
        }
    }

    /// The token that there is, or something in its place: for who only looks.
    pub(super) fn shown(&self) -> Token {
        let now = Instant::now();
        let bearer = HeaderValue::from_static("Bearer (exchanged when it is needed)");
        self.held().unwrap_or(Token { bearer, host: None, renew: now, end: now })
    }

    /// What Copilot answered 401 to is not used again.
    pub(super) fn drop_token(&self, refused: &HeaderValue) {
        self.token.lock().take_if(|token| token.bearer == *refused);
    }

    /// The host that the last exchange named.
    pub(super) fn host(&self) -> Option<BaseUrl> {
        self.held()?.host
    }

    /// Why there is no token, when the last exchange failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().as_ref().map(|(_, _, told)| told.clone())
    }

    fn held(&self) -> Option<Token> {
        self.token.lock().clone()
    }

    async fn renew(&self) -> Result<Token> {
        let _turn = self.turn.lock().await;
        // Whoever had the turn before may have brought one.
        if let Some(token) = self.held().filter(|token| Instant::now() < token.renew) {
            return Ok(token);
        }
        if let Some((since, kind, told)) = self.trouble.lock().clone()
            && since.elapsed() < REST
        {
            return Err(refusal(kind, told));
        }
        match self.ask().await {
            Ok(token) => {
                *self.trouble.lock() = None;
                *self.token.lock() = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                let told = error.message().to_owned();
                *self.trouble.lock() = Some((Instant::now(), error.kind(), told));
                Err(error)
            }
        }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        let wrong = "the token is wrong or was revoked";
        let remedy = match &self.account {
            Account::Login(login) => format!("{wrong}; run `{}`", login.id().login_command()),
            Account::Fixed(_, setting) => format!("{wrong}; set another token in `{setting}`"),
        };
        refused(status, body, &remedy)
    }

    async fn ask(&self) -> Result<Token> {
        let answer = self.upstream.send(self.request("/copilot_internal/v2/token").await?).await?;
        let (status, body) = (answer.status, answer.body.collect(LARGEST).await?);
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        let unix = unix_time::now();
        let told =
            |why: String| Error::upstream(Kind::BadGateway, format!("GitHub's exchange of its token: {why}"));
        let token = Token::read(&body, Instant::now(), unix).map_err(told)?;
        if let Some(host) = &token.host
            && host.origin.scheme.as_str() != "https"
            && self.github.origin.scheme.as_str() == "https"
        {
            return Err(told("it names a host without encryption".to_owned()));
        }
        Ok(token)
    }

    /// A request to GitHub itself, with the account's own token.
    pub(super) async fn request(&self, path: &str) -> Result<Outbound> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, EDITOR);
        headers.insert("editor-version", EDITOR);
        headers.insert("editor-plugin-version", EDITOR);
        headers.insert("x-github-api-version", HeaderValue::from_static("2025-04-01"));
        let mut credential = HeaderMap::new();
        credential.insert(header::AUTHORIZATION, self.account.header().await?);
        Ok(Outbound {
            origin: self.github.origin.clone(),
            method: Method::GET,
            path: self.github.join(path, None)?,
            headers,
            credential,
            body: Document::default(),
            losses: Vec::new(),
        })
    }
}

impl Account {
    async fn header(&self) -> Result<HeaderValue> {
        match self {
            Account::Fixed(header, _) => Ok(header.clone()),
            Account::Login(login) => {
                let held = login.token().await?;
                let text = format!("token {}", held.access().expose());
                let mut header = HeaderValue::from_str(&text).map_err(|_| {
                    Error::internal("the stored token holds characters that no header can carry")
                })?;
                header.set_sensitive(true);
                Ok(header)
            }
        }
    }
}

/// GitHub's refusal, in its own words as far as it has any. `remedy` is that of a token which is wrong.
fn refused(status: StatusCode, body: &[u8], remedy_of_token: &str) -> Error {
    let json = Json::whole(body);
    let said = json.as_ref().and_then(|json| {
        let details = json.key("error_details").and_then(|details| details.key("message")?.as_str());
        details.or_else(|| json.key("message")?.as_str())
    });
    let said = said.map(|said| said.chars().take(300).collect::<String>());
    let (kind, remedy) = match status.as_u16() {
        401 => (Kind::Unauthorized, remedy_of_token),
        403 | 404 => (Kind::Forbidden, "the account has no Copilot, or the token may not use it"),
        429 => (Kind::RateLimited, "try again later"),
        _ => (Kind::BadGateway, "try again later"),
    };
    let said = said.map_or_else(String::new, |said| format!(" ({said})"));
    refusal(kind, format!("GitHub exchanges no token for Copilot: {}{said}; {remedy}", status.as_u16()))
}

fn refusal(kind: Kind, told: String) -> Error {
    Error::new(Side::Upstream, kind, told)
}
