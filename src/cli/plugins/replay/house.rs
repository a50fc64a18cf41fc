//! A proxy in this process without a network: recorded answers come back in their order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::body::{Answer, Body};
use ccproxy_core::error::{Error, Kind, Result};
use ccproxy_core::exchange::Peer;
use ccproxy_core::provider::Outbound;
use ccproxy_core::proxy::{self, Proxy};
use ccproxy_core::server::{Drain, Guard, Handler, RequestBody};
use ccproxy_core::step::BoxFuture;
use ccproxy_core::store::Store;
use ccproxy_core::upstream::{StandIn, Upstream};
use ccproxy_lua::testing::Furniture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;

use super::coding;
use super::recording::{Answered, Exchange};
use crate::cli::Failure;

/// How long hooks may take to hear of an exchange.
const HEARING: Duration = Duration::from_secs(5);

/// What left the proxy for a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What an exchange came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) sent: Vec<Sent>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Without its `content-encoding`, where that is one that can be read.
    pub(super) body: Bytes,
    /// Requests of the plugin itself; nobody answers them.
    pub(super) fetched: Vec<String>,
}

/// The providers of a recording.
#[derive(Default)]
struct Past {
    answers: Mutex<VecDeque<Answered>>,
    last: Mutex<Option<Answered>>,
    sent: Mutex<Vec<Sent>>,
    fetched: Mutex<Vec<String>>,
    /// Why a provider could not answer as it did.
    unanswered: Mutex<Option<String>>,
}

/// A proxy with the plugin in it, or without.
pub(super) struct House {
    proxy: Arc<Proxy>,
    past: Arc<Past>,
}

impl House {
    pub(super) async fn start(furniture: Furniture) -> std::result::Result<House, Failure> {
        let Furniture { settings, discovered, oauth } = furniture;
        let past: Arc<Past> = Arc::default();
        let house = proxy::House {
            guard: Arc::new(Guard::new(&settings.server, &settings.server.listen)),
            drain: Drain::default(),
            upstream: Upstream::new(settings.upstream.clone())?.answered_by(past.clone()),
            store: Store::default(),
            oauth,
        };
        Ok(House { proxy: Proxy::start_in(house, settings, discovered).await, past })
    }

    /// Why a plugin of this house does not run.
    pub(super) fn fault(&self, plugin: &str) -> Option<String> {
        let live = self.proxy.pipeline().live();
        let Some(entry) = live.entry(plugin) else { return Some("it is not there".to_owned()) };
        (!entry.state.runs()).then(|| entry.state.reason().unwrap_or("no reason is known").to_owned())
    }

    /// What the handlers of a plugin have cost so far.
    pub(super) fn cost(&self, plugin: &str) -> Value {
        let live = self.proxy.pipeline().live();
        let runtime = live.entry(plugin).and_then(|entry| entry.runtime.clone());
        runtime.map(|runtime| Value::Object(runtime.stats())).unwrap_or_default()
    }

    /// Sends the client's request again. `Err` says why nothing is learned of it.
    pub(super) async fn replay(&self, exchange: &Exchange) -> std::result::Result<Came, String> {
        let Some(asked) = &exchange.asked else {
            return Err("the client's request is not in the recording".to_owned());
        };
        *self.past.answers.lock() = exchange.answers.iter().cloned().collect();
        *self.past.last.lock() = None;
        *self.past.unanswered.lock() = None;
        let mut request = Request::new(RequestBody::full(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.target.parse().map_err(|_| "its target is no path".to_owned())?;
        *request.headers_mut() = asked.headers.clone();
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost:8000"));
        if !asked.body.is_empty() {
            request.headers_mut().insert(header::CONTENT_LENGTH, asked.body.len().into());
        }
        let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 40_000)), tls: false, http2: false };
        let (head, body) = self.proxy.pipeline().clone().handle(request, peer).await.into_parts();
        // What broke off on its way is compared as far as it came.
        let mut bytes = Vec::new();
        let mut body = std::pin::pin!(body);
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        self.proxy.pipeline().live().listeners.flush(HEARING).await;
        let body = coding::read(&head.headers, bytes.into()).await;
        let sent = std::mem::take(&mut *self.past.sent.lock());
        let fetched = std::mem::take(&mut *self.past.fetched.lock());
        match self.past.unanswered.lock().take() {
            Some(reason) => Err(reason),
            None => Ok(Came { sent, status: head.status, headers: head.headers, body, fetched }),
        }
    }
}

impl StandIn for Past {
    fn provider(&self, outbound: Outbound) -> BoxFuture<'_, Result<Answer>> {
        let origin = &outbound.origin;
        let line = format!("{} {}://{}{}", outbound.method, origin.scheme, origin.authority, outbound.path);
        let asked = outbound.headers.clone();
        // Its credential is nobody's business, and never the recorded one.
        self.sent.lock().push(Sent { line, headers: outbound.headers, body: outbound.body.bytes().clone() });
        // Who asks more often than was recorded hears the last answer again.
        let next = self.answers.lock().pop_front().or_else(|| self.last.lock().clone());
        *self.last.lock() = next.clone();
        Box::pin(async move {
            let answer = match next {
                Some(Ok((status, headers, body))) => coding::negotiate(&asked, headers, body)
                    .await
                    .map(|(headers, body)| Answer { status, headers, body: Body::full(body) }),
                Some(Err(told)) => return Err(Error::upstream(Kind::BadGateway, told)),
                None => {
                    Err("no answer of a provider was recorded; the recording may have ended before it"
                        .to_owned())
                }
            };
            answer.map_err(|reason| {
                *self.unanswered.lock() = Some(reason.clone());
                Error::upstream(Kind::BadGateway, reason)
            })
        })
    }

    fn plugin(&self, request: Request<Bytes>) -> BoxFuture<'_, std::result::Result<Response<Bytes>, String>> {
        self.fetched.lock().push(format!("{} {}", request.method(), request.uri()));
        Box::pin(async { Err("there is no network in a replay".to_owned()) })
    }
}
