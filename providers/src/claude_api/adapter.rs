//! Step 7 and 8 for servers that speak Anthropic's protocol.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::pool::{Pool, Retry};
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::uri::Uri;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::balancer::Pooled;
use crate::base_url::BaseUrl;
use crate::credentials::Credentials;
use crate::fixed_headers;
use crate::local::OF_OPENAI;
use crate::relay::{Asked, Relay};

use super::service::Service;

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version that the API has asked for since 2023: <https://docs.anthropic.com/en/api/versioning>.
const CURRENT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Without it the API takes no token of a login; clients that log in by themselves send it too.
const BETA_OF_LOGINS: &str = "oauth-2025-04-20";

/// Speaks to one server.
pub(super) struct Adapter {
    relay: Relay,
    headers: HeaderMap,
    /// What it is told when the token of a login comes.
    beta: Option<&'static str>,
}

impl Adapter {
    /// `base_url` may have a path; a `/v1` at its end is the same as none. `headers` are put on every request.
    pub(super) fn new(
        base_url: &str,
        credentials: Credentials,
        pooled: Option<Pooled<Credentials>>,
        headers: HeaderMap,
        upstream: Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        let mut base = BaseUrl::parse(base_url)?;
        if let Some(path) = base.path.strip_suffix("/v1") {
            base.path = path.to_owned();
        }
        let relay = Relay { base, credentials, pooled, upstream };
        Ok(Adapter { relay, headers, beta: Some(BETA_OF_LOGINS) })
    }

    /// The same for a service: only the Claude API itself knows this beta.
    pub(super) fn of(self, service: &Service) -> Self {
        Adapter { beta: self.beta.filter(|_| service.claude), ..self }
    }

    fn adjust(&self, headers: &mut HeaderMap, by_login: bool) {
        if let Some(beta) = self.beta.filter(|_| by_login)
            && !headers.get_all(BETA).iter().any(|value| has(value, beta))
        {
            headers.append(BETA, HeaderValue::from_static(beta));
        }
        if !headers.contains_key(VERSION) {
            headers.insert(VERSION, CURRENT_VERSION);
        }
        fixed_headers::put(&self.headers, headers);
    }
}

impl Adapter {
    async fn outbound(
        &self,
        exchange: &Exchange,
        operation: &Operation,
        body: Document,
        sent: bool,
    ) -> Result<Outbound> {
        let asked = Asked { exchange, operation, body, foreign: OF_OPENAI, path };
        self.relay.outbound(asked, sent, |headers, by_login| self.adjust(headers, by_login)).await
    }
}

/// Whether a list of words has this one.
fn has(list: &HeaderValue, word: &str) -> bool {
    list.to_str().is_ok_and(|list| list.split(',').any(|item| item.trim() == word))
}

/// The path below the base URL.
fn path<'u>(uri: &'u Uri, operation: &Operation) -> &'u str {
    match operation.name {
        "messages" => "/v1/messages",
        "count_tokens" => "/v1/messages/count_tokens",
        "models" => "/v1/models",
        // The rest keeps its own spelling, escapes included.
        _ => uri.path().find("/v1/").map_or("/v1/models", |at| &uri.path()[at..]),
    }
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        body: Document,
        sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        Box::pin(self.outbound(exchange, operation, body, sent))
    }

    fn send<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        _operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        self.relay.send(exchange, outbound)
    }

    fn retry(&self, exchange: &Arc<Exchange>) -> Retry {
        self.relay.retry(exchange)
    }

    fn credential(&self) -> Credential {
        self.relay.credential()
    }

    fn pool(&self) -> Option<Pool> {
        self.relay.pool()
    }
}
