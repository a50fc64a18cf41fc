//! Steps 3 and 4: the guard, the route, the client's key; then the body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use super::Pipeline;
use crate::body::is_compressed;
use crate::document::Document;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Client, Exchange, Request};
use crate::format::Format;
use crate::generation::Generation;
use crate::middleware::RouteKind;
use crate::router::{Params, Route, Target};
use crate::server::RequestBody;

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
    pub(super) fn receive(
        &self,
        parts: &mut Parts,
        body: &RequestBody,
        generation: &Generation,
    ) -> Reception {
        let verdict = self.guard.check(parts, body).and_then(|()| {
            let found = generation.router.find(&parts.method, parts.uri.path());
            let (route, params) = found.map_err(|error| no_websocket(parts, error))?;
            let client = if route.auth { self.guard.authenticate(parts)? } else { Client::anonymous() };
            Ok((route, params, client))
        });
        let format = match &verdict {
            Ok((route, _, _)) => route.format().cloned(),
            Err(_) => generation.router.format_at(parts.uri.path()),
        };
        Reception { verdict, format }
    }

    /// Reads the body whole, within the limits, and looks at it as far as the route needs.
    pub(super) async fn read_body(
        &self,
        exchange: &Arc<Exchange>,
        route: &Route,
        body: RequestBody,
    ) -> Result<()> {
        let json = route.kind == RouteKind::Provider && route.method == Method::POST;
        if body.is_empty() {
            return if json { Err(no_body()) } else { Ok(()) };
        }
        let bytes = body.collect().await?;
        exchange.tally.request_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        let mut document = Document::new(bytes);
        let mut request = exchange.request.lock();
        if json {
            if is_compressed(&request.headers) {
                return Err(compressed());
            }
            let peek = document.check()?;
            if peek.repeated {
                tracing::warn!(exchange = %exchange.id, "the body names `model` or `stream` more than once; the last one counts");
            }
            request.model = peek.model;
            request.stream = peek.stream.unwrap_or(false);
        }
        request.body = document;
        Ok(())
    }
}

/// The request as the exchange keeps it.
pub(super) fn request(parts: Parts, reception: &Reception) -> Request {
    let (params, provider) = match &reception.verdict {
        Ok((route, params, _)) => {
            let owned = matches!(route.target, Target::Provider(..) | Target::Down(_, Some(_)));
            (params.clone(), owned.then(|| route.owner.clone()))
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

/// Codex tries a websocket first, and goes on over HTTP at once only when it is told 426; a 405 it tries again.
fn no_websocket(parts: &Parts, error: Error) -> Error {
    let asked =
        parts.headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if error.kind() != Kind::MethodNotAllowed || !asked {
        return error;
    }
    let message = "there is no websocket here; send the request with POST";
    Error::client(Kind::MethodNotAllowed, message)
        .with_status(StatusCode::UPGRADE_REQUIRED)
        .with_header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))
        .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

fn no_body() -> Error {
    Error::client(Kind::InvalidRequest, "the request has no body; it needs a JSON object")
}

fn compressed() -> Error {
    Error::client(
        Kind::UnsupportedMediaType,
        "compressed request bodies are not taken on this route; send it without `content-encoding`",
    )
}
