//! The body of an answer in the hands of a connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::line::Turn;
use crate::body::Body;
use crate::error::{Error, Result};

/// What an HTTP/2 connection gets to write what it holds, before a reset makes it throw that away.
const FLUSH: Duration = Duration::from_millis(50);

/// A body that tells its connection when it moves and when it is over.
pub(super) struct Outgoing {
    body: Body,
    turn: Turn,
    http2: bool,
    broken: Option<Broken>,
}

/// A body that broke, and what is waited for before the connection hears of it.
struct Broken {
    error: Error,
    flush: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Outgoing {
    pub(super) fn new(body: Body, turn: Turn, http2: bool) -> Self {
        Outgoing { body, turn, http2, broken: None }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(flush) = this.broken.as_mut().and_then(|broken| broken.flush.as_mut()) {
            ready!(flush.as_mut().poll(cx));
        }
        if let Some(broken) = this.broken.take() {
            return Poll::Ready(Some(Err(broken.error)));
        }
        if this.http2 {
            this.turn.asked();
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => {
                // hyper throws away what it has not written when a body breaks. One turn without a piece
                // makes it write first, so that the client gets all there was. With HTTP/2 another task
                // writes, and nothing says when it has.
                let flush = this.http2.then(|| Box::pin(tokio::time::sleep(FLUSH)));
                this.broken = Some(Broken { error, flush });
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            found => {
                if this.http2 && matches!(found, Poll::Ready(Some(_))) {
                    this.turn.took();
                }
                found
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
