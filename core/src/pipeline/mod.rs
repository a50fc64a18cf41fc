//! The way of an exchange, top to bottom. The numbers are those of `docs/architecture.md`.

mod ahead;
mod announce;
mod attempts;
mod choose;
mod deliver;
mod dispatch;
mod explain;
mod filter;
mod judge;
mod meter;
mod receive;
mod refuse;
mod retry;
mod socket;
#[cfg(test)]
mod tests;
mod travel;
mod turn;
mod watch;

use std::sync::Arc;

pub use explain::{Question, explain};

use arc_swap::ArcSwap;
use http::{Request, Response};

use crate::body::Body;
use crate::error::Result;
use crate::exchange::{Exchange, Peer};
use crate::generation::Generation;
use crate::middleware::RouteKind;
use crate::router::Route;
use crate::server::{Guard, Handler, RequestBody, Upgrade};
use crate::websocket;

/// Takes requests and gives answers. One for the process.
pub struct Pipeline {
    guard: Arc<Guard>,
    live: ArcSwap<Generation>,
    max_answer: usize,
}

impl Pipeline {
    /// A pipeline whose first generation is live. A whole answer that a middleware reads may have
    /// `max_answer` bytes.
    pub fn new(guard: Arc<Guard>, generation: Arc<Generation>, max_answer: usize) -> Arc<Self> {
        Arc::new(Pipeline { guard, live: ArcSwap::new(generation), max_answer })
    }

    /// What new exchanges begin with.
    pub fn live(&self) -> Arc<Generation> {
        self.live.load_full()
    }

    /// New exchanges begin with this one from now on; those in flight keep theirs.
    pub fn replace(&self, generation: Arc<Generation>) -> Arc<Generation> {
        self.live.swap(generation)
    }

    /// One exchange. Step 1, accepting, is behind us; step 11, writing, is the connection's.
    async fn exchange(self: Arc<Self>, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        // 2 begin; 3 guard and 4 route need the head only, so they come before the exchange is made
        let generation = self.live.load_full();
        let (mut parts, body) = request.into_parts();
        let mut reception = self.receive(&mut parts, &body, &generation);
        if let Some(dialogue) = reception.dialogue.take().filter(|_| reception.verdict.is_ok())
            && let Some(upgrade) = parts.extensions.remove::<Upgrade>()
        {
            return websocket::open(self, upgrade, parts, reception.client(), peer, dialogue);
        }
        let request = receive::request(parts, &reception);
        let exchange = Exchange::begin(peer, reception.client(), generation, request);
        self.run(exchange, reception.verdict.map(|(route, ..)| route), body).await
    }

    /// The rest of its way.
    async fn run(
        self: Arc<Self>,
        exchange: Arc<Exchange>,
        verdict: Result<Arc<Route>>,
        body: RequestBody,
    ) -> Response<Body> {
        if verdict.as_ref().is_ok_and(|route| route.private) {
            exchange.keep_private();
        }
        announce::started(&exchange);
        let counted = verdict.as_ref().is_ok_and(|route| route.kind == RouteKind::Provider);
        let finish = deliver::Finish::new(exchange.clone(), counted);
        let answer = match verdict {
            Ok(route) => match self.read_body(&exchange, &route, body).await {
                // 5 down, 6 to 9 provider, 10 up
                Ok(()) => {
                    choose::foresee(&exchange, &route);
                    announce::http_request_from_client(&exchange);
                    self.travel(&exchange, &route, 0).await
                }
                Err(error) => refuse::answer(&exchange, error),
            },
            Err(error) => refuse::answer(&exchange, error),
        };
        // 12 finish, when the last byte is taken or the client is gone
        deliver::deliver(answer, finish)
    }
}

impl Handler for Pipeline {
    fn handle(
        self: Arc<Self>,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        self.exchange(request, peer)
    }
}
