//! What would become of a request: its route, its plugins, its candidates, and what would be sent. Nothing is
//! sent, no plugin is run, and nothing is learned about any candidate.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri};
use serde_json::{Map, Value, json};

use super::attempts::{Attempts, Prepared};
use super::choose;
use super::dispatch::{self, Ready, Wanted};
use super::{announce, travel};
use crate::choice::Own;
use crate::document::{Document, Path, Peek, Segment};
use crate::error::{Error, Kind, Result, Side};
use crate::exchange::{Client, Exchange, Peer, Request};
use crate::generation::Generation;
use crate::hooks;
use crate::middleware::{RouteKind, layer};
use crate::redact;
use crate::router::{Params, Route, Target};

/// A request that is asked about.
#[derive(Debug)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Header fields, as a client would send them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What would become of it. A request that would be refused has `refused`.
pub async fn explain(generation: &Arc<Generation>, question: Question) -> Value {
    let mut told = Map::new();
    if let Err(error) = tell(generation, question, &mut told).await {
        let status = error.status().as_u16();
        told.insert("refused".into(), json!({ "status": status, "message": error.message() }));
    }
    Value::Object(told)
}

async fn tell(generation: &Arc<Generation>, question: Question, told: &mut Map<String, Value>) -> Result<()> {
    let (route, params) = generation.router.find(&question.method, question.uri.path())?;
    told.insert("route".into(), describe(&route));
    let exchange = begin(generation, &route, params, question)?;
    {
        let request = exchange.request.lock();
        told.insert("model".into(), request.model.as_deref().into());
        told.insert("stream".into(), request.stream.into());
    }
    choose::foresee(&exchange, &route);
    told.insert("plugins".into(), plugins(&exchange, &route));
    let own = Own::take(&mut exchange.request.lock().headers);
    let choice;
    let ready = match &route.target {
        Target::Handler(_) => return Ok(()),
        Target::Down(reason, _) => return Err(Error::new(Side::Plugin, Kind::Unavailable, reason.clone())),
        Target::Provider(provider, operation) => {
            own.restore(&mut exchange.request.lock().headers);
            let body = exchange.request.lock().body.clone();
            if let Some(answer) = dispatch::instead(operation, &body) {
                told.insert("local".into(), true.into());
                return answer.map(drop);
            }
            told.insert("credential".into(), json!(provider.credential()));
            let wanted = Wanted { body, asked: None, sent: false };
            dispatch::prepare(&exchange, &route, provider, operation, wanted).await?
        }
        Target::Choose(operation) => {
            choice = Arc::new(choose::choice(&exchange, operation)?);
            let attempts = Attempts {
                exchange: &exchange,
                route: &route,
                operation,
                own: &own,
                choice: &choice,
                sent: false,
            };
            match candidates(attempts, told).await? {
                Prepared::Ready(_, ready) => ready,
                Prepared::Local(_) => {
                    told.insert("local".into(), true.into());
                    return Ok(());
                }
            }
        }
    };
    own.restore(&mut exchange.request.lock().headers);
    let (client, provider) = (route.format().map(|format| format.name()), ready.operation.format.name());
    told.insert("formats".into(), json!({ "client": client, "provider": provider }));
    told.insert("changes".into(), changes(&exchange, &ready, client != Some(provider)));
    told.insert("losses".into(), json!(ready.losses));
    told.insert("upstream".into(), upstream(&ready));
    Ok(())
}

/// The exchange that it would be.
fn begin(
    generation: &Arc<Generation>,
    route: &Route,
    params: Params,
    question: Question,
) -> Result<Arc<Exchange>> {
    let Question { method, uri, headers, body } = question;
    let json = route.kind == RouteKind::Provider && method == Method::POST;
    let mut body = Document::new(body);
    let peek = if json { body.check()? } else { Peek::default() };
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls: false, http2: false };
    let owned = route.kind == RouteKind::Provider && !matches!(route.target, Target::Choose(_));
    let request = Request {
        method,
        uri,
        headers,
        body,
        params,
        provider: owned.then(|| route.owner.clone()),
        model: peek.model,
        stream: peek.stream.unwrap_or(false),
        format: route.format().cloned(),
    };
    Ok(Exchange::begin(peer, Client::anonymous(), generation.clone(), request))
}

/// Every candidate with its state, and the request to the one that would be asked first.
async fn candidates<'a>(attempts: Attempts<'a>, told: &mut Map<String, Value>) -> Result<Prepared<'a>> {
    let Attempts { exchange, choice, .. } = attempts;
    let breaker = &exchange.generation.routing.breaker;
    told.insert("reason".into(), choice.reason.to_string().into());
    let left_out = choice.left_out.iter();
    let left_out =
        left_out.map(|one| json!({ "candidate": one.candidate.to_string(), "reason": one.reason }));
    told.insert("left_out".into(), left_out.collect());

    let now = Instant::now();
    let mut list = Vec::new();
    let mut order = Vec::new();
    let mut failure = None;
    for (at, candidate) in choice.candidates.iter().enumerate() {
        let (state, rests) = breaker.state(&attempts.lane(at), now);
        let ready = attempts.ready(at).await;
        let obstacle = ready.as_ref().err().map(|error| error.message().to_owned());
        let provider = exchange.generation.provider(&candidate.provider);
        list.push(json!({
            "provider": candidate.provider,
            "model": candidate.model,
            "state": state,
            "rests_seconds": rests.as_secs_f64(),
            "credential": provider.map(|provider| provider.credential()),
            "obstacle": obstacle,
        }));
        match ready {
            Ok(ready) => order.push((rests, at, ready)),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    told.insert("candidates".into(), list.into());
    // The first that does not rest, or of those that do the first to be back.
    order.sort_by_key(|(rests, at, _)| (*rests, *at));
    let Some((_, at, ready)) = order.into_iter().next() else {
        return Err(failure.unwrap_or_else(|| Error::internal("a choice without candidates")));
    };
    let candidate = &choice.candidates[at];
    told.insert("chosen".into(), json!({ "provider": candidate.provider, "model": candidate.model }));
    Ok(ready)
}

fn describe(route: &Route) -> Value {
    json!({
        "method": route.method.as_str(),
        "path": route.pattern,
        "kind": route.kind,
        "plugin": route.owner,
        "format": route.format().map(|format| format.name()),
    })
}

/// The middleware that the request meets, outermost first, and who may edit what is sent.
fn plugins(exchange: &Exchange, route: &Route) -> Value {
    let mut list: Vec<Value> = route
        .links
        .links
        .iter()
        .filter(|link| travel::meets(link, exchange, route))
        .map(|link| {
            json!({
                "plugin": link.plugin,
                "name": link.spec.name,
                "layer": link.spec.layer,
                "layer_name": layer::name(link.spec.layer),
                "moments": link.spec.moments,
                "body": link.spec.body,
            })
        })
        .collect();
    let entries = exchange.generation.entries.iter().filter(|entry| entry.state.runs());
    let hears = entries.filter(|entry| {
        route.kind == RouteKind::Provider
            && entry.manifest.hooks.iter().any(|hook| hook.event == hooks::Kind::ProviderRequestPrepared)
    });
    list.extend(hears.map(|entry| {
        json!({ "plugin": entry.manifest.name, "name": hooks::Kind::ProviderRequestPrepared.name(), "hook": true })
    }));
    list.into()
}

/// What would be different from what the client sent.
fn changes(exchange: &Exchange, ready: &Ready<'_>, turned: bool) -> Value {
    let request = exchange.request.lock();
    let outbound = &ready.outbound;
    let sent =
        |name: &HeaderName| outbound.headers.contains_key(name) || outbound.credential.contains_key(name);
    let removed = request.headers.keys().filter(|name| !sent(name));
    let added = outbound
        .headers
        .iter()
        .filter(|(name, value)| !request.headers.get_all(*name).iter().any(|own| own == *value));
    let model = Path::default().join(Segment::Key("model".into()));
    let model = outbound.body.get(&model).and_then(|model| model.as_str().map(|model| model.into_owned()));
    let body = match outbound.body.bytes() == request.body.bytes() {
        true => "same",
        false if turned => "turned",
        false => "edited",
    };
    json!({
        "body": body,
        "model": model.filter(|model| Some(&**model) != request.model.as_deref()),
        "headers_removed": removed.map(HeaderName::as_str).collect::<Vec<_>>(),
        "headers_set": added.map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
    })
}

/// The request as it would be sent, without its credentials.
fn upstream(ready: &Ready<'_>) -> Value {
    let outbound = &ready.outbound;
    let mut fields = redact::headers(&outbound.headers);
    // That there is one is shown, never what it is.
    fields.extend(outbound.credential.keys().map(|name| (name.as_str().to_owned(), "[redacted]".into())));
    let text = String::from_utf8_lossy(outbound.body.bytes());
    json!({
        "method": outbound.method.as_str(),
        "url": announce::url(outbound),
        "headers": fields,
        "body": serde_json::from_str::<Value>(&text).unwrap_or_else(|_| text.into()),
    })
}
