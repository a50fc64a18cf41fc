//! Step 6 at the front door: whom a request is for, as the plugins left it, and what passes of their answers.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::attempts::Attempts;
use super::dispatch;
use crate::body::Answer;
use crate::choice::{Candidate, Choice, Chosen, LeftOut, Own, Reason, Wish, check_name};
use crate::error::Result;
use crate::exchange::Exchange;
use crate::provider::Operation;
use crate::router::{Route, Target};

/// Names the candidate that answered.
const ROUTE: HeaderName = HeaderName::from_static("x-ccproxy-route");

/// Before the middleware: whom the request is for, as far as it can be said, so that plugins can see it.
pub(super) fn foresee(exchange: &Exchange, route: &Route) {
    let Target::Choose(operation) = &route.target else { return };
    if let Ok(choice) = choice(exchange, operation) {
        settle(exchange, Chosen::first(Arc::new(choice)));
    }
}

/// Asks the candidates; on the route of one provider the one that a plugin set instead.
pub(super) async fn ask(exchange: &Arc<Exchange>, route: &Route, operation: &Operation) -> Result<Answer> {
    let choice = choose(exchange, operation)?;
    let kept = Kept::of(exchange);
    let (headed, candidate) =
        Attempts { exchange, route, operation, own: &kept.own, choice: &choice, sent: true }.run().await?;
    let mut answer = headed.pass(exchange).await?;
    if let Ok(name) = HeaderValue::from_str(&candidate.to_string()) {
        answer.headers.insert(ROUTE, name);
    }
    Ok(answer)
}

/// The client's own credential, out of the request while candidates are asked. Back in it however that ends: a
/// plugin may try again.
struct Kept<'a> {
    exchange: &'a Exchange,
    own: Own,
}

impl<'a> Kept<'a> {
    fn of(exchange: &'a Exchange) -> Self {
        let own = Own::take(&mut exchange.request.lock().headers);
        Kept { exchange, own }
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.own.restore(&mut self.exchange.request.lock().headers);
    }
}

/// The candidates as the plugins left the request: the ones foreseen, others for another model, or the provider
/// that a plugin set.
fn choose(exchange: &Exchange, operation: &Operation) -> Result<Arc<Choice>> {
    let foreseen = exchange.chosen.lock().clone();
    let (provider, model) = {
        let request = exchange.request.lock();
        (request.provider.clone(), request.model.clone().unwrap_or_default())
    };
    let shown = foreseen.as_ref().and_then(|chosen| chosen.candidate());
    let set_before = foreseen.as_ref().is_some_and(|chosen| chosen.choice.reason == Reason::Plugin);
    let steered = provider.filter(|name| set_before || shown.is_none_or(|shown| shown.provider != *name));
    let choice = match (steered, foreseen) {
        (Some(provider), _) => {
            if exchange.generation.operation(&provider, operation).is_none() {
                return Err(dispatch::unknown_provider(&provider, operation));
            }
            check_name(&model)?;
            exchange.client.permit(&provider, &model)?;
            Arc::new(Choice::of_plugin(&provider, &model))
        }
        (None, Some(chosen)) if chosen.choice.asked == model => chosen.choice,
        (None, _) => Arc::new(choice(exchange, operation)?),
    };
    settle(exchange, Chosen::first(choice.clone()));
    Ok(choice)
}

pub(super) fn choice(exchange: &Exchange, operation: &Operation) -> Result<Choice> {
    let request = exchange.request.lock();
    let wish = Wish {
        model: request.model.as_deref().unwrap_or_default(),
        format: operation.format.name(),
        client: &exchange.client.id,
        stream: request.stream,
        issuer: exchange.generation.marks.issuer(&request.headers).map(|issuer| &**issuer),
    };
    let choice = exchange.generation.routing.choose(&exchange.generation, operation, &wish)?;
    if exchange.client.key.is_none() { Ok(choice) } else { permitted(exchange, choice) }
}

/// Without the candidates that the client's key is not good for.
fn permitted(exchange: &Exchange, mut choice: Choice) -> Result<Choice> {
    let mut refusal = None;
    for candidate in std::mem::take(&mut choice.candidates) {
        match exchange.client.permit(&candidate.provider, &candidate.model) {
            Ok(()) => choice.candidates.push(candidate),
            Err(error) => {
                choice.left_out.push(LeftOut { candidate, reason: error.message().to_owned() });
                refusal.get_or_insert(error);
            }
        }
    }
    match refusal {
        Some(error) if choice.candidates.is_empty() => Err(error),
        _ => Ok(choice),
    }
}

/// From here on the exchange is for this candidate, in events and for plugins.
pub(super) fn settle(exchange: &Exchange, chosen: Chosen) {
    exchange.request.lock().provider = chosen.candidate().map(|candidate| candidate.provider.clone());
    *exchange.chosen.lock() = Some(chosen);
}

impl Choice {
    /// The provider that a plugin set, and the model as it stands.
    fn of_plugin(provider: &Arc<str>, model: &str) -> Self {
        Choice {
            asked: model.into(),
            reason: Reason::Plugin,
            candidates: vec![Candidate { provider: provider.clone(), model: model.into() }],
            left_out: Vec::new(),
        }
    }
}
