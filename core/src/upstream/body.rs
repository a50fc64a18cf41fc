//! The bytes of an answer as they arrive: pulled by the client, watched by two clocks, and handed over
//! in as few pieces as they came at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::clock::{Clock, Limits, Wait};
use super::fault;
use super::host::Host;
use super::lane::Lane;
use super::pulse::Pulse;
use super::trunk::Place;
use crate::error::{Error, Result};

/// Pieces are merged up to this size.
const MERGED: usize = 64 << 10;
/// A piece this large is worth a write of its own, and copying it is not.
const LARGE: usize = 8 << 10;

/// What the bytes come over.
pub(super) enum Carrier {
    /// HTTP/1.1; the lane goes back to its host when the answer is over.
    Lane(Box<Lane>),
    /// HTTP/2; the place is kept until the answer is over.
    Trunk { _place: Place, clock: Clock },
}

impl Carrier {
    fn clock(&mut self) -> &mut Clock {
        match self {
            Carrier::Lane(lane) => &mut lane.clock,
            Carrier::Trunk { clock, .. } => clock,
        }
    }
}

/// An answer's body. Dropping it before its end closes the connection or resets the stream.
pub(super) struct AnswerBody {
    incoming: Incoming,
    /// `None` once the answer is over.
    carrier: Option<Carrier>,
    host: Arc<Host>,
    limits: Limits,
    /// Present in event streams.
    pulse: Option<Pulse>,
    /// What was read but not handed over: a piece too large to be merged, or how the answer broke.
    held: Option<Result<Bytes>>,
    received: u64,
}

impl AnswerBody {
    pub(super) fn new(
        incoming: Incoming,
        mut carrier: Carrier,
        host: Arc<Host>,
        limits: Limits,
        event_stream: bool,
    ) -> Self {
        carrier.clock().restart(Wait::FirstData);
        let pulse = event_stream.then(Pulse::new);
        AnswerBody { incoming, carrier: Some(carrier), host, limits, pulse, held: None, received: 0 }
    }

    /// Everything that is here already, merged; `None` is the end.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        let first = match self.poll_piece(cx) {
            Poll::Ready(Some(Ok(first))) => first,
            other => return other,
        };
        if first.len() >= LARGE {
            return Poll::Ready(Some(Ok(first)));
        }
        let mut merged = BytesMut::new();
        while first.len().max(merged.len()) < MERGED {
            match self.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) if piece.len() < LARGE => {
                    if merged.is_empty() {
                        merged.reserve(4 * LARGE);
                        merged.extend_from_slice(&first);
                    }
                    merged.extend_from_slice(&piece);
                }
                Poll::Ready(Some(other)) => {
                    self.held = Some(other);
                    break;
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(if merged.is_empty() { first } else { merged.freeze() })))
    }

    /// Puts back what was taken too early, unless the answer is known to be broken by now.
    pub(super) fn put_back(&mut self, bytes: Bytes) -> Result<()> {
        let bytes = match self.held.take().transpose()? {
            None => bytes,
            Some(more) => [bytes, more].concat().into(),
        };
        self.held = Some(Ok(bytes));
        Ok(())
    }

    /// The next piece as it came off the connection.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let Some(carrier) = &mut self.carrier else { return Poll::Ready(None) };
            let incoming = Pin::new(&mut self.incoming);
            let found = match carrier {
                Carrier::Lane(lane) => {
                    let mut incoming = incoming;
                    lane.drive(cx, |cx| incoming.as_mut().poll_frame(cx))
                }
                Carrier::Trunk { .. } => incoming.poll_frame(cx).map(Some),
            };
            match found {
                Poll::Ready(Some(Some(Ok(frame)))) => {
                    // Trailers are about this hop's transfer; they end here.
                    let Ok(bytes) = frame.into_data() else { continue };
                    if self.incoming.is_end_stream() {
                        self.finish(cx);
                    }
                    if bytes.is_empty() {
                        continue;
                    }
                    self.note(&bytes);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Poll::Ready(Some(None)) => {
                    self.finish(cx);
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Some(Err(error)))) => {
                    let received = self.received;
                    let error = fault::broken_body(&self.host.origin, &error, received);
                    return self.fail(error);
                }
                Poll::Ready(None) => return self.fail(fault::vanished(&self.host.origin)),
                Poll::Pending => {
                    if carrier.clock().poll_expired(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let wait = carrier.clock().wait();
                    return self.fail(fault::expired(&self.host.origin, wait, &self.limits));
                }
            }
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if self.pulse.as_mut().is_none_or(|pulse| pulse.feed(bytes))
            && let Some(carrier) = &mut self.carrier
        {
            carrier.clock().restart(Wait::DataIdle);
        }
    }

    /// The answer is over: its connection is free for the next one.
    fn finish(&mut self, cx: &mut Context<'_>) {
        if let Some(Carrier::Lane(mut lane)) = self.carrier.take()
            && lane.is_reusable(cx)
        {
            self.host.give_back(lane);
        }
    }

    /// The answer broke: its connection is never used again, and nothing more comes.
    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes>>> {
        self.carrier = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.get_mut().poll_bytes(cx).map(|found| found.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.carrier.is_none() && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = match &self.held {
            Some(Ok(bytes)) => bytes.len() as u64,
            _ => 0,
        };
        let rest = self.incoming.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + held),
            None => SizeHint::default(),
        }
    }
}
