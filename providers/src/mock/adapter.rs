//! Steps 7 and 8 without a network: the request is answered from itself.

use std::sync::Arc;
use std::time::Duration;

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
use serde_json::{Value, json};

use super::ask::{Ask, count_tokens};
use super::directive::Directives;
use super::reply::Reply;
use super::stream::Paced;
use super::{chat, messages, models, responses};

/// Answers by itself.
pub(super) struct Adapter {
    origin: Arc<Origin>,
    /// The pause before each event, where the prompt does not order another.
    delay: Duration,
}

impl Adapter {
    pub(super) fn new(delay: Duration) -> Self {
        // A name that no resolver knows (RFC 2606), should anything ever try to go there.
        let authority = Authority::from_static("mock.invalid");
        Adapter { origin: Arc::new(Origin { scheme: Scheme::HTTP, authority }), delay }
    }

    async fn answer(&self, exchange: &Exchange, operation: &Operation, outbound: Outbound) -> Result<Answer> {
        match operation.name {
            "models" => return Ok(Answer::json(StatusCode::OK, &models::list())),
            "model" => {
                let id = outbound.path.path().rsplit('/').next().unwrap_or_default();
                return match models::find(id) {
                    Some(model) => Ok(Answer::json(StatusCode::OK, &model)),
                    None => {
                        let told = format!(
                            "the mock provider has no model `{id}`; ask `/mock/v1/models` for its models"
                        );
                        Ok(refusal(exchange, operation, StatusCode::NOT_FOUND, told))
                    }
                };
            }
            "count_tokens" => {
                let tokens = json!({"input_tokens": count_tokens(outbound.body.bytes())});
                return Ok(Answer::json(StatusCode::OK, &tokens));
            }
            _ => {}
        }
        let read = read(operation, outbound.body.bytes()).and_then(|(body, ask)| {
            let directives = Directives::read(&ask.prompt)?;
            Ok((body, ask, directives))
        });
        let (body, ask, directives) = match read {
            Ok(read) => read,
            Err(told) => return Ok(refusal(exchange, operation, StatusCode::BAD_REQUEST, told)),
        };
        if !directives.wait.is_zero() {
            tokio::time::sleep(directives.wait).await;
        }
        let mut answer = match directives.status {
            Some(status) => {
                let told = format!("the mock provider answers {}, as ordered", status.as_u16());
                let mut answer = refusal(exchange, operation, status, told);
                if let Some(seconds) = directives.retry_after {
                    answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                answer
            }
            None => self.speak(operation, &body, &ask, &directives),
        };
        let name = if operation.name == "messages" { "request-id" } else { "x-request-id" };
        let id = HeaderValue::from_str(&format!("req_mock{:016x}", ask.digest));
        answer.headers.extend(id.ok().map(|id| (HeaderName::from_static(name), id)));
        Ok(answer)
    }

    fn speak(&self, operation: &Operation, body: &Value, ask: &Ask, directives: &Directives) -> Answer {
        let reply = Reply::to(ask, directives);
        if !ask.stream {
            let whole = match operation.name {
                "messages" => messages::whole(ask, &reply),
                "chat_completions" => chat::whole(ask, &reply),
                _ => responses::whole(ask, &reply, body),
            };
            let mut answer = Answer::json(StatusCode::OK, &whole);
            if directives.cut.is_some() {
                let text = whole.to_string();
                let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
                answer.body = Body::stream(Paced::new(vec![half], Duration::ZERO, true));
            }
            return answer;
        }
        let mut events: Vec<Bytes> = match operation.name {
            "messages" => messages::events(ask, &reply),
            "chat_completions" => chat::events(ask, &reply, body),
            _ => responses::events(ask, &reply, body),
        }
        .into_iter()
        .map(|event: Event| event.raw)
        .collect();
        if let Some(after) = directives.cut {
            events.truncate(after.unwrap_or(events.len() / 2));
        }
        if directives.error {
            events.truncate(events.len() / 2);
            let error = Error::upstream(Kind::Overloaded, "the mock provider is overloaded, as ordered");
            let mut tracker = operation.format.tracker();
            events.iter().for_each(|event| tracker.feed(event));
            events.push(tracker.error_event(&*operation.format, &error));
        }
        let delay = directives.delay.unwrap_or(self.delay);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let body = Body::stream(Paced::new(events, delay, directives.cut.is_some()));
        Answer { status: StatusCode::OK, headers, body }
    }
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
        let mut headers = request.headers.clone();
        // It needs no credential, so it keeps none.
        // About the connection to the client, not about a request to a provider.
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::AUTHORIZATION);
        headers.remove("x-api-key");
        let path = request.uri.path_and_query().cloned();
        let outbound = Outbound {
            origin: self.origin.clone(),
            method: request.method.clone(),
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            headers,
            credential: HeaderMap::new(),
            body,
            losses: Vec::new(),
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
        Credential { kind: "none", present: true, hint: "needs none".into(), login: None }
    }
}

fn read(operation: &Operation, bytes: &[u8]) -> std::result::Result<(Value, Ask), String> {
    let body: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("the body is not valid JSON: {error}"))?;
    let ask = match operation.name {
        "messages" => messages::ask(&body, bytes),
        "chat_completions" => chat::ask(&body, bytes),
        _ => responses::ask(&body, bytes),
    }?;
    Ok((body, ask))
}

/// An error as the provider itself would have answered it.
fn refusal(exchange: &Exchange, operation: &Operation, status: StatusCode, told: String) -> Answer {
    let error = Error::upstream(Kind::of(status), told).with_status(status);
    let body = operation.format.error_body(&error, &exchange.id.to_string());
    Answer::bytes(status, "application/json", body)
}
