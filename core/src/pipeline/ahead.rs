//! Bytes that leave a filter before it is done with what it was given: a stream whose next piece waits for
//! somebody's decision gives what came before, and signs of life.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use parking_lot::Mutex;

use crate::error::Result;

/// What is ready early. It is filled while the stream is polled, and emptied right after.
#[derive(Default)]
pub(super) struct Early(Mutex<BytesMut>);

impl Early {
    /// Adds bytes that may go now.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.0.lock().extend_from_slice(bytes);
    }

    fn take(&self) -> Option<Bytes> {
        let mut bytes = self.0.lock();
        (!bytes.is_empty()).then(|| bytes.split().freeze())
    }
}

/// A stream of pieces, and before each of them what was ready early.
pub(super) struct Ahead<S> {
    pieces: Pin<Box<S>>,
    early: Arc<Early>,
    /// A piece that came together with early bytes.
    next: Option<Option<Result<Bytes>>>,
}

impl<S> Ahead<S> {
    pub(super) fn new(pieces: S, early: Arc<Early>) -> Self {
        Ahead { pieces: Box::pin(pieces), early, next: None }
    }
}

impl<S: Stream<Item = Result<Bytes>>> Stream for Ahead<S> {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(next) = this.next.take() {
            return Poll::Ready(next);
        }
        let polled = this.pieces.as_mut().poll_next(context);
        match (this.early.take(), polled) {
            (None, polled) => polled,
            // Whatever the piece waits for has the waker already.
            (Some(early), Poll::Pending) => Poll::Ready(Some(Ok(early))),
            (Some(early), Poll::Ready(next)) => {
                this.next = Some(next);
                Poll::Ready(Some(Ok(early)))
            }
        }
    }
}
