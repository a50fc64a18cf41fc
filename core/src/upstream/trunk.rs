//! One HTTP/2 connection to a provider, shared by many exchanges. A task of its own drives it.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::uri::Uri;
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::clock::{Clock, Wait};
use super::lane::Sent;
use crate::provider::Origin;
use crate::socket::Socket;

/// Streams on one connection; providers allow 100 or more. The next one opens another connection.
const MOST_STREAMS: usize = 96;
/// What a stream may send before we read it, and all of them together: a client that does not read
/// must not hold up the others.
const STREAM_WINDOW: u32 = 128 << 10;
const CONNECTION_WINDOW: u32 = MOST_STREAMS as u32 * STREAM_WINDOW;
/// A dead path is noticed within the sum of these, while streams are open.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest head of an answer.
const MOST_HEAD: u32 = 64 << 10;

/// A shared connection.
pub(super) struct Trunk {
    sender: SendRequest<Full<Bytes>>,
    streams: AtomicUsize,
    /// It has refused a stream: the next one goes elsewhere.
    spent: AtomicBool,
    idle_since: Mutex<Instant>,
}

/// A stream's place on a connection.
pub(super) struct Place(Arc<Trunk>);

impl Trunk {
    /// Starts HTTP/2 on a fresh connection.
    pub(super) async fn start(socket: Socket) -> hyper::Result<Arc<Self>> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(MOST_HEAD)
            .handshake(TokioIo::new(socket))
            .await?;
        // Ends by itself when the last sender and the last stream are gone. What went wrong is told by
        // the streams it went wrong for.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/2 connection to a provider ended");
            }
        });
        Ok(Arc::new(Trunk {
            sender,
            streams: AtomicUsize::new(0),
            spent: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
        }))
    }

    /// A place for one more stream.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        if self.sender.is_closed() || self.spent.load(Ordering::Acquire) {
            return None;
        }
        let room = |streams| (streams < MOST_STREAMS).then_some(streams + 1);
        self.streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Place(self.clone()))
    }

    /// Whether it is alive, and in use or not idle for longer than `idle`.
    pub(super) fn is_wanted(&self, idle: Duration) -> bool {
        !self.sender.is_closed()
            && !self.spent.load(Ordering::Acquire)
            && (self.streams.load(Ordering::Acquire) > 0 || self.idle_since.lock().elapsed() < idle)
    }
}

impl Place {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        origin: &Origin,
        mut request: Request<Full<Bytes>>,
        clock: &mut Clock,
    ) -> Sent {
        clock.restart(Wait::Head);
        to_http2(origin, &mut request);
        let mut spare = Some(request.clone());
        let mut answer = std::pin::pin!(self.0.sender.clone().try_send_request(request));
        std::future::poll_fn(move |cx| match answer.as_mut().poll(cx) {
            std::task::Poll::Ready(Ok(head)) => std::task::Poll::Ready(Sent::Head(head)),
            std::task::Poll::Ready(Err(mut error)) => std::task::Poll::Ready(match error.take_message() {
                Some(request) => Sent::Unsent(request),
                None => match spare.take().filter(|_| was_refused(error.error())) {
                    Some(request) => {
                        self.0.spent.store(true, Ordering::Release);
                        Sent::Unsent(request)
                    }
                    None => Sent::Failed(error.into_error()),
                },
            }),
            std::task::Poll::Pending => clock.poll_expired(cx).map(|()| Sent::Expired),
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            *self.0.idle_since.lock() = Instant::now();
        }
    }
}

/// Whether the provider says that it did not look at the request: it was about to end the connection, or
/// had no room for the stream (RFC 9113 section 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else {
        return false;
    };
    error.is_remote()
        && match error.reason() {
            Some(h2::Reason::NO_ERROR) => error.is_go_away(),
            Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
            _ => false,
        }
}

/// HTTP/2 has the authority in the request line instead of a `host` field.
fn to_http2(origin: &Origin, request: &mut Request<Full<Bytes>>) {
    request.headers_mut().remove(http::header::HOST);
    *request.version_mut() = http::Version::HTTP_2;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(origin.scheme.clone());
    parts.authority = Some(origin.authority.clone());
    // The three parts were each valid already, and an absolute URI needs no more.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// Undoes [`to_http2`] for a request that goes to an HTTP/1.1 connection after all.
pub(super) fn to_http1(name: &http::HeaderValue, request: &mut Request<Full<Bytes>>) {
    *request.version_mut() = http::Version::HTTP_11;
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    request.headers_mut().insert(http::header::HOST, name.clone());
}
