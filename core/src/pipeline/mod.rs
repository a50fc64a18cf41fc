//! The way of an exchange, top to bottom. The numbers are those of `docs/architecture.md`.

mod announce;
mod deliver;
mod dispatch;
mod filter;
mod meter;
mod receive;
mod refuse;
mod travel;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::body::Body;
use crate::exchange::{Exchange, Peer};
use crate::generation::Generation;
use crate::server::Guard;

/// Takes requests and gives answers. One for the process.
pub struct Pipeline {
    guard: Guard,
    live: ArcSwap<Generation>,
    limits: Limits,
}

/// Sizes the pipeline watches over, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body.
    pub request_body: usize,
    /// Largest answer that is held whole, when a middleware reads it.
    pub answer_body: usize,
}

impl Pipeline {
    /// A pipeline whose first generation is live.
    pub fn new(guard: Guard, generation: Arc<Generation>, limits: Limits) -> Arc<Self> {
        Arc::new(Pipeline { guard, live: ArcSwap::new(generation), limits })
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
    pub async fn handle(self: &Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        // 2 begin; 3 guard and 4 route need the head only, so they come before the exchange is made
        let generation = self.live.load_full();
        let (mut parts, incoming) = request.into_parts();
        let reception = self.receive(&mut parts, &generation);
        let client = reception.client();
        let exchange = Exchange::begin(peer, client, generation, receive::head(parts, &reception));
        announce::started(&exchange);
        let finish = deliver::Finish::new(exchange.clone());

        let answer = match reception.verdict {
            Ok((route, _, _)) => match self.read_body(&exchange, &route, incoming).await {
                // 5 down, 6 to 9 provider, 10 up
                Ok(()) => {
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
