//! Step 7 and 8 for Copilot.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange as ClientExchange;
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use ccproxy_core::{Error, Result};
use http::uri::Uri;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::config::{BASE_URL, Config, TOKEN_VARIABLE};
use super::exchange::{Account, Exchange};
use super::initiator::look;
use crate::base_url::BaseUrl;
use crate::credentials::{Choice, Credentials, Place, Wanted, described, take_credentials};
use crate::fixed_headers;
use crate::keeper::Login;
use crate::local::OF_ANTHROPIC;
use crate::relay::{Asked, Relay};

const INITIATOR: HeaderName = HeaderName::from_static("x-initiator");
const VISION: HeaderName = HeaderName::from_static("copilot-vision-request");
const EDITOR: HeaderName = HeaderName::from_static("editor-version");
const SELF: HeaderValue = HeaderValue::from_static(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));

/// Speaks to Copilot.
pub(super) struct Adapter {
    /// To the usual host, with the client's own credential or the account's token as it is.
    relay: Relay,
    /// Whether the settings name the host, so that the exchange cannot.
    fixed: bool,
    exchange: Option<Exchange>,
    /// Where the account's token came from.
    source: Option<&'static str>,
    headers: HeaderMap,
}

impl Adapter {
    /// `environment` is asked only when the settings hold no token.
    pub(super) fn new(
        config: Config,
        environment: impl Fn(&str) -> Option<String>,
        upstream: Arc<Upstream>,
        login: Arc<Login>,
    ) -> std::result::Result<Self, String> {
        let wanted = Wanted {
            service: "GitHub Copilot".to_owned(),
            setting: "plugins.copilot.github_token".to_owned(),
            variable: Some(TOKEN_VARIABLE),
            place: Place::Bearer,
            optional: false,
        };
        let configured = config.github_token.as_ref().map(|token| token.expose().trim().to_owned());
        let (token, source) = match configured.filter(|token| !token.is_empty()) {
            Some(token) => (Some(token), "the settings"),
            None => (environment(TOKEN_VARIABLE).map(|token| token.trim().to_owned()), TOKEN_VARIABLE),
        };
        let token = token.filter(|token| !token.is_empty());
        let source = token.as_ref().map(|_| source);
        let account = match token.filter(|_| config.exchange) {
            Some(token) => {
                let account = HeaderValue::from_str(&format!("token {token}"));
                let mut account = account.map_err(|_| {
                    format!(
                        "the token from {} holds characters that no header can carry",
                        source.unwrap_or_default()
                    )
                })?;
                account.set_sensitive(true);
                Some(Account::Fixed(account))
            }
            None => (config.exchange && source.is_none()).then(|| Account::Login(login.clone())),
        };
        // Without an exchange the token is a key like any other's.
        let fixed = matches!(account, Some(Account::Fixed(_)));
        let choice = if fixed { Choice::Passthrough } else { Choice::Auto };
        let github = BaseUrl::parse(&config.github_api)?;
        let exchange = account.map(|account| Exchange::new(github, account, upstream.clone()));
        let credentials = Credentials::new(wanted, choice, config.github_token.as_ref(), environment)?;
        let credentials = credentials.with_login(login);
        let base = BaseUrl::parse(config.base_url.as_deref().unwrap_or(BASE_URL))?;
        Ok(Adapter {
            relay: Relay { base, credentials, upstream },
            fixed: config.base_url.is_some(),
            exchange,
            source,
            headers: fixed_headers::read(&config.headers)?,
        })
    }

    /// The host that answers now.
    pub(super) fn host(&self) -> String {
        let named = self.exchange().filter(|_| !self.fixed).and_then(Exchange::host);
        let base = named.as_ref().unwrap_or(&self.relay.base);
        format!("{}://{}{}", base.origin.scheme, base.origin.authority, base.path)
    }

    /// Why there is no token, when the last exchange failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.exchange()?.trouble()
    }

    /// The exchange, when there is anything to exchange.
    fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref().filter(|exchange| exchange.has_account())
    }

    async fn outbound(
        &self,
        client: &ClientExchange,
        operation: &Operation,
        body: Document,
        sent: bool,
    ) -> Result<Outbound> {
        if operation.name == "usage" {
            let lacks = || {
                let told = format!(
                    "GitHub tells what is used to a token of the proxy's only; set `plugins.copilot.github_token` or {TOKEN_VARIABLE}, or run `ccproxy auth login copilot`"
                );
                Error::client(Kind::Unauthorized, told)
            };
            return self.exchange().ok_or_else(lacks)?.request("/copilot_internal/user").await;
        }
        let (posts, asked) = {
            let request = client.request.lock();
            (request.method == Method::POST, request.body.clone())
        };
        // The client's own request: turned into another format, what a tool showed may look like a person's.
        let (initiator, images) = look(&asked);
        let adjust = |headers: &mut HeaderMap| {
            // Editors tell these by themselves, and know better.
            if posts && !headers.contains_key(INITIATOR) {
                headers.insert(INITIATOR, HeaderValue::from_static(initiator.word()));
            }
            if images && !headers.contains_key(VISION) {
                headers.insert(VISION, HeaderValue::from_static("true"));
            }
            if !headers.contains_key(EDITOR) {
                headers.insert(EDITOR, SELF);
            }
            fixed_headers::put(&self.headers, headers);
        };
        let asked = Asked { exchange: client, operation, body, foreign: OF_ANTHROPIC, path };
        let Some(exchange) = self.exchange() else {
            return self.relay.outbound(asked, sent, |headers, _| adjust(headers)).await;
        };
        let token = if sent { exchange.token().await? } else { exchange.shown() };
        let host = token.host.filter(|_| !self.fixed);
        let base = host.as_ref().unwrap_or(&self.relay.base);
        let credential = |headers: &mut HeaderMap| {
            take_credentials(headers);
            Ok(HeaderMap::from_iter([(header::AUTHORIZATION, token.bearer)]))
        };
        asked.outbound(base, credential, adjust)
    }
}

/// The path on Copilot's host.
fn path<'u>(uri: &'u Uri, operation: &Operation) -> &'u str {
    match operation.name {
        "chat_completions" => "/chat/completions",
        "responses" => "/responses",
        "messages" => "/v1/messages",
        "embeddings" => "/embeddings",
        "models" => "/models",
        // The rest keeps its own spelling, escapes included.
        _ => uri.path().split_once("/v1").map_or("/models", |(_, rest)| rest),
    }
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<ClientExchange>,
        operation: &'a Operation,
        body: Document,
        sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        Box::pin(self.outbound(exchange, operation, body, sent))
    }

    fn send<'a>(
        &'a self,
        _exchange: &'a Arc<ClientExchange>,
        operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        let Some(exchange) = self.exchange().filter(|_| operation.name != "usage") else {
            return self.relay.send(outbound);
        };
        Box::pin(async move {
            let mut again = outbound.clone();
            let answer = self.relay.send(outbound).await?;
            let refused = again.credential.get(header::AUTHORIZATION).cloned();
            let Some(refused) = refused.filter(|_| answer.status == StatusCode::UNAUTHORIZED) else {
                return Ok(answer);
            };
            // It may have been revoked before its time: once more with a new one, where there is one.
            exchange.drop_token(&refused);
            let Ok(token) = exchange.token().await else { return Ok(answer) };
            if token.bearer == refused
                || token.host.is_some_and(|host| !self.fixed && host.origin != again.origin)
            {
                return Ok(answer);
            }
            drop(answer);
            again.credential.insert(header::AUTHORIZATION, token.bearer);
            self.relay.send(again).await
        })
    }

    fn credential(&self) -> Credential {
        match (self.exchange(), self.source) {
            (Some(exchange), None) if exchange.login().is_some() => {
                exchange.login().map_or_else(|| self.relay.credential(), |login| described(login))
            }
            (Some(_), Some(source)) => Credential {
                kind: "oauth",
                present: true,
                hint: format!("GitHub token from {source}, exchanged for Copilot's"),
            },
            _ => self.relay.credential(),
        }
    }
}
