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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream::poll_fn;

    use super::*;
    use crate::error::{Error, Kind};

    /// What a stream does at one poll: what it has ready early, and what it gives.
    type Act = (&'static str, Poll<Option<&'static str>>);

    /// The pieces that come out of a stream that does this, poll by poll; `.` where it is pending. A piece `!` is
    /// an error.
    fn polled(acts: &[Act]) -> Vec<String> {
        let early: Arc<Early> = Arc::default();
        let mut rest = acts.iter().copied();
        let inner = early.clone();
        let pieces = poll_fn(move |_| {
            let (first, then) = rest.next().unwrap_or(("", Poll::Ready(None)));
            inner.push(first.as_bytes());
            then.map(|piece| {
                piece.map(|piece| match piece {
                    "!" => Err(Error::upstream(Kind::BadGateway, "broke")),
                    piece => Ok(Bytes::from(piece)),
                })
            })
        });
        let mut ahead = Ahead::new(pieces, early);
        let (mut out, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
        // Each poll of the stream gives one thing, so there is an end.
        for _ in 0..=acts.len() * 2 {
            match Pin::new(&mut ahead).poll_next(&mut cx) {
                Poll::Pending => out.push(".".to_owned()),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Ok(bytes))) => out.push(String::from_utf8_lossy(&bytes).into_owned()),
                Poll::Ready(Some(Err(error))) => out.push(error.message().to_owned()),
            }
        }
        out
    }

    #[test]
    fn without_anything_early_a_stream_is_as_it_is() {
        let acts = [("", Poll::Ready(Some("a"))), ("", Poll::Pending), ("", Poll::Ready(Some("b")))];
        assert_eq!(polled(&acts), ["a", ".", "b"]);
        assert!(polled(&[]).is_empty());
    }

    #[test]
    fn what_is_early_goes_while_the_rest_waits_and_never_after_it() {
        let acts = [
            ("before ", Poll::Pending),
            ("", Poll::Pending),
            ("ping", Poll::Pending),
            ("last", Poll::Ready(Some("piece"))),
            ("", Poll::Ready(Some("next"))),
        ];
        assert_eq!(polled(&acts), ["before ", ".", "ping", "last", "piece", "next"]);
    }

    #[test]
    fn what_is_early_comes_before_an_end_and_an_error() {
        assert_eq!(polled(&[("early", Poll::Ready(None))]), ["early"]);
        assert_eq!(polled(&[("early", Poll::Ready(Some("!")))]), ["early", "broke"]);
    }

    #[test]
    fn several_early_bytes_are_one_piece() {
        let early = Early::default();
        assert_eq!(early.take(), None);
        early.push(b"a");
        early.push(b"");
        early.push(b"bc");
        assert_eq!(early.take().as_deref(), Some(&b"abc"[..]));
        assert_eq!(early.take(), None);
    }
}
