//! Steps 7 and 8 for the local CLI: nothing is sent anywhere by the proxy, the CLI speaks to its own API.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use ccproxy_core::body::{Answer, Body};
use ccproxy_core::document::Document;
use ccproxy_core::error::Kind;
use ccproxy_core::exchange::Exchange;
use ccproxy_core::provider::{Credential, Operation, Origin, Outbound, Provider};
use ccproxy_core::sse::Event;
use ccproxy_core::step::BoxFuture;
use ccproxy_core::{Error, Result};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use super::failure;
use super::history::{self, Conversation};
use super::models;
use super::pool::{Begun, Pool};
use super::session::Told;
use super::whole::Whole;

const SESSION: HeaderName = HeaderName::from_static("x-ccproxy-session");
/// Longest name of a session.
const LONGEST_NAME: usize = 128;

/// Speaks to the CLI.
pub(super) struct Adapter {
    pool: Arc<Pool>,
    origin: Arc<Origin>,
}

impl Adapter {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        // A name that no resolver knows (RFC 2606): nothing goes there.
        let authority = Authority::from_static("claude-code.invalid");
        Adapter { pool, origin: Arc::new(Origin { scheme: Scheme::HTTP, authority }) }
    }

    async fn answer(&self, exchange: &Exchange, operation: &Operation, outbound: Outbound) -> Result<Answer> {
        let name = session_name(exchange)?;
        if operation.name == "models" {
            if self.pool.command.program().is_none() {
                return Err(failure::missing(self.pool.command.name()));
            }
            return Ok(Answer::json(StatusCode::OK, &models::list(self.pool.models().as_ref())));
        }
        let path = exchange.request.lock().uri.path().to_owned();
        let conversation = Conversation::read(&path, outbound.body.bytes())
            .map_err(|why| Error::client(Kind::InvalidRequest, why))?;
        let conversation = Arc::new(conversation);
        let begun = self.pool.ask(&exchange.client.id, name.as_deref(), conversation.clone()).await?;
        let mut answer = if conversation.stream { stream(begun) } else { whole(begun).await? };
        let name = name.and_then(|name| HeaderValue::from_str(&name).ok());
        answer.headers.extend(name.map(|name| (SESSION, name)));
        Ok(answer)
    }
}

/// The session that the path names.
fn session_name(exchange: &Exchange) -> Result<Option<String>> {
    let request = exchange.request.lock();
    let Some((_, name)) = request.params.iter().find(|(key, _)| &**key == "session_id") else {
        return Ok(None);
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        let told = format!("a session's name has 1 to {LONGEST_NAME} letters, digits, `-`, `_` and `.`");
        return Err(Error::client(Kind::InvalidRequest, told));
    }
    Ok(Some(name.clone()))
}

fn stream(begun: Begun) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let body = Body::stream(Events { first: Some(begun.first), rest: begun.rest });
    Answer { status: StatusCode::OK, headers, body }
}

async fn whole(mut begun: Begun) -> Result<Answer> {
    let mut whole = Whole::default();
    whole.take(begun.first);
    while let Some(told) = begun.rest.recv().await {
        if !whole.take(told.map_err(|failure| failure.error)?) {
            return Err(Error::upstream(Kind::BadGateway, "the answer of the Claude Code CLI is too large"));
        }
    }
    let message = whole.message();
    if message["stop_reason"].is_null() {
        return Err(Error::upstream(Kind::BadGateway, "the Claude Code CLI ended before its answer did"));
    }
    Ok(Answer::json(StatusCode::OK, &message))
}

/// The events of an answer, pulled by the client.
struct Events {
    first: Option<Value>,
    rest: mpsc::Receiver<Told>,
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Some(event) = this.first.take() {
            return Poll::Ready(Some(Ok(frame(&event))));
        }
        this.rest.poll_recv(cx).map(|told| match told {
            Some(Ok(event)) => Some(Ok(frame(&event))),
            Some(Err(failure)) => Some(Err(failure.error)),
            None => None,
        })
    }
}

fn frame(event: &Value) -> Frame<Bytes> {
    Frame::data(Event::new(event["type"].as_str().unwrap_or_default(), event.to_string()).raw)
}

impl Provider for Adapter {
    fn prepare<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        _operation: &'a Operation,
        body: Document,
        _sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        let request = exchange.request.lock();
        let path = request.uri.path_and_query().cloned();
        let losses = history::lost(&body);
        // No header of a client's means anything to the CLI, least of all a credential.
        let outbound = Outbound {
            origin: self.origin.clone(),
            method: request.method.clone(),
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            headers: HeaderMap::new(),
            credential: HeaderMap::new(),
            body,
            losses,
        };
        Box::pin(std::future::ready(Ok(outbound)))
    }

    fn send<'a>(
        &'a self,
        exchange: &'a Arc<Exchange>,
        operation: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(self.answer(exchange, operation, outbound))
    }

    fn credential(&self) -> Credential {
        match self.pool.command.program() {
            Some(path) => {
                let hint = format!("the login of the CLI at {}", path.display());
                Credential { kind: "cli", present: true, hint, login: None }
            }
            None => {
                let hint = failure::missing_text(self.pool.command.name());
                Credential { kind: "none", present: false, hint, login: None }
            }
        }
    }
}
