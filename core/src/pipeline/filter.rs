//! Step 10 for bytes: `event` and `chunk` of the middleware a request has passed, innermost first.
//!
//! Whole events go through every `event`, are checked against the grammar of the format, and become
//! bytes again; those bytes go through every `chunk`. Nothing here runs when nobody asked.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::refuse;
use super::watch::BREATH;
use crate::body::{Answer, Body};
use crate::chain::Link;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::format::{Format, Grammar};
use crate::middleware::{EventFlow, OnError};
use crate::sse;

/// A plugin may make a stream this many times longer than it came, plus [`SLACK`].
const AMPLIFICATION: u64 = 16;
/// Bytes that are always allowed on top.
const SLACK: u64 = 1 << 20;

/// Puts the filters around the answer's body, if any apply.
pub(super) fn filter(exchange: &Arc<Exchange>, passed: &[&Arc<Link>], answer: Answer) -> Answer {
    let wanted = |has: fn(&Link) -> bool| -> Vec<Arc<Link>> {
        let links = passed.iter().rev().filter(|link| has(link) && link.meets_status(answer.status));
        links.map(|link| (*link).clone()).collect()
    };
    let plain = !answer.headers.contains_key(http::header::CONTENT_ENCODING);
    let format =
        exchange.format().filter(|_| answer.is_event_stream() && answer.status.is_success() && plain);
    let events = if format.is_some() { wanted(|link| link.spec.moments.event) } else { Vec::new() };
    let chunks = if plain { wanted(|link| link.spec.moments.chunk) } else { Vec::new() };
    if events.is_empty() && chunks.is_empty() {
        return answer;
    }
    let mut headers = answer.headers;
    headers.remove(http::header::CONTENT_LENGTH);
    let filter = Filter {
        exchange: exchange.clone(),
        inner: answer.body,
        grammar: format.as_ref().filter(|_| !events.is_empty()).map(|format| format.grammar()),
        format,
        decoder: sse::Decoder::default(),
        events,
        chunks,
        came: 0,
        went: 0,
        over: false,
    };
    let frames = stream::unfold(filter, |mut filter| async move {
        let bytes = filter.next().await?;
        Some((bytes.map(Frame::data), filter))
    });
    Answer { status: answer.status, headers, body: Body::stream(StreamBody::new(frames)) }
}

struct Filter {
    exchange: Arc<Exchange>,
    inner: Body,
    format: Option<Arc<dyn Format>>,
    grammar: Option<Box<dyn Grammar>>,
    decoder: sse::Decoder,
    events: Vec<Arc<Link>>,
    chunks: Vec<Arc<Link>>,
    came: u64,
    went: u64,
    over: bool,
}

impl Filter {
    /// The next bytes for the client; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes>> {
        while !self.over {
            let outcome = match self.inner.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.pass(data).await,
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(error));
                }
                None => {
                    self.over = true;
                    self.end().await
                }
            };
            match outcome {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(Ok(bytes)),
                Err(error) => return Some(self.broken(error).await),
            }
        }
        None
    }

    async fn pass(&mut self, data: Bytes) -> Result<Bytes> {
        self.came += data.len() as u64;
        let data = if self.events.is_empty() { data } else { self.pass_events(data).await? };
        let data = self.pass_chunks(data).await?;
        self.went += data.len() as u64;
        if self.went > self.came * AMPLIFICATION + SLACK {
            return Err(Error::plugin(self.blamed(), "the plugins made the answer too long"));
        }
        Ok(data)
    }

    async fn pass_events(&mut self, data: Bytes) -> Result<Bytes> {
        self.decoder.feed(data);
        let mut out = BytesMut::new();
        while let Some(event) = self.decoder.pull()? {
            for event in self.pass_event(event).await? {
                out.extend_from_slice(&event.raw);
            }
        }
        Ok(out.freeze())
    }

    async fn pass_event(&mut self, event: sse::Event) -> Result<Vec<sse::Event>> {
        if event.is_comment() {
            return Ok(vec![event]);
        }
        let mut events = vec![event];
        let mut edited = None;
        for link in &self.events {
            let mut next = Vec::with_capacity(events.len());
            for event in events {
                match link.middleware.event(&self.exchange, &event).get().await {
                    Ok(EventFlow::Unchanged) => next.push(event),
                    Ok(EventFlow::Replace(others)) => {
                        edited = Some(link.plugin.clone());
                        next.extend(others);
                    }
                    Err(error) if link.spec.on_error == OnError::Open => {
                        tracing::warn!(exchange = %self.exchange.id, plugin = %link.plugin, "{error}; the event passes as it came");
                        next.push(event);
                    }
                    Err(error) => return Err(error),
                }
            }
            events = next;
        }
        if let Some(grammar) = &mut self.grammar {
            for event in events.iter().filter(|event| !event.is_comment()) {
                // What the provider itself sends is its own affair; what a plugin made must be legal.
                if let (Err(problem), Some(plugin)) = (grammar.accept(event), &edited) {
                    return Err(Error::plugin(plugin, format!("`event` made an illegal stream: {problem}")));
                }
            }
        }
        Ok(events)
    }

    async fn pass_chunks(&mut self, mut data: Bytes) -> Result<Bytes> {
        if data.is_empty() {
            return Ok(data);
        }
        for link in &self.chunks {
            match link.middleware.chunk(&self.exchange, &data).get().await {
                Ok(None) => {}
                Ok(Some(other)) => data = other,
                Err(error) if link.spec.on_error == OnError::Open => {
                    tracing::warn!(exchange = %self.exchange.id, plugin = %link.plugin, "{error}; the bytes pass as they came");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(data)
    }

    /// The stream is over: what stands half in the decoder goes out as it is, and the plugins must not have
    /// swallowed the terminal event.
    async fn end(&mut self) -> Result<Bytes> {
        if self.events.is_empty() {
            return Ok(Bytes::new());
        }
        let end = self.decoder.finish();
        if let Some(event) = end.event {
            let mut out = BytesMut::new();
            for event in self.pass_event(event).await? {
                out.extend_from_slice(&event.raw);
            }
            return self.pass_chunks(out.freeze()).await;
        }
        if !end.partial.is_empty() {
            return self.pass_chunks(end.partial).await;
        }
        let whole = self.exchange.tally.failure.lock().is_none();
        match &self.grammar {
            Some(grammar) if whole && !grammar.complete() => {
                Err(Error::plugin(self.blamed(), "`event` removed the last event of the stream"))
            }
            _ => Ok(Bytes::new()),
        }
    }

    async fn broken(&mut self, error: Error) -> Result<Bytes> {
        self.over = true;
        refuse::note(&self.exchange, &error);
        // Dropping the rest lets the upstream go.
        self.inner = Body::empty();
        let event = match (&self.format, self.events.is_empty()) {
            (Some(format), false) => format.error_event(&error),
            _ => Bytes::new(),
        };
        if event.is_empty() {
            return Err(error);
        }
        tokio::time::sleep(BREATH).await;
        Ok(event)
    }

    fn blamed(&self) -> &str {
        self.events.first().or(self.chunks.first()).map_or("unknown", |link| &link.plugin)
    }
}
