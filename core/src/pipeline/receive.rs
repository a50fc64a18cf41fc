//! Steps 3 and 4: the guard, the route, the client's key; then the body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Pipeline;
use crate::document::Document;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Client, Exchange, Request};
use crate::format::Format;
use crate::generation::Generation;
use crate::middleware::RouteKind;
use crate::router::{Params, Route};

/// What the head of a request came to.
pub(super) struct Reception {
    pub(super) verdict: Result<(Arc<Route>, Params, Client)>,
    format: Option<Arc<dyn Format>>,
}

impl Reception {
    /// Whose key it was; nobody's, when it was refused before that was known.
    pub(super) fn client(&self) -> Client {
        match &self.verdict {
            Ok((_, _, client)) => client.clone(),
            Err(_) => Client::anonymous(),
        }
    }
}

impl Pipeline {
    /// Everything that can be said from the head alone.
    pub(super) fn receive(&self, parts: &mut Parts, generation: &Generation) -> Reception {
        let verdict = self.guard.check(parts).and_then(|()| {
            let (route, params) = generation.router.find(&parts.method, parts.uri.path())?;
            let client = if route.auth { self.guard.authenticate(parts)? } else { Client::anonymous() };
            Ok((route, params, client))
        });
        let format = match &verdict {
            Ok((route, _, _)) => route.format().cloned(),
            Err(_) => generation.router.format_at(parts.uri.path()),
        };
        Reception { verdict, format }
    }

    /// Reads the body whole, within the limit, and looks at it as far as the route needs.
    pub(super) async fn read_body(
        &self,
        exchange: &Arc<Exchange>,
        route: &Route,
        incoming: Incoming,
    ) -> Result<()> {
        if incoming.is_end_stream() {
            return if route.kind == RouteKind::Provider && route.method == Method::POST {
                Err(Error::client(Kind::InvalidRequest, "the request has no body; it needs a JSON object"))
            } else {
                Ok(())
            };
        }
        let declared = incoming.size_hint().exact();
        if declared.is_some_and(|length| length > self.limits.request_body as u64) {
            return Err(self.too_large());
        }
        let bytes = self.collect(incoming).await?;
        exchange.tally.request_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        let document = Document::new(bytes);
        let mut request = exchange.request.lock();
        if route.kind == RouteKind::Provider && route.method == Method::POST {
            if request.headers.contains_key(header::CONTENT_ENCODING) {
                return Err(Error::client(
                    Kind::UnsupportedMediaType,
                    "compressed request bodies are not taken here; send the body without `content-encoding`",
                ));
            }
            let peek = document.check()?;
            request.model = peek.model;
            request.stream = peek.stream;
        }
        request.body = document;
        Ok(())
    }

    async fn collect(&self, mut incoming: Incoming) -> Result<Bytes> {
        let limit = self.limits.request_body;
        let expected = incoming.size_hint().exact();
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| broken_body(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.len() + rest.len() + data.len() > limit {
                return Err(self.too_large());
            }
            if rest.is_empty() && first.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    // A sender's word on the length is only believed up to a mebibyte at once.
                    rest.reserve(expected.unwrap_or(0).min(1 << 20) as usize);
                    rest.extend_from_slice(&first);
                    first.clear();
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }

    fn too_large(&self) -> Error {
        Error::client(
            Kind::TooLarge,
            format!(
                "the body is larger than {} bytes; `server.max_body` sets the limit",
                self.limits.request_body
            ),
        )
    }
}

/// The request as the exchange keeps it.
pub(super) fn head(parts: Parts, reception: &Reception) -> Request {
    let (params, provider) = match &reception.verdict {
        Ok((route, params, _)) => {
            (params.clone(), (route.kind == RouteKind::Provider).then(|| route.owner.clone()))
        }
        Err(_) => (Vec::new(), None),
    };
    Request {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: Document::default(),
        params,
        provider,
        model: None,
        stream: false,
        format: reception.format.clone(),
    }
}

fn broken_body(error: &hyper::Error) -> Error {
    let kind = if error.is_timeout() { Kind::RequestTimeout } else { Kind::InvalidRequest };
    Error::client(kind, "the request body ended early or was malformed").with_log(error.to_string())
}
