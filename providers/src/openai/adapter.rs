//! Step 7 and 8 for servers that speak OpenAI's protocol: the client's own request, minus what ends at this
//! proxy, plus a credential.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::base_url::BaseUrl;
use crate::credentials::Credentials;
use crate::local::take_local;

/// Speaks to one server.
pub(super) struct Adapter {
    base: BaseUrl,
    credentials: Credentials,
    headers: HeaderMap,
    upstream: Arc<Upstream>,
}

impl Adapter {
    /// A `base_url` without a path gets the usual `/v1`. `headers` are put on every request.
    pub(super) fn new(
        base_url: &str,
        credentials: Credentials,
        headers: HeaderMap,
        upstream: Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        let mut base = BaseUrl::parse(base_url)?;
        if base.path.is_empty() {
            base.path = "/v1".to_owned();
        }
        Ok(Adapter { base, credentials, headers, upstream })
    }

    fn outbound(&self, exchange: &Exchange, operation: &Operation, body: Document) -> Result<Outbound> {
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = self.credentials.take(&mut headers)?;
        take_local(&mut headers);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        if request.stream {
            // A compressed stream cannot be watched, so a cut could not be told from an end.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let method = request.method.clone();
        let body = if method == Method::POST { body } else { Document::default() };
        let path = match operation.name {
            "chat_completions" => "/chat/completions",
            "responses" => "/responses",
            "embeddings" => "/embeddings",
            "models" => "/models",
            // The rest keeps its own spelling, escapes included.
            _ => request.uri.path().split_once("/v1").map_or("/models", |(_, rest)| rest),
        };
        let path = self.base.join(path, request.uri.query())?;
        Ok(Outbound { origin: self.base.origin.clone(), method, path, headers, credential, body })
    }
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        body: Document,
    ) -> BoxFuture<'a, Result<Outbound>> {
        let outbound = self.outbound(exchange, operation, body);
        Box::pin(std::future::ready(outbound))
    }

    fn send<'a>(
        &'a self,
        _exchange: &'a Arc<Exchange>,
        _operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.upstream.send(outbound))
    }

    fn credential(&self) -> Credential {
        self.credentials.describe()
    }
}
