//! The body of a request on its way in: bounded in size, and in the time its client may be silent.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;

use super::line::Line;
use crate::error::{Error, Kind, Result};
use crate::patience::Patience;

/// Most bytes set aside because of a `content-length` alone; beyond it memory grows with what really came.
const TRUSTED_LENGTH: u64 = 256 << 10;

/// A request body that has not been read.
pub struct RequestBody {
    source: Source,
    limit: usize,
    idle: Duration,
}

enum Source {
    /// Bytes given by a test or made by the proxy itself.
    Full(Bytes),
    /// From a client. The line learns when the last byte was read.
    Wire(Incoming, Option<Arc<Line>>),
}

impl RequestBody {
    /// A body whose bytes are all here.
    pub fn full(bytes: Bytes) -> Self {
        RequestBody { source: Source::Full(bytes), limit: usize::MAX, idle: Duration::MAX }
    }

    /// A body that a connection reads; `line` is given when it is HTTP/1.
    pub(super) fn wire(incoming: Incoming, line: Option<Arc<Line>>, limit: usize, idle: Duration) -> Self {
        if let Some(line) = &line {
            line.set_body_unread(!incoming.is_end_stream());
        }
        RequestBody { source: Source::Wire(incoming, line), limit, idle }
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Wire(incoming, _) => incoming.is_end_stream(),
        }
    }

    /// Its length, when the client announced it.
    pub fn announced(&self) -> Option<u64> {
        match &self.source {
            Source::Full(bytes) => Some(bytes.len() as u64),
            Source::Wire(incoming, _) => incoming.size_hint().exact(),
        }
    }

    /// Most bytes it may have.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Refuses a body whose announced length is over the limit, before a byte of it is read.
    pub fn check_length(&self) -> Result<()> {
        match self.announced() {
            Some(length) if length > self.limit as u64 => Err(too_large(self.limit)),
            _ => Ok(()),
        }
    }

    /// All of it. Too large is 413, a silent client 408, a broken body 400.
    pub async fn collect(self) -> Result<Bytes> {
        self.check_length()?;
        let (mut incoming, line) = match self.source {
            Source::Full(bytes) => return Ok(bytes),
            Source::Wire(incoming, line) => (incoming, line),
        };
        let idle = self.idle;
        let mut patience = Patience::new(idle);
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while !incoming.is_end_stream() {
            let frame = poll_fn(|cx| match Pin::new(&mut incoming).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Ok(frame)),
                Poll::Pending => patience.poll_expired(cx, idle).map(|()| Err(silent(idle))),
            })
            .await?;
            patience.restart();
            let Some(frame) = frame else { break };
            // Trailers are dropped: nothing upstream of us could tell what they mean.
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if data.len() > self.limit - first.len() - whole.len() {
                return Err(too_large(self.limit));
            }
            if first.is_empty() && whole.is_empty() {
                first = data;
                continue;
            }
            if whole.is_empty() {
                let rest = incoming.size_hint().lower().min(TRUSTED_LENGTH) as usize;
                whole.reserve(first.len() + data.len() + rest);
                whole.extend_from_slice(&first);
                first = Bytes::new();
            }
            whole.extend_from_slice(&data);
        }
        if let Some(line) = line {
            line.set_body_unread(false);
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }
}

fn too_large(limit: usize) -> Error {
    Error::client(
        Kind::TooLarge,
        format!("the request body is larger than {limit} bytes (`server.max_body` sets the limit)"),
    )
}

fn silent(idle: Duration) -> Error {
    let seconds = idle.as_secs_f64();
    Error::client(
        Kind::RequestTimeout,
        format!("no byte of the request body came for {seconds} s (`server.body_idle_timeout`)"),
    )
}

fn broken(error: hyper::Error) -> Error {
    Error::client(Kind::InvalidRequest, "the request body is broken or incomplete")
        .with_log(error.to_string())
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestBody({:?} bytes)", self.announced())
    }
}
