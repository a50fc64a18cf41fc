//! Step 7 and 8 for Copilot.

use std::sync::Arc;

use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange as ClientExchange;
use ccproxy_core::pool::{self as credentials, Retry};
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use ccproxy_core::{Error, Result};
use http::uri::Uri;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::config::{BASE_URL, Config, TOKEN_VARIABLE};
use super::exchange::Exchange;
use super::initiator::look;
use super::way::{Ready, Way};
use crate::balancer::{Account, Pool, Pooled};
use crate::base_url::BaseUrl;
use crate::credentials::take_credentials;
use crate::fixed_headers;
use crate::keeper::Login;
use crate::local::OF_ANTHROPIC;
use crate::oauth::Logins;
use crate::relay::Asked;

const INITIATOR: HeaderName = HeaderName::from_static("x-initiator");
const VISION: HeaderName = HeaderName::from_static("copilot-vision-request");
const EDITOR: HeaderName = HeaderName::from_static("editor-version");
const SELF: HeaderValue = HeaderValue::from_static(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));

/// Speaks to Copilot.
pub(super) struct Adapter {
    /// The usual host.
    base: BaseUrl,
    /// Whether the settings name the host, so that no exchange can.
    fixed: bool,
    upstream: Arc<Upstream>,
    way: Way,
    /// Several that take turns, in place of it.
    pooled: Option<Pooled<Way>>,
    headers: HeaderMap,
}

impl Adapter {
    /// `environment` is asked only when the settings hold no token.
    pub(super) fn new(
        config: Config,
        environment: impl Fn(&str) -> Option<String>,
        upstream: Arc<Upstream>,
        login: Arc<Login>,
        pool: Option<(&Arc<Pool>, &Logins)>,
    ) -> std::result::Result<Self, String> {
        let way = Way::new(&config, environment, &upstream, login)?;
        let pooled = match pool {
            None => None,
            Some((pool, logins)) => {
                let members =
                    pool.members().iter().map(|member| way.member(member, logins, &config, &upstream));
                Some(Pooled::new(pool.clone(), members.collect::<std::result::Result<_, String>>()?))
            }
        };
        Ok(Adapter {
            base: BaseUrl::parse(config.base_url.as_deref().unwrap_or(BASE_URL))?,
            fixed: config.base_url.is_some(),
            upstream,
            way,
            pooled,
            headers: fixed_headers::read(&config.headers)?,
        })
    }

    /// The host that answers now.
    pub(super) fn host(&self) -> String {
        let named =
            self.way.exchange().filter(|_| !self.fixed && self.pooled.is_none()).and_then(Exchange::host);
        let base = named.as_ref().unwrap_or(&self.base);
        format!("{}://{}{}", base.origin.scheme, base.origin.authority, base.path)
    }

    /// Why there is no token, when the last exchange failed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.way.exchange().filter(|_| self.pooled.is_none())?.trouble()
    }

    async fn send(
        &self,
        client: &ClientExchange,
        operation: &Operation,
        outbound: Outbound,
    ) -> Result<Answer> {
        let usage = operation.name == "usage";
        match &self.pooled {
            Some(pooled) => {
                pooled
                    .send(client, |way| Box::pin(way.send(&self.upstream, self.fixed, usage, outbound)))
                    .await
            }
            None => self.way.send(&self.upstream, self.fixed, usage, outbound).await,
        }
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
            let way = match &self.pooled {
                Some(pooled) => pooled.ready(client, &body, sent).await?.0,
                None => &self.way,
            };
            return way.exchange().ok_or_else(lacks)?.request("/copilot_internal/user").await;
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
        let (way, ready) = match &self.pooled {
            Some(pooled) => pooled.ready(client, &body, sent).await?,
            None => (&self.way, self.way.ready(sent).await?),
        };
        let asked = Asked { exchange: client, operation, body, foreign: OF_ANTHROPIC, path };
        let adjust = |headers: &mut HeaderMap| {
            adjust(headers);
            if self.pooled.is_some() {
                // What comes back is looked through.
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
        };
        match ready {
            Ready::Kept(bearer) => {
                asked.outbound(&self.base, |headers| way.credentials().take(headers, bearer), adjust)
            }
            Ready::Exchanged(token) => {
                let host = token.host.filter(|_| !self.fixed);
                let credential = |headers: &mut HeaderMap| {
                    take_credentials(headers);
                    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, token.bearer)]))
                };
                asked.outbound(host.as_ref().unwrap_or(&self.base), credential, adjust)
            }
        }
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
        exchange: &'a Arc<ClientExchange>,
        operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.send(exchange, operation, outbound))
    }

    fn retry(&self, exchange: &Arc<ClientExchange>) -> Retry {
        self.pooled.as_ref().map_or(Retry::No, |pooled| pooled.retry(exchange))
    }

    fn credential(&self) -> Credential {
        self.pooled.as_ref().map_or_else(|| self.way.describe(), Pooled::credential)
    }

    fn pool(&self) -> Option<credentials::Pool> {
        self.pooled.as_ref().map(Pooled::describe)
    }
}
