//! Steps 6 to 8: the provider, the request to it, and the head of its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, StatusCode, header};

use super::retry::Tries;
use super::turn::{self, Request};
use super::{announce, choose, meter, watch};
use crate::body::{Answer, is_compressed};
use crate::document::Document;
use crate::error::{Error, Kind, Result, Side};
use crate::exchange::{Exchange, Moment};
use crate::hooks;
use crate::provider::{Local, Operation, Outbound, Provider};
use crate::router::{Route, Target};
use crate::transform::{Back, Loss};

/// Asks whatever stands behind the route.
pub(super) async fn dispatch(exchange: &Arc<Exchange>, route: &Arc<Route>) -> Result<Answer> {
    match &route.target {
        Target::Handler(handler) => handler.call(exchange).await,
        Target::Down(reason, _) => Err(Error::new(Side::Plugin, Kind::Unavailable, reason.clone())),
        // 6 choose, at the front door
        Target::Choose(operation) => Box::pin(choose::ask(exchange, route, operation)).await,
        Target::Provider(provider, operation) => {
            // 6 choose: a plugin may have named another provider that has the same operation
            let named = exchange.request.lock().provider.clone();
            match named.filter(|name| *name != route.owner) {
                Some(_) => Box::pin(choose::ask(exchange, route, operation)).await,
                None => {
                    permit(exchange, &route.owner)?;
                    ask(exchange, route, provider, operation).await
                }
            }
        }
    }
}

/// Whether the client's key is good for this provider, with the model as the request names it.
fn permit(exchange: &Exchange, provider: &str) -> Result<()> {
    if exchange.client.key.is_none() {
        return Ok(());
    }
    exchange.client.permit(provider, exchange.request.lock().model.as_deref().unwrap_or_default())
}

/// Asks the provider of the route.
async fn ask(
    exchange: &Arc<Exchange>,
    route: &Route,
    provider: &Arc<dyn Provider>,
    operation: &Operation,
) -> Result<Answer> {
    let body = exchange.request.lock().body.clone();
    if let Some(answer) = instead(operation, &body) {
        return answer;
    }
    let mut tries = Tries::default();
    loop {
        let wanted = Wanted { body: body.clone(), asked: None, sent: true };
        let outcome = match prepare(exchange, route, provider, operation, wanted).await {
            Ok(ready) => tries.after(exchange, provider, send(exchange, provider, ready).await),
            Err(error) => Some(tries.take().unwrap_or(Err(error))),
        };
        if let Some(outcome) = outcome {
            return outcome?.pass(exchange).await;
        }
    }
}

/// What the proxy answers where the provider is never asked.
pub(super) fn instead(operation: &Operation, body: &Document) -> Option<Result<Answer>> {
    match &operation.local {
        Some(Local::Instead(local)) => Some(local.answer(body.bytes())),
        _ => None,
    }
}

/// A request that can be sent.
pub(super) struct Ready<'a> {
    client: &'a Operation,
    pub(super) operation: &'a Operation,
    /// In the provider's format.
    pub(super) outbound: Outbound,
    pub(super) losses: Vec<Loss>,
    back: Option<Box<dyn Back>>,
}

/// The head of a provider's answer. Its bytes pass once it is decided that they shall.
pub(super) struct Headed<'a> {
    operation: &'a Operation,
    losses: Vec<Loss>,
    back: Option<Box<dyn Back>>,
    /// It is the proxy's own, in the client's format.
    local: bool,
    pub(super) answer: Answer,
}

/// What is to be prepared.
pub(super) struct Wanted<'a> {
    /// In the client's format.
    pub(super) body: Document,
    /// The model's name in the answer, where the body has another.
    pub(super) asked: Option<&'a str>,
    /// Whether it is sent, or only shown.
    pub(super) sent: bool,
}

/// Step 7: the request in the provider's format.
pub(super) async fn prepare<'a>(
    exchange: &Arc<Exchange>,
    route: &Route,
    provider: &Arc<dyn Provider>,
    operation: &'a Operation,
    wanted: Wanted<'_>,
) -> Result<Ready<'a>> {
    let (client, operation) = (operation, operation.inner());
    steer(exchange, provider)?;
    let Request { body, mut losses, back } = turn::request(exchange, client, wanted.body, wanted.asked)?;
    let mut outbound = provider.prepare(exchange, operation, body, wanted.sent).await?;
    // A provider may not take all of its own format, either.
    losses.append(&mut outbound.losses);
    if route.links.stream || route.links.answer_body || back.is_some() {
        // Someone reads the answer: ask for it uncompressed.
        outbound.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    Ok(Ready { client, operation, outbound, losses, back })
}

/// Credentials that a plugin wants are used, or nothing is sent: they may be about who pays.
fn steer(exchange: &Exchange, provider: &Arc<dyn Provider>) -> Result<()> {
    let wanted = {
        let mut credentials = exchange.credentials.lock();
        credentials.used = None;
        credentials.wanted.clone()
    };
    let Some(wanted) = wanted else { return Ok(()) };
    let pool = provider.pool();
    let known = |name: &str| pool.iter().flat_map(|pool| &pool.members).any(|member| member.name == name);
    match wanted.iter().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Side::Plugin,
            Kind::InvalidRequest,
            format!(
                "a plugin wants the credential `{name}`, which the provider has not; `GET /credentials` lists them"
            ),
        )),
    }
}

/// Step 8: sends it, and waits for the head.
pub(super) async fn send<'a>(
    exchange: &Arc<Exchange>,
    provider: &Arc<dyn Provider>,
    ready: Ready<'a>,
) -> Result<Headed<'a>> {
    let Ready { client, operation, mut outbound, losses, back } = ready;
    if exchange.generation.listeners.wants(hooks::Kind::ProviderRequestPrepared) {
        outbound = prepared(exchange, outbound).await?;
    }
    exchange.enter(Moment::Sent);
    exchange.tally.attempts.fetch_add(1, Ordering::Relaxed);
    announce::sent(exchange, &outbound);
    let answer = match provider.send(exchange, operation, outbound).await {
        Ok(answer) => answer,
        Err(error) => {
            announce::provider_error(exchange, &error, "send");
            return Err(error);
        }
    };
    exchange.tally.head_micros.store(micros(exchange), Ordering::Relaxed);
    announce::received(exchange, &answer);
    if let Some(Local::WhenMissing(local)) = client.local.as_ref().filter(|_| is_missing(answer.status)) {
        let answer = local.answer(exchange.request.lock().body.bytes())?;
        return Ok(Headed::local(client, answer));
    }
    Ok(Headed { operation, losses, back, local: false, answer })
}

/// Whether a provider says that it does not know an endpoint.
fn is_missing(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

impl<'a> Headed<'a> {
    /// An answer of the proxy's own.
    pub(super) fn local(operation: &'a Operation, answer: Answer) -> Self {
        Headed { operation, losses: Vec::new(), back: None, local: true, answer }
    }

    /// Whether it is the proxy's own, and no provider was asked or had one.
    pub(super) fn is_local(&self) -> bool {
        self.local
    }

    /// Step 9: the answer's bytes pass under watch.
    pub(super) async fn pass(self, exchange: &Arc<Exchange>) -> Result<Answer> {
        let Headed { operation, losses, back, local, answer } = self;
        if local {
            return Ok(answer);
        }
        *exchange.tally.losses.lock() = losses;
        let tracked =
            answer.is_event_stream() && answer.status.is_success() && !is_compressed(&answer.headers);
        if answer.is_event_stream() {
            exchange.tally.streamed.store(true, Ordering::Relaxed);
        }
        let answer = if tracked {
            watch::watch(exchange, operation, answer)
        } else {
            meter::meter(exchange, operation, answer)
        };
        turn::answer(exchange, back, answer).await
    }
}

/// `provider.request.prepared`: plugins edit path, headers and body.
async fn prepared(exchange: &Arc<Exchange>, outbound: Outbound) -> Result<Outbound> {
    exchange.enter(Moment::Prepared);
    *exchange.outbound.lock() = Some(outbound);
    let heard = exchange.generation.listeners.prepared(exchange).await;
    let outbound = exchange.outbound.lock().take();
    heard?;
    outbound.ok_or_else(|| Error::internal("the prepared request was lost in a hook"))
}

pub(super) fn unknown_provider(name: &str, operation: &Operation) -> Error {
    Error::new(
        Side::Plugin,
        Kind::InvalidRequest,
        format!("provider `{name}` has no `{}` for `{}` clients", operation.name, operation.format.name()),
    )
}

/// Microseconds since the exchange began, at least one.
pub(super) fn micros(exchange: &Exchange) -> u64 {
    (exchange.elapsed().as_micros() as u64).max(1)
}
