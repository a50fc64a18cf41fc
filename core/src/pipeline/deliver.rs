//! Step 12: whatever happens, an exchange finishes once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::{Frame, SizeHint};

use super::{announce, dispatch, refuse};
use crate::body::{Answer, Body};
use crate::error::{Error, Result, Side};
use crate::exchange::{Exchange, Failure, Moment};
use crate::hooks::Kind;

/// Finishes its exchange when dropped: as completed when told so before, as failed otherwise.
pub(super) struct Finish {
    exchange: Arc<Exchange>,
    whole: bool,
    /// Whether it belongs to the traffic that is counted.
    counted: bool,
}

impl Finish {
    /// `counted`: it is traffic of a provider.
    pub(super) fn new(exchange: Arc<Exchange>, counted: bool) -> Self {
        if counted {
            exchange.generation.traffic.begin(&exchange);
        }
        Finish { exchange, whole: false, counted }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let exchange = &self.exchange;
        exchange.enter(Moment::Finished);
        if !self.whole {
            let mut failure = exchange.tally.failure.lock();
            if failure.is_none() {
                let message = "the client left before the answer was delivered".to_owned();
                *failure = Some(Failure { side: Side::Client, kind: "client_gone", message });
                drop(failure);
                tracing::info!(exchange = %exchange.id, after_ms = exchange.elapsed().as_millis() as u64, "the client left");
            }
        }
        if self.counted {
            exchange.generation.traffic.end(exchange);
        }
        announce::finished(exchange);
    }
}

/// Gives the answer to the connection, which pulls it (step 11).
pub(super) fn deliver(answer: Answer, finish: Finish) -> Response<Body> {
    let exchange = &finish.exchange;
    let tally = &exchange.tally;
    tally.status.store(u32::from(answer.status.as_u16()), Ordering::Relaxed);
    exchange.enter(Moment::Streaming);
    let wire = exchange.generation.listeners.wants(Kind::HttpResponse);
    let unsent = exchange.request.lock().method == Method::HEAD
        || matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let delivery = Delivery {
        capture: announce::Capture::new(wire),
        head: wire.then(|| (answer.status, answer.headers.clone())),
        inner: answer.body,
        finish,
        unsent,
    };
    let mut response = Response::new(Body::stream(delivery));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

struct Delivery {
    inner: Body,
    capture: announce::Capture,
    head: Option<(http::StatusCode, http::HeaderMap)>,
    finish: Finish,
    /// HTTP sends no body with this answer, so that nobody will ask for it.
    unsent: bool,
}

impl http_body::Body for Delivery {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx));
        let exchange = &this.finish.exchange;
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let before =
                        exchange.tally.response_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                    if before == 0 {
                        exchange.tally.first_byte_micros.store(dispatch::micros(exchange), Ordering::Relaxed);
                    }
                    this.capture.keep(data);
                }
                this.finish.whole = http_body::Body::is_end_stream(&this.inner);
            }
            None => this.finish.whole = true,
            Some(Err(error)) => {
                if exchange.tally.failure.lock().is_none() {
                    refuse::note(exchange, error);
                }
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

impl Drop for Delivery {
    fn drop(&mut self) {
        // An empty body is never polled: it was whole from the start.
        self.finish.whole |= self.unsent || http_body::Body::is_end_stream(&self.inner);
        if let Some((status, headers)) = &self.head {
            announce::http_response(&self.finish.exchange, "client", *status, headers, &mut self.capture);
        }
    }
}
