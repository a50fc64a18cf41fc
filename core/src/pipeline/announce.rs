//! The events of an exchange. Each function costs one look at a bit mask when nobody listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::body::Answer;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::hooks::{Event, Kind};
use crate::provider::Outbound;
use crate::redact;

/// Most bytes of one message that `http.*` events carry.
const CAPTURE_LIMIT: usize = 1 << 20;

/// Keeps the first bytes of a body for an event. Cheap: pieces are shared, not copied, until the end.
pub(super) struct Capture {
    pieces: Option<Vec<Bytes>>,
    kept: usize,
    seen: u64,
}

impl Capture {
    pub(super) fn new(wanted: bool) -> Self {
        Capture { pieces: wanted.then(Vec::new), kept: 0, seen: 0 }
    }

    pub(super) fn keep(&mut self, data: &Bytes) {
        let Some(pieces) = &mut self.pieces else { return };
        self.seen += data.len() as u64;
        let room = CAPTURE_LIMIT - self.kept;
        if room > 0 {
            let piece = data.slice(..data.len().min(room));
            self.kept += piece.len();
            pieces.push(piece);
        }
    }

    /// All bytes, unless there were too many.
    pub(super) fn whole(&self) -> Option<Bytes> {
        (self.seen == self.kept as u64).then(|| self.joined())
    }

    fn joined(&self) -> Bytes {
        match self.pieces.as_deref() {
            None | Some([]) => Bytes::new(),
            Some([piece]) => piece.clone(),
            Some(pieces) => {
                let mut joined = BytesMut::with_capacity(self.kept);
                for piece in pieces {
                    joined.extend_from_slice(piece);
                }
                joined.freeze()
            }
        }
    }
}

/// `request.started`, and `http.request` on the client's side follows once the body is there.
pub(super) fn started(exchange: &Arc<Exchange>) {
    emit(exchange, Kind::RequestStarted, |data| {
        request_facts(exchange, data);
        let request = exchange.request.lock();
        data.insert("headers".into(), Value::Object(redact::headers(&request.headers)));
    });
}

/// `http.request`, client side.
pub(super) fn http_request_from_client(exchange: &Arc<Exchange>) {
    let listeners = &exchange.generation.listeners;
    if !listeners.wants(Kind::HttpRequest) {
        return;
    }
    let request = exchange.request.lock();
    let (method, path, url) = (request.method.as_str(), request.uri.path(), target(&request.uri));
    let data = http_request(exchange, "client", method, path, &url, &request.headers);
    let bytes = request.body.bytes().clone();
    drop(request);
    let event = match exchange.is_private() {
        true => without_body(Event::new(Kind::HttpRequest, data), bytes.len()),
        false => with_body(Event::new(Kind::HttpRequest, data), &bytes),
    };
    listeners.emit(event);
}

/// `provider.request.sent` and `http.request` on the provider's side.
pub(super) fn sent(exchange: &Arc<Exchange>, outbound: &Outbound) {
    let listeners = &exchange.generation.listeners;
    if !listeners.wants(Kind::ProviderRequestSent) && !listeners.wants(Kind::HttpRequest) {
        return;
    }
    let url = url(outbound);
    emit(exchange, Kind::ProviderRequestSent, |data| {
        provider_facts(exchange, data);
        data.insert("url".into(), url.clone().into());
        data.insert("method".into(), outbound.method.as_str().into());
        data.insert("attempt".into(), exchange.tally.attempts.load(Ordering::Relaxed).into());
        data.insert("credential".into(), exchange.credentials.lock().used.as_deref().into());
        data.insert("bytes".into(), outbound.body.bytes().len().into());
    });
    if listeners.wants(Kind::HttpRequest) {
        let path = exchange.request.lock().uri.path().to_owned();
        let mut data =
            http_request(exchange, "provider", outbound.method.as_str(), &path, &url, &outbound.headers);
        if let Some(Value::Object(headers)) = data.get_mut("headers") {
            // The credential itself is never shown, only that there was one.
            headers.extend(redact::headers(&outbound.credential));
        }
        listeners.emit(with_body(Event::new(Kind::HttpRequest, data), outbound.body.bytes()));
    }
}

/// `provider.response.received`: the head is back.
pub(super) fn received(exchange: &Arc<Exchange>, answer: &Answer) {
    emit(exchange, Kind::ProviderResponseReceived, |data| {
        provider_facts(exchange, data);
        data.insert("status".into(), answer.status.as_u16().into());
        data.insert("headers".into(), Value::Object(redact::headers(&answer.headers)));
        data.insert("after_ms".into(), millis(exchange.tally.head_micros.load(Ordering::Relaxed)));
    });
}

/// `provider.error` and `http.error`. `phase` is `send`, `body` or `stream`.
pub(super) fn provider_error(exchange: &Arc<Exchange>, error: &Error, phase: &str) {
    for kind in [Kind::ProviderError, Kind::HttpError] {
        emit(exchange, kind, |data| {
            provider_facts(exchange, data);
            data.insert("side".into(), "provider".into());
            data.insert("path".into(), exchange.request.lock().uri.path().into());
            data.insert("phase".into(), phase.into());
            data.insert("error".into(), error.kind().word().into());
            data.insert("message".into(), error.message().into());
        });
    }
}

/// `provider.stream.start`.
pub(super) fn stream_start(exchange: &Arc<Exchange>) {
    emit(exchange, Kind::ProviderStreamStart, |data| provider_facts(exchange, data));
}

/// `provider.stream.chunk`, with the bytes.
pub(super) fn stream_chunk(exchange: &Arc<Exchange>, number: u64, bytes: &Bytes) {
    let mut data = Map::new();
    data.insert("id".into(), exchange.id.to_string().into());
    data.insert("number".into(), number.into());
    data.insert("bytes".into(), bytes.len().into());
    let event = Event::new(Kind::ProviderStreamChunk, data).with_bytes(bytes.clone());
    exchange.generation.listeners.emit(event);
}

/// `provider.stream.end`.
pub(super) fn stream_end(exchange: &Arc<Exchange>, chunks: u64, bytes: u64, complete: bool) {
    emit(exchange, Kind::ProviderStreamEnd, |data| {
        provider_facts(exchange, data);
        data.insert("chunks".into(), chunks.into());
        data.insert("bytes".into(), bytes.into());
        data.insert("complete".into(), complete.into());
    });
}

/// `http.response`, with the bytes that were kept.
pub(super) fn http_response(
    exchange: &Arc<Exchange>,
    side: &str,
    status: StatusCode,
    headers: &HeaderMap,
    capture: &mut Capture,
) {
    let listeners = &exchange.generation.listeners;
    if !listeners.wants(Kind::HttpResponse) {
        return;
    }
    let mut data = Map::new();
    data.insert("id".into(), exchange.id.to_string().into());
    data.insert("side".into(), side.into());
    data.insert("path".into(), exchange.request.lock().uri.path().into());
    data.insert("status".into(), status.as_u16().into());
    data.insert("headers".into(), Value::Object(redact::headers(headers)));
    data.insert("body_bytes".into(), capture.seen.into());
    let truncated = capture.seen > capture.kept as u64 || exchange.is_private();
    data.insert("truncated".into(), truncated.into());
    let bytes = if exchange.is_private() { Bytes::new() } else { capture.joined() };
    let event = Event::new(Kind::HttpResponse, data).with_bytes(bytes);
    listeners.emit(event);
}

/// `request.completed` or `request.failed`: exactly one of them, once.
pub(super) fn finished(exchange: &Arc<Exchange>) {
    let failure = exchange.tally.failure.lock().clone();
    let kind = if failure.is_some() { Kind::RequestFailed } else { Kind::RequestCompleted };
    emit(exchange, kind, |data| {
        request_facts(exchange, data);
        let tally = &exchange.tally;
        let status = tally.status.load(Ordering::Relaxed);
        // nginx's 499: the client left before there was a status.
        data.insert("status".into(), if status == 0 { 499 } else { status }.into());
        data.insert("duration_ms".into(), (exchange.elapsed().as_micros() as f64 / 1000.0).into());
        data.insert("head_ms".into(), millis(tally.head_micros.load(Ordering::Relaxed)));
        data.insert("first_byte_ms".into(), millis(tally.first_byte_micros.load(Ordering::Relaxed)));
        data.insert("request_bytes".into(), tally.request_bytes.load(Ordering::Relaxed).into());
        data.insert("response_bytes".into(), tally.response_bytes.load(Ordering::Relaxed).into());
        data.insert("streamed".into(), tally.streamed.load(Ordering::Relaxed).into());
        data.insert("sent_model".into(), exchange.sent_model().as_deref().into());
        data.insert("attempts".into(), tally.attempts.load(Ordering::Relaxed).into());
        data.insert("credential".into(), exchange.credentials.lock().used.as_deref().into());
        data.insert("usage".into(), json!(*tally.usage.lock()));
        data.insert("losses".into(), json!(*tally.losses.lock()));
        if let Some(failure) = &failure {
            data.insert("error".into(), json!(failure));
        }
    });
}

fn emit(exchange: &Arc<Exchange>, kind: Kind, fill: impl FnOnce(&mut Map<String, Value>)) {
    let listeners = &exchange.generation.listeners;
    if listeners.wants(kind) {
        let mut data = Map::new();
        fill(&mut data);
        listeners.emit(Event::new(kind, data));
    }
}

fn request_facts(exchange: &Exchange, data: &mut Map<String, Value>) {
    let request = exchange.request.lock();
    data.insert("id".into(), exchange.id.to_string().into());
    data.insert("generation".into(), exchange.generation.number.into());
    data.insert("method".into(), request.method.as_str().into());
    data.insert("path".into(), request.uri.path().into());
    data.insert("query".into(), request.uri.query().map(redact::query).into());
    data.insert("client".into(), (&*exchange.client.id).into());
    data.insert("peer".into(), exchange.peer.address.ip().to_string().into());
    data.insert("http2".into(), exchange.peer.http2.into());
    let agent = request.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
    data.insert("user_agent".into(), agent.into());
    let referer = request.headers.get(http::header::REFERER).and_then(|value| value.to_str().ok());
    data.insert("referer".into(), referer.map(redact::url).into());
    data.insert("provider".into(), request.provider.as_deref().into());
    data.insert("model".into(), request.model.as_deref().into());
    data.insert("stream".into(), request.stream.into());
    data.insert("format".into(), request.format.as_ref().map(|format| format.name()).into());
}

fn provider_facts(exchange: &Exchange, data: &mut Map<String, Value>) {
    let sent = exchange.sent_model();
    let request = exchange.request.lock();
    data.insert("id".into(), exchange.id.to_string().into());
    data.insert("provider".into(), request.provider.as_deref().into());
    data.insert("model".into(), sent.as_deref().or(request.model.as_deref()).into());
    data.insert("stream".into(), request.stream.into());
}

/// `path` is the client's on both sides, so that a listener can choose exchanges without keeping state.
fn http_request(
    exchange: &Exchange,
    side: &str,
    method: &str,
    path: &str,
    url: &str,
    headers: &HeaderMap,
) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("id".into(), exchange.id.to_string().into());
    data.insert("side".into(), side.into());
    data.insert("method".into(), method.into());
    data.insert("path".into(), path.into());
    data.insert("url".into(), url.into());
    data.insert("headers".into(), Value::Object(redact::headers(headers)));
    data
}

/// What a private route was sent is told by its length.
fn without_body(mut event: Event, length: usize) -> Event {
    event.data.insert("body_bytes".into(), length.into());
    event.data.insert("truncated".into(), (length > 0).into());
    event.with_bytes(Bytes::new())
}

fn with_body(mut event: Event, bytes: &Bytes) -> Event {
    let kept = bytes.slice(..bytes.len().min(CAPTURE_LIMIT));
    event.data.insert("body_bytes".into(), bytes.len().into());
    event.data.insert("truncated".into(), (kept.len() < bytes.len()).into());
    event.with_bytes(kept)
}

fn target(uri: &http::Uri) -> String {
    match uri.query() {
        Some(query) => format!("{}?{}", uri.path(), redact::query(query)),
        None => uri.path().to_owned(),
    }
}

/// Where it goes, with credentials of its query hidden.
pub(super) fn url(outbound: &Outbound) -> String {
    let origin = &outbound.origin;
    let path = match outbound.path.query() {
        Some(query) => format!("{}?{}", outbound.path.path(), redact::query(query)),
        None => outbound.path.path().to_owned(),
    };
    format!("{}://{}{path}", origin.scheme, origin.authority)
}

/// Microseconds as milliseconds with three decimals; null for zero, which means "never".
fn millis(micros: u64) -> Value {
    if micros == 0 { Value::Null } else { (micros as f64 / 1000.0).into() }
}
