//! The bytes of an answer on their way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Frame, SizeHint};

use crate::error::{Error, Result};

/// What goes back to the client: a head, and bytes that may still be arriving.
#[derive(Debug)]
pub struct Answer {
    /// The status line's number.
    pub status: StatusCode,
    /// The header fields, without hop-by-hop ones.
    pub headers: HeaderMap,
    /// The bytes.
    pub body: Body,
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: StatusCode) -> Self {
        Answer { status, headers: HeaderMap::new(), body: Body::empty() }
    }

    /// A JSON answer.
    pub fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self::bytes(status, "application/json", value.to_string().into())
    }

    /// An answer whose bytes are all here.
    pub fn bytes(status: StatusCode, content_type: &'static str, bytes: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Answer { status, headers, body: Body::full(bytes) }
    }

    /// Whether the body is a server-sent event stream.
    pub fn is_event_stream(&self) -> bool {
        is_event_stream(&self.headers)
    }
}

/// Whether these headers announce server-sent events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// Whether the body is compressed: its bytes then say nothing to us. `identity` is no compression.
pub fn is_compressed(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| {
        let coding = value.as_bytes().trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    !headers.get_all(header::CONTENT_ENCODING).iter().all(plain)
}

/// A body: nothing, all of it, or bytes still arriving. Pulled by the client; dropping it lets the
/// upstream go.
pub enum Body {
    /// All the bytes; `None` once they are sent.
    Full(Option<Bytes>),
    /// Bytes that arrive.
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>),
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Body::Full(None)
    }

    /// These bytes.
    pub fn full(bytes: Bytes) -> Self {
        Body::Full((!bytes.is_empty()).then_some(bytes))
    }

    /// Bytes that arrive.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = Error> + Send + 'static) -> Self {
        Body::Stream(Box::pin(body))
    }

    /// All bytes, waiting for them; more than `limit` of them is an error.
    pub async fn collect(self, limit: usize) -> Result<Bytes> {
        match self {
            Body::Full(bytes) => Ok(bytes.unwrap_or_default()),
            Body::Stream(stream) => {
                use http_body_util::BodyExt;
                let mut stream = stream;
                let mut first = Bytes::new();
                let mut whole = bytes::BytesMut::new();
                while let Some(frame) = stream.frame().await {
                    let Ok(data) = frame?.into_data() else { continue };
                    if first.len() + whole.len() + data.len() > limit {
                        return Err(Error::upstream(
                            crate::error::Kind::BadGateway,
                            format!("the upstream's answer is larger than {limit} bytes"),
                        ));
                    }
                    if first.is_empty() && whole.is_empty() {
                        first = data;
                        continue;
                    }
                    if whole.is_empty() {
                        whole.extend_from_slice(&first);
                        first = Bytes::new();
                    }
                    whole.extend_from_slice(&data);
                }
                Ok(if whole.is_empty() { first } else { whole.freeze() })
            }
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Full(bytes) => write!(f, "Full({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Body::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.is_none(),
            Body::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Stream(stream) => stream.size_hint(),
        }
    }
}
