//! What a connection offers to a request that asks to leave HTTP.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Version, header};
use hyper::upgrade::OnUpgrade;

use super::drain::{Drain, Seat};
use super::line::Line;
use crate::settings::ServerSettings;

/// The offer, among the request's extensions. Dropping it changes nothing.
#[derive(Clone)]
pub(crate) struct Upgrade {
    ready: OnUpgrade,
    line: Arc<Line>,
    drain: Drain,
    limits: UpgradeLimits,
}

/// What must be kept to after HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpgradeLimits {
    /// Largest message, in bytes.
    pub(crate) max_message: usize,
    /// How long the client may ask nothing.
    pub(crate) idle: Duration,
}

/// A connection that leaves HTTP.
pub(crate) struct Opened {
    /// Gives the socket once the 101 is written.
    pub(crate) ready: OnUpgrade,
    /// Its place in the count of connections.
    pub(crate) seat: Seat,
    /// Says when the server ends.
    pub(crate) drain: Drain,
    pub(crate) limits: UpgradeLimits,
}

impl UpgradeLimits {
    /// `None` where websockets are turned off.
    pub(super) fn of(settings: &ServerSettings) -> Option<Self> {
        let limits = UpgradeLimits { max_message: settings.max_body, idle: settings.websocket_idle_timeout };
        settings.websockets.then_some(limits)
    }
}

impl Upgrade {
    /// Puts the offer on a request that asks for a websocket.
    pub(super) fn offer<B>(request: &mut Request<B>, line: &Arc<Line>, drain: &Drain, limits: UpgradeLimits) {
        let asks = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
        let websocket = request.headers().get(header::UPGRADE).is_some_and(asks);
        if !websocket || request.version() != Version::HTTP_11 {
            return;
        }
        let ready = hyper::upgrade::on(&mut *request);
        let offer = Upgrade { ready, line: line.clone(), drain: drain.clone(), limits };
        request.extensions_mut().insert(offer);
    }

    /// Largest message, in bytes.
    pub(crate) fn max_message(&self) -> usize {
        self.limits.max_message
    }

    /// The answer will be 101: from here on the bytes are not HTTP's.
    pub(crate) fn accept(self) -> Opened {
        self.line.leave_http();
        Opened { ready: self.ready, seat: self.drain.admit(), drain: self.drain, limits: self.limits }
    }
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upgrade")
    }
}
