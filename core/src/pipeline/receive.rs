//! Steps 3 and 4: the guard, the route, the client's key; then the body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::request::Parts;
use http::{HeaderMap, Method};

use super::{Pipeline, socket};
use crate::decode::{self, Coding};
use crate::document::Document;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Client, Exchange, Request};
use crate::format::Format;
use crate::generation::Generation;
use crate::middleware::RouteKind;
use crate::router::{Params, Route, Target};
use crate::server::RequestBody;
use crate::websocket::{self, Dialogue};

/// What the head of a request came to.
pub(super) struct Reception {
    pub(super) verdict: Result<(Arc<Route>, Params, Client)>,
    /// The conversation to have, when it asks for a websocket.
    pub(super) dialogue: Option<Box<dyn Dialogue>>,
    format: Option<Arc<dyn Format>>,
}

impl Reception {
    /// With the format of whatever is at the path, for errors that come before routing is done.
    pub(super) fn new(
        verdict: Result<(Arc<Route>, Params, Client)>,
        parts: &Parts,
        generation: &Generation,
    ) -> Self {
        let format = match &verdict {
            Ok((route, _, _)) => route.format().cloned(),
            Err(_) => generation.router.format_at(parts.uri.path()),
        };
        Reception { verdict, dialogue: None, format }
    }

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
        let mut dialogue = None;
        let lands = || {
            let found = generation.router.find(&parts.method, parts.uri.path());
            found.is_ok_and(|(route, _)| route.landing)
        };
        let verdict = self.guard.check_landing(parts, body, lands).and_then(|()| {
            let (route, params) = match generation.router.find(&parts.method, parts.uri.path()) {
                Err(error) if error.kind() == Kind::MethodNotAllowed && websocket::asked(parts) => {
                    let (route, params, conversation) = socket::route(parts, generation)?;
                    dialogue = Some(conversation);
                    (route, params)
                }
                found => found?,
            };
            let client = if route.auth { self.guard.authenticate(parts)? } else { Client::anonymous() };
            route.permit(&client)?;
            if dialogue.is_some() {
                websocket::check(&parts.headers)?;
            }
            Ok((route, params, client))
        });
        Reception { dialogue, ..Reception::new(verdict, parts, generation) }
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
        let coding = coding(&exchange.request.lock().headers, json)?;
        let limit = body.limit();
        let mut bytes = body.collect().await?;
        exchange.tally.request_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        if let Some(coding) = coding {
            bytes = Box::pin(coding.decode(bytes, limit)).await?;
            decode::forget(&mut exchange.request.lock().headers, bytes.len());
        }
        let mut document = Document::new(bytes);
        let mut request = exchange.request.lock();
        if json {
            let peek = document.check()?;
            if peek.repeated {
                tracing::warn!(exchange = %exchange.id, "the body names `model` or `stream` more than once; the last one counts");
            }
            let named = !peek.repeated && peek.model.as_ref().is_some_and(|model| !model.is_empty());
            if let Some(key) = exchange.client.key.as_ref().filter(|_| !named && route.takes_model()) {
                key.permit_unnamed()?;
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

/// How the body is compressed. Only providers' routes take that.
fn coding(headers: &HeaderMap, json: bool) -> Result<Option<Coding>> {
    match Coding::of(headers) {
        Ok(Some(_)) | Err(_) if !json => Err(decode::refused()),
        coding => coding,
    }
}

fn no_body() -> Error {
    Error::client(Kind::InvalidRequest, "the request has no body; it needs a JSON object")
}
