//! Step 9 for whole answers: their usage and, when someone listens, their bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::announce;
use crate::body::{Answer, Body, is_compressed};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::format::Format;
use crate::hooks::Kind;
use crate::provider::Operation;

/// Lets the answer pass; nothing is done to it unless someone wants its usage or its bytes.
pub(super) fn meter(exchange: &Arc<Exchange>, operation: &Operation, answer: Answer) -> Answer {
    let listeners = &exchange.generation.listeners;
    let wire = listeners.wants(Kind::HttpResponse);
    let watched = exchange.generation.traffic.is_watched();
    let wanted = wire || watched || listeners.wants(Kind::RequestCompleted);
    if !wanted {
        return answer;
    }
    let readable = !is_compressed(&answer.headers) && !answer.is_event_stream();
    let body = Metered {
        inner: answer.body,
        format: readable.then(|| operation.format.clone()),
        capture: announce::Capture::new(true),
        wire: wire.then(|| (answer.status, answer.headers.clone())),
        exchange: exchange.clone(),
        over: false,
    };
    Answer { status: answer.status, headers: answer.headers, body: Body::stream(body) }
}

struct Metered {
    inner: Body,
    format: Option<Arc<dyn Format>>,
    capture: announce::Capture,
    wire: Option<(http::StatusCode, http::HeaderMap)>,
    exchange: Arc<Exchange>,
    over: bool,
}

impl Metered {
    fn end(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let Some(format) = &self.format
            && let Some(bytes) = self.capture.whole()
        {
            let usage = format.usage(&bytes);
            if usage.is_some() {
                *self.exchange.tally.usage.lock() = usage;
            }
        }
        if let Some((status, headers)) = &self.wire {
            announce::http_response(&self.exchange, "provider", *status, headers, &mut self.capture);
        }
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.capture.keep(data);
                }
                if http_body::Body::is_end_stream(&this.inner) {
                    this.end();
                }
            }
            None => this.end(),
            Some(Err(error)) => {
                announce::provider_error(&this.exchange, error, "body");
                this.end();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.inner)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.end();
    }
}
