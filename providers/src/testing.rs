//! What the tests of every adapter do: prepare a request as an exchange would.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::generation::Generation;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request as the pipeline has it at step 7.
pub(crate) fn exchange(method: Method, uri: &str, headers: &[(&str, &str)], body: &str) -> Arc<Exchange> {
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 9)), tls: false, http2: false };
    let generation = Arc::new(Generation::assemble(1, Vec::new(), &[], Vec::new()));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let mut document = Document::new(Bytes::copy_from_slice(body.as_bytes()));
    let peek = if body.is_empty() { Default::default() } else { document.check().expect("JSON") };
    let request = Request {
        method,
        uri: uri.parse().expect("a URI"),
        headers: map,
        body: document,
        params: Vec::new(),
        provider: None,
        model: peek.model,
        stream: peek.stream.unwrap_or(false),
        format: None,
    };
    Exchange::begin(peer, Client::anonymous(), generation, request)
}
