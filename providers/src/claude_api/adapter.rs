//! Step 7 and 8 for the Claude API: the client's own request, minus what ends at this proxy, plus a credential.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Credential, Operation, Origin, Outbound, Provider};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::upstream::Upstream;
use ccproxy_core::{Error, Result};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use smallvec::SmallVec;

use super::credentials::Credentials;

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The version that the API has asked for since 2023: <https://docs.anthropic.com/en/api/versioning>.
const CURRENT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// Speaks to the Claude API.
pub(super) struct Adapter {
    origin: Arc<Origin>,
    /// The base URL's path, without a slash at the end.
    base_path: String,
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
        let (origin, base_path) = parse_base(base_url)?;
        Ok(Adapter { origin: Arc::new(origin), base_path, credentials, upstream })
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
        let query = uri.query().unwrap_or_default();
        let mut whole = BytesMut::with_capacity(self.base_path.len() + path.len() + query.len() + 1);
        whole.put_slice(self.base_path.as_bytes());
        whole.put_slice(path.as_bytes());
        if !query.is_empty() {
            whole.put_u8(b'?');
            whole.put_slice(query.as_bytes());
        }
        PathAndQuery::from_maybe_shared(whole.freeze()).map_err(|error| Error::internal(error.to_string()))
    }

    fn outbound(&self, exchange: &Exchange, operation: &Operation) -> Result<Outbound> {
        let request = exchange.request.lock();
        let mut headers = request.headers.clone();
        let credential = self.credentials.take(&mut headers)?;
        take_local(&mut headers);
        if !headers.contains_key(VERSION) {
            headers.insert(VERSION, CURRENT_VERSION);
        }
        if request.stream {
            // A compressed stream cannot be watched, so a cut could not be told from an end.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let method = request.method.clone();
        let body = if method == Method::GET { Document::default() } else { request.body.clone() };
        let path = self.path(&request.uri, operation)?;
        Ok(Outbound { origin: self.origin.clone(), method, path, headers, credential, body })
    }
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
    ) -> BoxFuture<'a, Result<Outbound>> {
        let outbound = self.outbound(exchange, operation);
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

/// Takes out what is between the client and this proxy. Hop-by-hop fields go when the request is sent.
fn take_local(headers: &mut HeaderMap) {
    let local: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| is_local(name.as_str())).cloned().collect();
    for name in local {
        headers.remove(name);
    }
}

/// Fields that a browser or a proxy in front wrote about the way here, and cookies, which are for us.
fn is_local(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'a') => name.starts_with("access-control-request-"),
        Some(b'c') => name == "content-length" || name.starts_with("cookie"),
        Some(b'f') => name == "forwarded",
        Some(b'h') => name == "host",
        Some(b'o') => name == "origin",
        Some(b'p') => name == "proxy-authorization",
        Some(b'r') => name == "referer",
        Some(b's') => name.starts_with("sec-fetch-"),
        Some(b'v') => name == "via",
        Some(b'x') => name.starts_with("x-forwarded-") || name == "x-real-ip",
        _ => false,
    }
}

fn parse_base(base_url: &str) -> std::result::Result<(Origin, String), String> {
    let told = |why: &str| format!("`base_url` {why}; write it as `https://host` or `https://host/path`");
    let parts = base_url.parse::<Uri>().map_err(|_| told("is not a URL"))?.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(told("has no scheme or no host"));
    };
    if scheme.as_str() != "http" && scheme.as_str() != "https" {
        return Err(told("is neither http nor https"));
    }
    if authority.as_str().contains('@') {
        return Err(told("holds a user name; credentials belong into `api_key`"));
    }
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if path.query().is_some() {
        return Err(told("has a query"));
    }
    let path = path.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    Ok((Origin { scheme, authority }, path))
}
