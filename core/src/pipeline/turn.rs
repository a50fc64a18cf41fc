//! Steps 7 and 9 between two formats: the request is turned into the provider's, the answer back into the
//! client's. Where both are the same nothing here runs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};

use super::watch::BREATH;
use crate::body::{Answer, Body, is_compressed, is_event_stream};
use crate::document::Document;
use crate::error::{Error, Kind, Result};
use crate::exchange::Exchange;
use crate::provider::Operation;
use crate::transform::{self, Back, Facts, Loss};
use crate::unix_time;

/// Largest whole answer that is turned, in bytes.
const LARGEST: usize = 64 << 20;
/// Seconds that a client waits when the provider limits it and does not say how long.
const SMALL_WAIT: HeaderValue = HeaderValue::from_static("2");
const LOSS: HeaderName = HeaderName::from_static("x-ccproxy-loss");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request in the provider's format.
pub(super) struct Request {
    /// The body.
    pub(super) body: Document,
    /// What it lost.
    pub(super) losses: Vec<Loss>,
    /// What turns the answer back, where the formats differ.
    pub(super) back: Option<Box<dyn Back>>,
}

/// The body for the provider, and what turns its answer back. `asked` is the model's name in the answer, where the
/// body has another.
pub(super) fn request(
    exchange: &Exchange,
    operation: &Operation,
    body: Document,
    asked: Option<&str>,
) -> Result<Request> {
    let Some(through) = &operation.through else {
        return Ok(Request { body, losses: Vec::new(), back: None });
    };
    let created = unix_time::seconds(exchange.began_at);
    let facts = Facts { created, client: &exchange.client.id, recalled: false, asked };
    let turned = through.transformer.request(body.bytes(), facts)?;
    Ok(Request { body: Document::new(turned.body), losses: turned.losses, back: Some(turned.back) })
}

/// The answer for the client.
pub(super) async fn answer(
    exchange: &Arc<Exchange>,
    back: Option<Box<dyn Back>>,
    mut answer: Answer,
) -> Result<Answer> {
    if answer.status == StatusCode::TOO_MANY_REQUESTS
        && !answer.headers.contains_key(header::RETRY_AFTER)
        && !answer.headers.contains_key("retry-after-ms")
    {
        // Codex gives up at once on a limit without a time.
        answer.headers.insert(header::RETRY_AFTER, SMALL_WAIT);
    }
    if !is_data(&answer.headers) {
        // A page of the provider's, opened in a browser, must not count as one of the proxy's own.
        answer.headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    let Some(mut back) = back else {
        // A provider may not take all of its own format, either.
        tell(exchange, &mut answer.headers);
        return Ok(answer);
    };
    let Answer { status, mut headers, body } = answer;
    if is_compressed(&headers) {
        return Err(Error::upstream(Kind::BadGateway, "the provider compressed its answer against our wish"));
    }
    let stream = is_event_stream(&headers);
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    if let Some(id) = headers.get(REQUEST_ID).filter(|_| !headers.contains_key(X_REQUEST_ID)).cloned() {
        headers.insert(X_REQUEST_ID, id);
    }
    if status.is_success() && stream && back.streams() {
        tell(exchange, &mut headers);
        let turned = Turned {
            inner: body,
            back,
            exchange: exchange.clone(),
            out: BytesMut::new(),
            broken: None,
            over: false,
        };
        return Ok(Answer { status, headers, body: Body::stream(turned) });
    }
    let bytes = body.collect(LARGEST).await?;
    let (bytes, kind) = match status.is_success() {
        true => (back.whole(&bytes)?, if back.streams() { "text/event-stream" } else { "application/json" }),
        false => (back.error(status, &bytes), "application/json"),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    exchange.tally.losses.lock().extend(back.losses());
    tell(exchange, &mut headers);
    Ok(Answer { status, headers, body: Body::full(bytes) })
}

/// Whether a browser takes the body for data, and never for a page.
fn is_data(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json") || essence.eq_ignore_ascii_case(b"text/event-stream")
}

/// Names what is lost so far.
fn tell(exchange: &Exchange, headers: &mut HeaderMap) {
    let losses = exchange.tally.losses.lock();
    if losses.is_empty() {
        return;
    }
    let names = transform::header(&losses);
    if let Some(value) = HeaderValue::from_str(&names).ok().filter(|_| !names.is_empty()) {
        headers.insert(LOSS, value);
    }
}

/// A stream that is turned as it is pulled.
struct Turned {
    inner: Body,
    back: Box<dyn Back>,
    exchange: Arc<Exchange>,
    out: BytesMut,
    /// The stream broke, and this long is waited before that is told.
    broken: Option<(Pin<Box<tokio::time::Sleep>>, Error)>,
    over: bool,
}

impl Turned {
    /// The one terminal event is written, and the rest of the provider's stream let go.
    fn end(&mut self, error: Option<&Error>) {
        self.over = true;
        self.back.end(error, &mut self.out);
        self.exchange.tally.losses.lock().extend(self.back.losses());
        self.inner = Body::empty();
    }
}

impl http_body::Body for Turned {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        while !this.over {
            if let Some((pause, _)) = &mut this.broken {
                ready!(pause.as_mut().poll(cx));
            }
            if let Some((_, error)) = this.broken.take() {
                this.end(Some(&error));
                break;
            }
            match ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx)) {
                Some(Ok(frame)) => {
                    let Some(data) = frame.data_ref() else { continue };
                    if let Err(error) = this.back.feed(data, &mut this.out) {
                        super::refuse::note(&this.exchange, &error);
                        this.end(Some(&error));
                    }
                }
                Some(Err(error)) => this.broken = Some((Box::pin(tokio::time::sleep(BREATH)), error)),
                None => this.end(None),
            }
            if !this.out.is_empty() {
                break;
            }
        }
        let ready = this.out.split().freeze();
        Poll::Ready((!ready.is_empty()).then(|| Ok(Frame::data(ready))))
    }

    fn is_end_stream(&self) -> bool {
        self.over && self.out.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
