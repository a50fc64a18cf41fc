//! Step 7 and 8 for the Claude API: the client's own request, minus what ends at this proxy, plus a credential.

use std::sync::Arc;

use ccproxy_core::Result;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Credential, Operation, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::base_url::BaseUrl;
use crate::credentials::Credentials;
use crate::local::take_local;

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version that the API has asked for since 2023: <https://docs.anthropic.com/en/api/versioning>.
const CURRENT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Speaks to the Claude API.
pub(super) struct Adapter {
    base: BaseUrl,
    credentials: Credentials,
    upstream: Arc<Upstream>,
}

impl Adapter {
    /// `base_url` may have a path; a `/v1` at its end is the same as none.
    pub(super) fn new(
        base_url: &str,
        credentials: Credentials,
        upstream: Arc<Upstream>,
    ) -> std::result::Result<Self, String> {
        let mut base = BaseUrl::parse(base_url)?;
        if let Some(path) = base.path.strip_suffix("/v1") {
            base.path = path.to_owned();
        }
        Ok(Adapter { base, credentials, upstream })
    }

    /// Where the request goes: the base path, the API's path and the client's query.
    fn path(&self, uri: &Uri, operation: &Operation) -> Result<PathAndQuery> {
        let path = match operation.name {
            "messages" => "/v1/messages",
            "count_tokens" => "/v1/messages/count_tokens",
            "models" => "/v1/models",
            // The rest keeps its own spelling, escapes included.
            _ => uri.path().find("/v1/").map_or("/v1/models", |at| &uri.path()[at..]),
        };
        self.base.join(path, uri.query())
    }

    fn outbound(&self, exchange: &Exchange, operation: &Operation, body: Document) -> Result<Outbound> {
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = self.credentials.take(&mut headers)?;
        take_local(&mut headers);
        if request.format.as_ref().is_some_and(|format| format.name() != operation.format.name()) {
            take_foreign(&mut headers);
        }
        if !headers.contains_key(VERSION) {
            headers.insert(VERSION, CURRENT_VERSION);
        }
        if request.stream {
            // A compressed stream cannot be watched, so a cut could not be told from an end.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let method = request.method.clone();
        let body = if method == Method::GET { Document::default() } else { body };
        let path = self.path(&request.uri, operation)?;
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

/// Takes out what OpenAI's clients tell about accounts and sessions there: none of this provider's business.
fn take_foreign(headers: &mut HeaderMap) {
    let foreign = |name: &str| {
        name == "originator"
            || ["openai-", "chatgpt-", "x-codex-", "x-openai-"].iter().any(|prefix| name.starts_with(prefix))
    };
    let names: Vec<HeaderName> = headers.keys().filter(|name| foreign(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
