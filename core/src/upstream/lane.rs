//! One HTTP/1.1 connection to a provider, driven by the task that uses it.
//!
//! hyper's client usually runs each connection in a task of its own, and every chunk then costs two
//! switches between tasks. Here the exchange's own task polls the connection, so that a chunk costs a
//! function call, a burst of chunks is read in one go, and nothing is read that the client does not take.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::cable::{Cable, End};
use super::clock::{Clock, Limits, Wait};
use super::gate::Gate;
use crate::socket::Socket;

/// A connection that was in use this short a time ago is taken to be there still.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Largest head of an answer, and what is read ahead of a client that takes nothing.
const MOST_READ: usize = 64 << 10;
/// Rounds of polls before other tasks get their turn.
const ROUNDS: usize = 4;

/// A connection, busy or idle. Dropping it closes it.
pub(super) struct Lane {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<TokioIo<Cable>, Full<Bytes>>,
    end: Arc<End>,
    /// How the connection ended.
    ended: Option<Option<hyper::Error>>,
    gate: Arc<Gate>,
    waker: Waker,
    /// Target and connection waited for the outside when they were last polled: without a wake since then
    /// they still do.
    parked: bool,
    pub(super) clock: Clock,
    /// Since when it has been idle.
    pub(super) idle_since: Instant,
}

/// What became of a request.
pub(super) enum Sent {
    /// There is an answer.
    Head(Response<Incoming>),
    /// Not a byte of it was written: it may be sent again elsewhere.
    Unsent(Request<Full<Bytes>>),
    /// The connection failed.
    Failed(hyper::Error),
    /// The connection ended without a word.
    Vanished,
    /// The head clock expired.
    Expired,
}

impl Lane {
    /// Starts HTTP/1.1 on a fresh connection.
    pub(super) async fn start(socket: Socket, limits: Limits) -> hyper::Result<Box<Self>> {
        let (cable, end) = Cable::new(socket);
        let (sender, connection) =
            http1::Builder::new().max_buf_size(MOST_READ).handshake(TokioIo::new(cable)).await?;
        let gate = Arc::new(Gate::default());
        let waker = Waker::from(gate.clone());
        Ok(Box::new(Lane {
            sender,
            connection,
            end,
            ended: None,
            gate,
            waker,
            parked: false,
            clock: Clock::new(limits),
            idle_since: Instant::now(),
        }))
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// Not an `async fn`: the request is handed over before the future is made, and so is no part of it.
    pub(super) fn send(&mut self, request: Request<Full<Bytes>>) -> impl Future<Output = Sent> {
        self.clock.restart(Wait::Head);
        self.parked = false;
        let answer = self.sender.try_send_request(request);
        async move {
            let mut answer = pin!(answer);
            poll_fn(move |cx| match self.drive(cx, |cx| answer.as_mut().poll(cx)) {
                Poll::Ready(Some(Ok(head))) => Poll::Ready(Sent::Head(head)),
                Poll::Ready(Some(Err(mut error))) => Poll::Ready(match error.take_message() {
                    Some(request) => Sent::Unsent(request),
                    None => Sent::Failed(error.into_error()),
                }),
                Poll::Ready(None) => Poll::Ready(Sent::Vanished),
                Poll::Pending => self.clock.poll_expired(cx).map(|()| Sent::Expired),
            })
            .await
        }
    }

    /// Polls `target` and the connection in turns until `target` has something or both wait for the
    /// outside. `None`: the connection has ended and `target` never will have anything.
    pub(super) fn drive<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut target: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        if self.parked && self.gate.is_quiet(cx.waker()) {
            return Poll::Pending;
        }
        self.parked = false;
        for _ in 0..ROUNDS {
            self.gate.enter(cx.waker());
            let mut found = {
                let inner = &mut Context::from_waker(&self.waker);
                target(inner)
            };
            if found.is_pending() && self.ended.is_none() {
                self.advance();
                found = target(&mut Context::from_waker(&self.waker));
            }
            let again = self.gate.leave();
            match found {
                Poll::Ready(found) => return Poll::Ready(Some(found)),
                Poll::Pending if self.ended.is_some() && !again => return Poll::Ready(None),
                Poll::Pending if !again => {
                    self.parked = true;
                    return Poll::Pending;
                }
                Poll::Pending => {}
            }
        }
        // Still busy, or out of the budget that tokio gives a task: the others first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn advance(&mut self) {
        if let Poll::Ready(end) = Pin::new(&mut self.connection).poll(&mut Context::from_waker(&self.waker)) {
            self.ended = Some(end.err());
        }
    }

    /// Whether a lane that was kept is still good. The event loop may not have seen its end yet, and a
    /// request that meets it cannot be sent again: after some idleness the kernel is asked.
    pub(super) fn is_fresh(&mut self, cx: &mut Context<'_>, idle: Duration) -> bool {
        if idle < AT_ONCE {
            return self.is_reusable(cx);
        }
        self.end.look.store(true, Ordering::Relaxed);
        let fresh = self.is_reusable(cx);
        self.end.look.store(false, Ordering::Relaxed);
        fresh
    }

    /// Whether another request can be sent. Lets the connection notice that the last answer is over, or
    /// that the other end has left.
    pub(super) fn is_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended.is_some() || self.end.deaf.load(Ordering::Relaxed) {
            return false;
        }
        self.gate.enter(cx.waker());
        self.advance();
        self.gate.leave();
        self.ended.is_none() && self.sender.is_ready()
    }
}
