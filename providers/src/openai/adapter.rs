//! Step 7 and 8 for servers that speak OpenAI's protocol.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::pool::{Pool, Retry};
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::HeaderMap;
use http::uri::Uri;

use crate::balancer::Pooled;
use crate::base_url::BaseUrl;
use crate::credentials::Credentials;
use crate::fixed_headers;
use crate::local::OF_ANTHROPIC;
use crate::relay::{Asked, Relay};

/// Speaks to one server.
pub(super) struct Adapter {
    relay: Relay,
    headers: HeaderMap,
}

impl Adapter {
    /// A `base_url` without a path gets the usual `/v1`. `headers` are put on every request.
    pub(super) fn new(
        base_url: &str,
        credentials: Credentials,
        pooled: Option<Pooled<Credentials>>,
        headers: HeaderMap,
        upstream: Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        let mut base = BaseUrl::parse(base_url)?;
        if base.path.is_empty() {
            base.path = "/v1".to_owned();
        }
        Ok(Adapter { relay: Relay { base, credentials, pooled, upstream }, headers })
    }
}

/// The path below the base URL.
fn path<'u>(uri: &'u Uri, operation: &Operation) -> &'u str {
    match operation.name {
        "chat_completions" => "/chat/completions",
        "responses" => "/responses",
        "input_tokens" => "/responses/input_tokens",
        "embeddings" => "/embeddings",
        "models" => "/models",
        // The rest keeps its own spelling, escapes included.
        _ => uri.path().split_once("/v1").map_or("/models", |(_, rest)| rest),
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
        let asked = Asked { exchange, operation, body, foreign: OF_ANTHROPIC, path };
        Box::pin(self.relay.outbound(asked, sent, |headers, _| fixed_headers::put(&self.headers, headers)))
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
