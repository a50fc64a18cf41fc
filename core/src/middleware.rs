//! Middleware: what may look at, change, answer or wrap an exchange, ordered by layer.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::body::Answer;
use crate::error::Result;
use crate::exchange::Exchange;
use crate::sse;
use crate::step::{BoxFuture, Step};

/// The named layers. The lower the number the further out: first on the way down, last on the way up.
pub mod layer {
    /// Authentication, limits.
    pub const SECURITY: u16 = 100;
    /// Logging, metrics.
    pub const OBSERVABILITY: u16 = 200;
    /// Edits of bodies and headers.
    pub const TRANSFORMATION: u16 = 300;
    /// Choice of provider and model.
    pub const ROUTING: u16 = 400;
    /// Everything else.
    pub const APPLICATION: u16 = 500;

    /// The number of a layer's name.
    pub fn number(name: &str) -> Option<u16> {
        Some(match name {
            "security" => SECURITY,
            "observability" => OBSERVABILITY,
            "transformation" => TRANSFORMATION,
            "routing" => ROUTING,
            "application" => APPLICATION,
            _ => return None,
        })
    }

    /// The name of the layer that a number belongs to: 150 is still security.
    pub fn name(number: u16) -> &'static str {
        match number {
            0..200 => "security",
            200..300 => "observability",
            300..400 => "transformation",
            400..500 => "routing",
            _ => "application",
        }
    }
}

/// What a middleware decided on the way down.
#[derive(Debug)]
pub enum Flow {
    /// Go on inward.
    Continue,
    /// Go on, and spare this exchange the later moments of this middleware.
    Leave,
    /// This is the answer: it goes up through the layers the request has passed.
    Answer(Answer),
}

/// What a middleware made of a stream event.
#[derive(Debug)]
pub enum EventFlow {
    /// Passes as it came.
    Unchanged,
    /// These instead; none = removed.
    Replace(Vec<sse::Event>),
    /// As it came, or these instead; and this middleware is shown no further event of the stream.
    Leave(Option<Vec<sse::Event>>),
}

/// One middleware of a plugin. Only the moments its manifest declares are called.
///
/// The exchange is shared: edits go through its locks, which must not be held across a wait.
pub trait Middleware: Send + Sync + 'static {
    /// On the way down: headers and body are in `exchange.request`.
    fn request<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        let _ = exchange;
        Step::Ready(Ok(Flow::Continue))
    }

    /// On the way up: the head is in `exchange.response`. An answer replaces the one that came.
    fn response<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        let _ = exchange;
        Step::Ready(Ok(Flow::Continue))
    }

    /// One whole event of a stream.
    fn event<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        event: &'a sse::Event,
    ) -> Step<'a, Result<EventFlow>> {
        let _ = (exchange, event);
        Step::Ready(Ok(EventFlow::Unchanged))
    }

    /// Raw bytes of the answer; `None` as answer means unchanged.
    fn chunk<'a>(&'a self, exchange: &'a Arc<Exchange>, bytes: &'a Bytes) -> Step<'a, Result<Option<Bytes>>> {
        let _ = (exchange, bytes);
        Step::Ready(Ok(None))
    }

    /// Wraps everything further in; may call `next` not at all, once or several times.
    fn around<'a>(&'a self, exchange: &'a Arc<Exchange>, next: Next) -> BoxFuture<'a, Result<Answer>> {
        let _ = exchange;
        next.run()
    }
}

/// The rest of the way for an `around`: layers further in, provider, and back up to here.
#[derive(Clone)]
pub struct Next(Arc<dyn Fn() -> BoxFuture<'static, Result<Answer>> + Send + Sync>);

impl Next {
    /// Wraps the rest of the way.
    pub fn new(run: impl Fn() -> BoxFuture<'static, Result<Answer>> + Send + Sync + 'static) -> Self {
        Next(Arc::new(run))
    }

    /// Runs it. The request must not have been sent to the client's satisfaction already: each call
    /// is a new try with the body as it stands.
    pub fn run(&self) -> BoxFuture<'static, Result<Answer>> {
        (self.0)()
    }
}

/// The moments a middleware is called in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moments {
    /// Has `request`.
    pub request: bool,
    /// Has `response`.
    pub response: bool,
    /// Has `event`.
    pub event: bool,
    /// Has `chunk`.
    pub chunk: bool,
    /// Has `around`.
    pub around: bool,
}

/// What a middleware may do with bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyAccess {
    /// Headers only.
    #[default]
    None,
    /// May read prompts and answers.
    Read,
    /// May change them.
    Write,
}

/// What happens to the exchange when a middleware fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The exchange is refused.
    Closed,
    /// The exchange goes on without it.
    Open,
}

impl OnError {
    /// The default of a layer: observability and application are open, the others closed.
    pub fn of_layer(layer: u16) -> Self {
        if (layer::OBSERVABILITY..layer::TRANSFORMATION).contains(&layer) || layer >= layer::APPLICATION {
            OnError::Open
        } else {
            OnError::Closed
        }
    }
}

/// Which exchanges a middleware is for. An empty list means any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct When {
    /// Kinds of route. Empty: provider routes only, or any kind when `paths` is given.
    pub routes: Vec<RouteKind>,
    /// Path patterns: `*` is any run of characters.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Provider names.
    pub providers: Vec<String>,
    /// Model patterns.
    pub models: Vec<String>,
    /// Client formats.
    pub formats: Vec<String>,
    /// Only streams, or only not streams.
    pub stream: Option<bool>,
    /// Statuses (`429`, `5xx`), for `response`, `event` and `chunk` only.
    pub status: Vec<String>,
}

/// What stands behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// A provider.
    Provider,
    /// A plugin's own route.
    Plugin,
    /// Health, plugins, API description.
    Core,
}
