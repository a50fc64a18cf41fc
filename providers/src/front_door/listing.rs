//! What each provider says it has: asked all at once, within a limit, and remembered for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ccproxy_core::body::is_compressed;
use ccproxy_core::choice::Own;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Exchange, Request};
use ccproxy_core::provider::{Operation, Provider};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::task::JoinSet;

/// How long a failure is remembered: long enough that a list asked again at once does not wait again.
const FAILURE: Duration = Duration::from_secs(5);
/// Largest list.
const LARGEST: usize = 16 << 20;
/// Most models of one provider.
const MOST: usize = 10_000;
/// We ask for ourselves, and say so.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));

/// The entries of one provider's list as it wrote them, or why there are none.
pub(super) type Listed = Result<Arc<Vec<Map<String, Value>>>, String>;

/// Asks, and remembers.
pub(super) struct Listing {
    timeout: Duration,
    cache: Duration,
    known: Mutex<HashMap<Arc<str>, Known>>,
}

/// One provider's list. Those who ask at once share one question: the lock is held across the wait on purpose.
type Known = Arc<tokio::sync::Mutex<Option<Remembered>>>;

struct Remembered {
    at: Instant,
    generation: u64,
    listed: Listed,
}

impl Listing {
    pub(super) fn new(timeout: Duration, cache: Duration) -> Self {
        Listing { timeout, cache, known: Mutex::default() }
    }

    /// The lists of all providers that have any, by name.
    pub(super) async fn all(self: &Arc<Self>, exchange: &Arc<Exchange>) -> Vec<(Arc<str>, Listed)> {
        let mut asked = JoinSet::new();
        let mut last: Option<&Arc<str>> = None;
        for (name, provider, operation) in exchange.generation.operations("models") {
            if last.replace(name) == Some(name) {
                continue;
            }
            let (listing, name) = (self.clone(), name.clone());
            let (provider, operation) = (provider.clone(), operation.clone());
            let exchange = exchange.clone();
            asked.spawn(async move {
                let listed = listing.one(&exchange, &name, &provider, &operation).await;
                (name, listed)
            });
        }
        let mut lists = Vec::new();
        while let Some(list) = asked.join_next().await {
            lists.extend(list);
        }
        lists.sort_by(|a, b| a.0.cmp(&b.0));
        lists
    }

    async fn one(
        &self,
        exchange: &Arc<Exchange>,
        name: &Arc<str>,
        provider: &Arc<dyn Provider>,
        operation: &Operation,
    ) -> Listed {
        let request = request(exchange, name, operation);
        let lent = request.headers.len() > OURS;
        let ask = async || {
            let asking = ask(exchange, request, provider, operation);
            match tokio::time::timeout(self.timeout, asking).await {
                Ok(listed) => listed,
                Err(_) => Err(format!("no list within {} s", self.timeout.as_secs_f64())),
            }
        };
        if lent && !provider.credential().present {
            // What one client may see is not for the next one.
            return ask().await;
        }
        let known = self.known.lock().entry(name.clone()).or_default().clone();
        let mut known = known.lock().await;
        let generation = exchange.generation.number;
        if let Some(known) = known.as_ref().filter(|known| known.generation == generation) {
            let fresh = if known.listed.is_ok() { self.cache } else { FAILURE.min(self.cache) };
            if known.at.elapsed() < fresh {
                return known.listed.clone();
            }
        }
        let listed = ask().await;
        *known = Some(Remembered { at: Instant::now(), generation, listed: listed.clone() });
        listed
    }
}

/// How many header fields a request has that lends no credential.
const OURS: usize = 3;

/// The question: our own, with the client's credential only where its form tells that it is this provider's.
fn request(exchange: &Exchange, name: &str, operation: &Operation) -> Request {
    let mut clients = exchange.request.lock().headers.clone();
    let own = Own::take(&mut clients);
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, AGENT);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    own.lend(&mut headers, &exchange.generation.marks, name, false);
    // Anthropic lists 20 at a time when not told otherwise: <https://docs.anthropic.com/en/api/models-list>.
    let uri = match operation.inner().format.name() {
        "anthropic_messages" => Uri::from_static("/v1/models?limit=1000"),
        _ => Uri::from_static("/v1/models"),
    };
    Request {
        method: Method::GET,
        uri,
        headers,
        body: Document::default(),
        params: Vec::new(),
        provider: Some(name.into()),
        model: None,
        stream: false,
        format: Some(operation.format.clone()),
    }
}

async fn ask(
    exchange: &Arc<Exchange>,
    request: Request,
    provider: &Arc<dyn Provider>,
    operation: &Operation,
) -> Listed {
    let told = |error: ccproxy_core::Error| error.message().to_owned();
    let asking =
        Exchange::begin(exchange.peer, exchange.client.clone(), exchange.generation.clone(), request);
    let operation = operation.inner();
    let outbound = provider.prepare(&asking, operation, Document::default(), true).await.map_err(told)?;
    let answer = provider.send(&asking, operation, outbound).await.map_err(told)?;
    if answer.status != StatusCode::OK {
        return Err(format!("it answered {}", answer.status.as_u16()));
    }
    if is_compressed(&answer.headers) {
        return Err("it compressed its list against our wish".to_owned());
    }
    let bytes = answer.body.collect(LARGEST).await.map_err(told)?;
    entries(&bytes).ok_or_else(|| "its list is not one of models".to_owned())
}

/// The entries of a list, each with an `id`: under `data` as both vendors' APIs write it, or under `models` with a
/// `slug`, as Codex reads it.
fn entries(bytes: &[u8]) -> Option<Arc<Vec<Map<String, Value>>>> {
    let mut list: Value = serde_json::from_slice(bytes).ok()?;
    let key = if list.get("data").is_some() { "data" } else { "models" };
    let Value::Array(items) = list.get_mut(key)?.take() else { return None };
    let models = items.into_iter().take(MOST).filter_map(|item| {
        let Value::Object(mut model) = item else { return None };
        if let Some(slug) = model.get("slug").filter(|_| !model.contains_key("id")).cloned() {
            model.insert("id".into(), slug);
        }
        model.get("id").is_some_and(Value::is_string).then_some(model)
    });
    Some(Arc::new(models.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_without_an_id_are_left_out_and_other_bodies_are_no_lists() {
        let found = entries(br#"{"data":[{"id":"a"},{"id":7},"b",{"name":"c"},{"id":"d","x":1}]}"#);
        let names: Vec<_> =
            found.iter().flat_map(|list| list.iter()).map(|model| model["id"].clone()).collect();
        assert_eq!(names, ["a", "d"]);
        let found = entries(br#"{"models":[{"slug":"a","display_name":"A"},{"slug":7}]}"#);
        assert_eq!(found.map(|list| (list.len(), list[0]["id"].clone())), Some((1, "a".into())));
        for body in ["", "[]", "{}", "{\"data\":{}}", "<html>", "{\"data\":[", "null"] {
            assert!(entries(body.as_bytes()).is_none(), "{body}");
        }
    }
}
