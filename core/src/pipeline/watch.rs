//! Step 9 for streams: a broken stream never looks finished.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{announce, refuse};
use crate::body::{Answer, Body};
use crate::error::{Error, Kind, Result};
use crate::exchange::Exchange;
use crate::format::{Format, Tracker};
use crate::hooks;
use crate::provider::Operation;

/// The pause before an error event of our own. The Anthropic JS SDK, and so Claude Code, loses an error that
/// comes in the same read as the events before it: its loop then ends as if the answer were whole.
pub(super) const BREATH: Duration = Duration::from_millis(100);

/// Lets the stream pass byte for byte, and sees to its end.
pub(super) fn watch(exchange: &Arc<Exchange>, operation: &Operation, answer: Answer) -> Answer {
    announce::stream_start(exchange);
    let Answer { status, mut headers, body } = answer;
    // An error event may take the place of what is missing, so that no length can be promised.
    headers.remove(http::header::CONTENT_LENGTH);
    let listeners = &exchange.generation.listeners;
    let watched = Watched {
        inner: body,
        tracker: operation.format.tracker(),
        format: operation.format.clone(),
        announced: listeners.wants(hooks::Kind::ProviderStreamChunk),
        capture: announce::Capture::new(listeners.wants(hooks::Kind::HttpResponse)),
        head: (status, headers.clone()),
        exchange: exchange.clone(),
        chunks: 0,
        bytes: 0,
        over: false,
        last: None,
    };
    Answer { status, headers, body: Body::stream(watched) }
}

struct Watched {
    inner: Body,
    tracker: Box<dyn Tracker>,
    format: Arc<dyn Format>,
    announced: bool,
    capture: announce::Capture,
    head: (http::StatusCode, http::HeaderMap),
    exchange: Arc<Exchange>,
    chunks: u64,
    bytes: u64,
    over: bool,
    last: Option<Last>,
}

/// The event that ends a broken stream, and the pause before it.
struct Last {
    pause: Pin<Box<tokio::time::Sleep>>,
    event: Bytes,
}

impl Watched {
    fn pass(&mut self, data: &Bytes) {
        self.tracker.feed(data);
        self.chunks += 1;
        self.bytes += data.len() as u64;
        self.capture.keep(data);
        if self.announced {
            announce::stream_chunk(&self.exchange, self.chunks, data);
        }
    }

    /// The stream is over, well or not; once.
    fn end(&mut self, error: Option<&Error>) {
        self.over = true;
        let usage = self.tracker.usage();
        if usage.is_some() {
            *self.exchange.tally.usage.lock() = usage;
        }
        if let Some(error) = error {
            announce::provider_error(&self.exchange, error, "stream");
            refuse::note(&self.exchange, error);
        }
        announce::stream_end(&self.exchange, self.chunks, self.bytes, error.is_none());
        announce::http_response(&self.exchange, "provider", self.head.0, &self.head.1, &mut self.capture);
    }

    /// The stream broke: one error event in the client's format when one may stand here, otherwise the
    /// connection breaks too.
    fn broken(&mut self, error: Error, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.end(Some(&error));
        let event = if self.tracker.at_boundary() { self.format.error_event(&error) } else { Bytes::new() };
        if event.is_empty() {
            Poll::Ready(Some(Err(error)))
        } else {
            self.inner = Body::empty();
            self.last = Some(Last { pause: Box::pin(tokio::time::sleep(BREATH)), event });
            self.last_event(cx)
        }
    }

    fn last_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        if let Some(last) = &mut self.last {
            ready!(last.pause.as_mut().poll(cx));
        }
        Poll::Ready(self.last.take().map(|last| Ok(Frame::data(last.event))))
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.over {
            return this.last_event(cx);
        }
        match ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let data = data.clone();
                    this.pass(&data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // What comes after the terminal event is the transport's business, not the client's.
            None | Some(Err(_)) if this.tracker.complete() => {
                this.end(None);
                Poll::Ready(None)
            }
            Some(Err(error)) => this.broken(error, cx),
            None => {
                let error =
                    Error::upstream(Kind::BadGateway, "the provider's stream ended before its last event");
                this.broken(error, cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.over {
            // The client left: the usage told so far still counts.
            let complete = self.tracker.complete();
            self.over = true;
            let usage = self.tracker.usage();
            if usage.is_some() {
                *self.exchange.tally.usage.lock() = usage;
            }
            announce::stream_end(&self.exchange, self.chunks, self.bytes, complete);
            announce::http_response(&self.exchange, "provider", self.head.0, &self.head.1, &mut self.capture);
        }
    }
}
