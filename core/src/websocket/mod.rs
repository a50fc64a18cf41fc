//! Requests over a websocket. The upgrade passes the guard like any request; then each message that asks is an
//! exchange of its own, from step 2 to step 12, and its events go back as messages. What the messages say is
//! the format's business ([`Dialogue`]); upstream it is HTTP as ever.

mod clocks;
mod dialogue;
mod handshake;
mod relay;
mod session;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, header};

pub use dialogue::{Dialogue, Facts, Said};
pub(crate) use handshake::{asked, check};

use crate::body::Body;
use crate::exchange::{Client, Peer};
use crate::pipeline::Pipeline;
use crate::server::Upgrade;
use session::Session;

/// Header fields that were about the socket, and would be untrue of the requests that come over it.
const HANDSHAKE: [header::HeaderName; 8] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
];

/// Answers 101 and lets the conversation begin. `parts` have passed the guard and [`check`].
pub(crate) fn open(
    pipeline: Arc<Pipeline>,
    upgrade: Upgrade,
    mut parts: Parts,
    client: Client,
    peer: Peer,
    dialogue: Box<dyn Dialogue>,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = handshake::answer(&parts.headers);
    forget_handshake(&mut parts.headers);
    dialogue.opened(&mut parts.headers);
    let opened = upgrade.accept();
    let session = Session::new(pipeline, opened.limits, client, peer, parts, dialogue);
    tokio::spawn(session.run(opened));
    response
}

fn forget_handshake(headers: &mut HeaderMap) {
    for name in HANDSHAKE {
        headers.remove(name);
    }
}
