//! Step 10 for bytes: `event` and `chunk` of the middleware a request has passed, innermost first.
//!
//! Whole events go through every `event`, are checked against the grammar of the format, and become
//! bytes again; those bytes go through every `chunk`. Nothing here runs when nobody asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::ahead::{Ahead, Early};
use super::judge::Judge;
use super::refuse;
use super::watch::BREATH;
use crate::body::{Answer, Body, is_compressed};
use crate::chain::Link;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::format::Format;
use crate::middleware::{EventFlow, OnError};
use crate::sse;
use crate::step::{BoxFuture, Step};

/// A plugin may make a stream this many times longer than it came, plus [`SLACK`].
const AMPLIFICATION: u64 = 16;
/// Bytes that are always allowed on top.
const SLACK: u64 = 1 << 20;
/// A handler that takes longer waits for somebody: what stands before its event need not.
const FLUSH: Duration = Duration::from_millis(20);
/// How often a client is shown that its stream is alive while a handler waits.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Puts the filters around the answer's body, if any apply.
pub(super) fn filter(exchange: &Arc<Exchange>, passed: &[&Arc<Link>], answer: Answer) -> Answer {
    let wanted = |has: fn(&Link) -> bool| -> Vec<Arc<Link>> {
        let links = passed.iter().rev().filter(|link| has(link) && link.meets_status(answer.status));
        links.map(|link| (*link).clone()).collect()
    };
    // Nobody looks into what is private.
    let plain = !is_compressed(&answer.headers) && !exchange.is_private();
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
        judge: format.as_ref().map(|format| Judge::new(&**format, !chunks.is_empty())),
        format,
        decoder: sse::Decoder::default(),
        cutting: !events.is_empty(),
        events,
        chunks,
        early: Arc::default(),
        came: 0,
        went: 0,
        over: false,
    };
    let early = filter.early.clone();
    let pieces = stream::unfold(filter, |mut filter| async move {
        let bytes = filter.next().await?;
        Some((bytes, filter))
    });
    let frames = Ahead::new(pieces, early).map_ok(Frame::data);
    Answer { status: answer.status, headers, body: Body::stream(StreamBody::new(frames)) }
}

struct Filter {
    exchange: Arc<Exchange>,
    inner: Body,
    format: Option<Arc<dyn Format>>,
    judge: Option<Judge>,
    decoder: sse::Decoder,
    /// What goes out is put together from events; otherwise they are only looked at.
    cutting: bool,
    events: Vec<Arc<Link>>,
    chunks: Vec<Arc<Link>>,
    /// What need not wait for a handler that waits.
    early: Arc<Early>,
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
        if self.cutting && self.events.is_empty() && self.decoder.at_boundary() {
            self.cutting = false;
        }
        let looked_at = self.cutting || self.judge.is_some();
        let data = if looked_at { self.pass_events(data).await? } else { data };
        self.ready(data).await
    }

    /// What the `event` handlers left, on its way to the client.
    async fn ready(&mut self, data: Bytes) -> Result<Bytes> {
        let data = self.pass_chunks(data).await?;
        self.went += data.len() as u64;
        if self.went > self.came * AMPLIFICATION + SLACK {
            return Err(Error::plugin(self.blamed(), "the plugins made the answer too long"));
        }
        if let Some(judge) = &mut self.judge {
            judge.sent();
        }
        Ok(data)
    }

    /// Waits for a handler. What stands before its event goes to the client meanwhile, and signs of life.
    async fn held(
        &mut self,
        mut handler: BoxFuture<'_, Result<EventFlow>>,
        out: &mut BytesMut,
    ) -> Result<EventFlow> {
        // Most handlers that wait do so for a moment only.
        if let Ok(flow) = tokio::time::timeout(FLUSH, &mut handler).await {
            return flow;
        }
        let before = self.ready(out.split().freeze()).await?;
        self.early.push(&before);
        loop {
            match tokio::time::timeout(KEEP_ALIVE, &mut handler).await {
                Ok(flow) => return flow,
                Err(_) => self.early.push(self.format.as_ref().map_or(b"", |format| format.keep_alive())),
            }
        }
    }

    async fn pass_events(&mut self, data: Bytes) -> Result<Bytes> {
        self.decoder.feed(data.clone());
        let mut out = BytesMut::new();
        while let Some(event) = self.decoder.pull()? {
            self.pass_event(event, &mut out).await?;
        }
        Ok(if self.cutting { out.freeze() } else { data })
    }

    async fn pass_event(&mut self, event: sse::Event, out: &mut BytesMut) -> Result<()> {
        if let Some(judge) = &mut self.judge {
            judge.came(&event);
        }
        if !self.cutting {
            return self.judge.as_mut().map_or(Ok(()), |judge| judge.goes(&event));
        }
        if event.is_comment() {
            out.extend_from_slice(&event.raw);
            return Ok(());
        }
        let mut events = vec![event];
        let mut left: Vec<Arc<Link>> = Vec::new();
        let exchange = self.exchange.clone();
        for place in 0..self.events.len() {
            let link = &self.events[place].clone();
            let mut next = Vec::with_capacity(events.len());
            for event in events {
                if left.last().is_some_and(|gone| Arc::ptr_eq(gone, link)) {
                    next.push(event);
                    continue;
                }
                let flow = match link.middleware.event(&exchange, &event) {
                    Step::Ready(flow) => flow,
                    Step::Later(handler) => self.held(handler, out).await,
                };
                match flow {
                    Ok(EventFlow::Unchanged) => next.push(event),
                    Ok(EventFlow::Replace(others)) => {
                        if let Some(judge) = &mut self.judge {
                            judge.edited(&link.plugin);
                        }
                        next.extend(others);
                    }
                    Ok(EventFlow::Leave(others)) => {
                        left.push(link.clone());
                        if let (Some(_), Some(judge)) = (&others, &mut self.judge) {
                            judge.edited(&link.plugin);
                        }
                        next.extend(others.unwrap_or_else(|| vec![event]));
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
        for event in events {
            if let Some(judge) = &mut self.judge {
                judge.goes(&event)?;
            }
            out.extend_from_slice(&event.raw);
        }
        self.leave(&left);
        Ok(())
    }

    /// Shows these middleware no further event. Without any, and with nothing of theirs to answer for, the
    /// stream is not even cut into events.
    fn leave(&mut self, left: &[Arc<Link>]) {
        if left.is_empty() {
            return;
        }
        self.events.retain(|link| !left.iter().any(|gone| Arc::ptr_eq(gone, link)));
        if self.events.is_empty() && self.chunks.is_empty() && self.judge.as_ref().is_some_and(Judge::is_idle)
        {
            self.judge = None;
        }
    }

    async fn pass_chunks(&mut self, mut data: Bytes) -> Result<Bytes> {
        if data.is_empty() || self.chunks.is_empty() {
            return Ok(data);
        }
        for link in &self.chunks {
            match link.middleware.chunk(&self.exchange, &data).get().await {
                Ok(None) => {}
                Ok(Some(other)) => {
                    if let Some(judge) = self.judge.as_mut().filter(|_| other != data) {
                        judge.edited(&link.plugin);
                    }
                    data = other;
                }
                Err(error) if link.spec.on_error == OnError::Open => {
                    tracing::warn!(exchange = %self.exchange.id, plugin = %link.plugin, "{error}; the bytes pass as they came");
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(judge) = &mut self.judge {
            judge.goes_bytes(&data)?;
        }
        Ok(data)
    }

    /// The stream is over: what stands half in the decoder goes out as it is, and the plugins must not have
    /// swallowed the terminal event.
    async fn end(&mut self) -> Result<Bytes> {
        if !self.cutting && self.judge.is_none() {
            return Ok(Bytes::new());
        }
        let end = self.decoder.finish();
        let mut out = BytesMut::new();
        if let Some(event) = end.event {
            self.pass_event(event, &mut out).await?;
        }
        if self.cutting {
            out.extend_from_slice(&end.partial);
        }
        let last = self.pass_chunks(out.freeze()).await?;
        let whole = self.exchange.tally.failure.lock().is_none();
        match &mut self.judge {
            Some(judge) => judge.end(whole).map(|()| last),
            None => Ok(last),
        }
    }

    async fn broken(&mut self, error: Error) -> Result<Bytes> {
        self.over = true;
        refuse::note(&self.exchange, &error);
        // Dropping the rest lets the upstream go.
        self.inner = Body::empty();
        let event = match (&self.format, &self.judge) {
            (Some(format), Some(judge)) if judge.admits_error() => format.error_event(&error),
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
