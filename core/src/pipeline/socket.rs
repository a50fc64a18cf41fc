//! Steps 3 and 4 for a websocket, and step 2 for each request that comes over one.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::Pipeline;
use super::receive::{self, Reception};
use crate::body::Body;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Client, Exchange, Peer};
use crate::generation::Generation;
use crate::router::{Params, Route};
use crate::server::{RequestBody, Upgrade};
use crate::websocket::Dialogue;

/// The route that is asked for over a websocket, and the conversation that it has. It is the route of POST.
pub(super) fn route(
    parts: &Parts,
    generation: &Generation,
) -> Result<(Arc<Route>, Params, Box<dyn Dialogue>)> {
    let offer = parts.extensions.get::<Upgrade>().ok_or_else(none)?;
    let (route, params) = generation.router.find(&Method::POST, parts.uri.path()).map_err(|_| none())?;
    let dialogue = route.dialogue(offer.max_message()).ok_or_else(none)?;
    Ok((route, params, dialogue))
}

/// Codex tries a websocket first, and goes on over HTTP at once only when it is told 426; a 405 it tries again.
fn none() -> Error {
    let message = "there is no websocket here; send the request with POST";
    Error::client(Kind::MethodNotAllowed, message)
        .with_status(StatusCode::UPGRADE_REQUIRED)
        .with_header(header::UPGRADE, HeaderValue::from_static("HTTP/1.1"))
        .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

impl Pipeline {
    /// An exchange for a message that asks. The guard has let the client in when the socket opened; whether its key is
    /// still good, and the route, are looked for anew: keys may have been revoked since, and plugins reloaded.
    pub(crate) async fn ask(
        self: Arc<Self>,
        mut head: Parts,
        body: Bytes,
        client: Client,
        peer: Peer,
    ) -> Response<Body> {
        let generation = self.live();
        head.method = Method::POST;
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let found = generation.router.find(&Method::POST, head.uri.path());
        let verdict = found.and_then(|(route, params)| {
            if route.auth {
                self.guard.authenticate_again(&client)?;
            }
            Ok((route, params, client))
        });
        let reception = Reception::new(verdict, &head, &generation);
        let request = receive::request(head, &reception);
        let exchange = Exchange::begin(peer, reception.client(), generation, request);
        self.run(exchange, reception.verdict.map(|(route, ..)| route), RequestBody::full(body)).await
    }
}
