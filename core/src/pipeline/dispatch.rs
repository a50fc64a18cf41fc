//! Steps 6 to 8: the provider, the request to it, and the head of its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, StatusCode, header};

use super::{announce, meter, turn, watch};
use crate::body::{Answer, is_compressed};
use crate::error::{Error, Kind, Result, Side};
use crate::exchange::{Exchange, Moment};
use crate::hooks;
use crate::provider::{Local, Operation, Outbound, Provider};
use crate::router::{Route, Target};

/// Asks whatever stands behind the route.
pub(super) async fn dispatch(exchange: &Arc<Exchange>, route: &Arc<Route>) -> Result<Answer> {
    match &route.target {
        Target::Handler(handler) => handler.call(exchange).await,
        Target::Down(reason, _) => Err(Error::new(Side::Plugin, Kind::Unavailable, reason.clone())),
        Target::Provider(provider, operation) => {
            // 6 choose: a plugin may have named another provider that has the same operation
            let chosen = exchange.request.lock().provider.clone();
            match chosen {
                Some(name) if name != route.owner => {
                    let Some((provider, operation)) = exchange.generation.operation(&name, operation) else {
                        return Err(unknown_provider(&name, operation));
                    };
                    ask(exchange, route, provider, operation).await
                }
                _ => ask(exchange, route, provider, operation).await,
            }
        }
    }
}

async fn ask(
    exchange: &Arc<Exchange>,
    route: &Route,
    provider: &Arc<dyn Provider>,
    operation: &Operation,
) -> Result<Answer> {
    let local = operation.local.as_ref();
    if let Some(Local::Instead(local)) = local {
        return local.answer(exchange.request.lock().body.bytes());
    }
    // 7 prepare, in the provider's format
    let (client, operation) = (operation, operation.inner());
    let (body, back) = turn::request(exchange, client)?;
    let mut outbound = provider.prepare(exchange, operation, body).await?;
    turn::lost(exchange, std::mem::take(&mut outbound.losses), back.is_some());
    if route.links.stream || route.links.answer_body || back.is_some() {
        // Someone reads the answer: ask for it uncompressed.
        outbound.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if exchange.generation.listeners.wants(hooks::Kind::ProviderRequestPrepared) {
        outbound = prepared(exchange, outbound).await?;
    }
    // 8 send
    exchange.enter(Moment::Sent);
    exchange.tally.attempts.fetch_add(1, Ordering::Relaxed);
    announce::sent(exchange, &outbound);
    let mut answer = match provider.send(exchange, operation, outbound).await {
        Ok(answer) => answer,
        Err(error) => {
            announce::provider_error(exchange, &error, "send");
            return Err(error);
        }
    };
    exchange.tally.head_micros.store(micros(exchange), Ordering::Relaxed);
    announce::received(exchange, &answer);
    if let Some(Local::WhenMissing(local)) = local.filter(|_| is_missing(answer.status)) {
        return local.answer(exchange.request.lock().body.bytes());
    }
    // 9 the answer's bytes pass under watch
    let tracked = answer.is_event_stream() && answer.status.is_success() && !is_compressed(&answer.headers);
    if answer.is_event_stream() {
        exchange.tally.streamed.store(true, Ordering::Relaxed);
    }
    answer = if tracked {
        watch::watch(exchange, operation, answer)
    } else {
        meter::meter(exchange, operation, answer)
    };
    turn::answer(exchange, back, answer).await
}

/// Whether a provider says that it does not know an endpoint.
fn is_missing(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
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

fn unknown_provider(name: &str, operation: &Operation) -> Error {
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
