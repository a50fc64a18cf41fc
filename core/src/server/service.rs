//! Between hyper and the handler: what only the connection knows is told to the guard, and what the
//! connection must know of the answer is put on it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::RequestBody;
use super::drain::Drain;
use super::guard::{BadFraming, Guard};
use super::handler::Handler;
use super::heads::{Framing, Verdict};
use super::line::Line;
use super::outgoing::Outgoing;
use super::upgrade::{Upgrade, UpgradeLimits};
use crate::exchange::Peer;

/// The service of one connection.
pub(super) struct Service<H> {
    pub(super) handler: Arc<H>,
    pub(super) guard: Arc<Guard>,
    pub(super) line: Arc<Line>,
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
    pub(super) max_body: usize,
    pub(super) body_idle: Duration,
    /// Given where websockets are allowed.
    pub(super) upgrades: Option<(Drain, UpgradeLimits)>,
}

impl<H: Handler> Service<H> {
    /// Answers one request.
    pub(super) fn call(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Outgoing>, Infallible>> + Send + use<H> {
        let http2 = request.version() == Version::HTTP_2;
        let turn = self.line.begin(http2);
        if !http2 {
            self.follow(&mut request);
            if let Some((drain, limits)) = &self.upgrades {
                Upgrade::offer(&mut request, &self.line, drain, *limits);
            }
        }
        let line = (!http2).then(|| self.line.clone());
        let tunnel = !http2 && request.method() == Method::CONNECT;
        let (parts, body) = request.into_parts();
        let body = RequestBody::wire(body, line.clone(), self.max_body, self.body_idle);

        // Web pages are rare here: their answers pay for CORS, the others for one look.
        let origin = parts.headers.get(ORIGIN).filter(|origin| self.guard.allows_origin(origin)).cloned();
        let preflight = match &origin {
            Some(_) if self.guard.check(&parts, &body).is_ok() => self.guard.preflight(&parts),
            _ => None,
        };
        let guard = origin.is_some().then(|| self.guard.clone());
        let peer = Peer { address: self.address, tls: self.tls, http2 };
        let answering = match preflight {
            Some(answer) => Err(answer),
            None => Ok(self.handler.clone().handle(Request::from_parts(parts, body), peer)),
        };
        async move {
            let mut response = match answering {
                Ok(answering) => answering.await,
                Err(answer) => answer,
            };
            if let (Some(guard), Some(origin)) = (guard, origin) {
                guard.share(origin, response.headers_mut());
            }
            if line.is_some_and(|line| line.body_unread()) || tunnel {
                // The rest of the request stands between us and the next one; what follows a refused
                // `CONNECT` may be meant for the other end of the tunnel.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Outgoing::new(body, turn, http2)))
        }
    }

    /// Follows the raw bytes past this request, and notes what hyper does not tell about its framing.
    fn follow(&self, request: &mut Request<Incoming>) {
        let chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let framing = if chunked {
            Framing::Chunked
        } else {
            Framing::Length(request.body().size_hint().exact().unwrap_or(0))
        };
        match self.line.request(framing) {
            Verdict::TwoFramings => {
                request.extensions_mut().insert(BadFraming::Two);
            }
            Verdict::Unseen if chunked => {
                request.extensions_mut().insert(BadFraming::Unseen);
            }
            Verdict::Clean | Verdict::Unseen => {}
        }
    }
}
