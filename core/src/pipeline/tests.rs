//! The way of an exchange with plugins and a provider made for the purpose; no sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::body::{Answer, Body};
use crate::document::Document;
use crate::error::{Error, Kind, Result};
use crate::exchange::{Exchange, Peer};
use crate::format::{Format, Grammar, Tracker, Usage};
use crate::generation::Generation;
use crate::hooks::{self, Event, Hook};
use crate::middleware::{BodyAccess, EventFlow, Flow, Middleware, Moments, Next, OnError, When};
use crate::pipeline::Pipeline;
use crate::plugin::{Health, HookSpec, Manifest, MiddlewareSpec, PluginRuntime, RouteSpec, RouteTarget};
use crate::provider::{Credential, Operation, Origin, Outbound, Provider};
use crate::registry::{Entry, State};
use crate::server::{Guard, Handler, RequestBody};
use crate::settings::ServerSettings;
use crate::sse;
use crate::step::{BoxFuture, Step};

type Log = Arc<Mutex<Vec<String>>>;

/// A format whose terminal event is `end`.
#[derive(Debug)]
struct Plain;

struct PlainTracker(Vec<u8>);

impl Tracker for PlainTracker {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn complete(&self) -> bool {
        String::from_utf8_lossy(&self.0).contains("event: end\n")
    }
    fn at_boundary(&self) -> bool {
        self.0.is_empty() || self.0.ends_with(b"\n\n")
    }
    fn usage(&self) -> Option<Usage> {
        Some(Usage { output_tokens: Some(7), ..Usage::default() })
    }
}

struct PlainGrammar(bool);

impl Grammar for PlainGrammar {
    fn accept(&mut self, event: &sse::Event) -> Result<(), String> {
        if self.0 {
            return Err("an event after the last one".to_owned());
        }
        self.0 = &event.name[..] == b"end";
        Ok(())
    }
    fn complete(&self) -> bool {
        self.0
    }
}

impl Format for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }
    fn error_body(&self, error: &Error, _: &str) -> Bytes {
        format!("plain error: {}", error.message()).into()
    }
    fn error_event(&self, error: &Error) -> Bytes {
        format!("event: error\ndata: {}\n\n", error.kind().word()).into()
    }
    fn tracker(&self) -> Box<dyn Tracker> {
        Box::new(PlainTracker(Vec::new()))
    }
    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(PlainGrammar(false))
    }
    fn usage(&self, _: &[u8]) -> Option<Usage> {
        None
    }
}

/// Answers with what it was told to.
struct Source {
    log: Log,
    answers: Mutex<Vec<Result<Answer>>>,
}

impl Provider for Source {
    fn prepare<'a>(
        &'a self,
        _: &'a Arc<Exchange>,
        _: &'a Operation,
        body: Document,
        _sent: bool,
    ) -> BoxFuture<'a, Result<Outbound>> {
        Box::pin(async move {
            Ok(Outbound {
                origin: Arc::new(Origin {
                    scheme: http::uri::Scheme::HTTPS,
                    authority: "provider.test".parse().unwrap(),
                }),
                method: Method::POST,
                path: "/v1/messages".parse().unwrap(),
                headers: http::HeaderMap::new(),
                credential: http::HeaderMap::new(),
                body,
                losses: Vec::new(),
            })
        })
    }

    fn send<'a>(
        &'a self,
        _: &'a Arc<Exchange>,
        _: &'a Operation,
        outbound: Outbound,
    ) -> BoxFuture<'a, Result<Answer>> {
        self.log.lock().push(format!("provider {}", outbound.path));
        let mut answers = self.answers.lock();
        let answer = if answers.is_empty() { Ok(text("fine")) } else { answers.remove(0) };
        Box::pin(async { answer })
    }

    fn credential(&self) -> Credential {
        Credential { kind: "none", present: true, hint: String::new(), login: None }
    }
}

/// Notes every moment it is called in, and does what its name says.
struct Noter {
    name: &'static str,
    log: Log,
}

impl Noter {
    fn note(&self, what: &str) {
        self.log.lock().push(format!("{} {what}", self.name));
    }
}

impl Middleware for Noter {
    fn request<'a>(&'a self, _: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        self.note("request");
        Step::Ready(match self.name {
            "answers" => Ok(Flow::Answer(text("early"))),
            "leaves" => Ok(Flow::Leave),
            "fails" => Err(Error::plugin("fails", "on purpose")),
            _ => Ok(Flow::Continue),
        })
    }

    fn response<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<Flow>> {
        self.note("response");
        if let Some(head) = exchange.response.lock().as_mut() {
            head.headers.append("x-passed", HeaderValue::from_static(self.name));
        }
        Step::Ready(Ok(Flow::Continue))
    }

    fn event<'a>(&'a self, _: &'a Arc<Exchange>, event: &'a sse::Event) -> Step<'a, Result<EventFlow>> {
        let name = String::from_utf8_lossy(&event.name).into_owned();
        Step::Ready(Ok(match (self.name, name.as_str()) {
            ("swallows", "end") => EventFlow::Replace(Vec::new()),
            ("looks once", "delta") => EventFlow::Leave(Some(vec![sse::Event::new("delta", "<looked>")])),
            ("doubles", "end") => EventFlow::Replace(vec![event.clone(), event.clone()]),
            (_, "delta") => EventFlow::Replace(vec![sse::Event::new("delta", format!("<{}>", self.name))]),
            _ => EventFlow::Unchanged,
        }))
    }

    fn chunk<'a>(&'a self, _: &'a Arc<Exchange>, bytes: &'a Bytes) -> Step<'a, Result<Option<Bytes>>> {
        let text = String::from_utf8_lossy(bytes);
        Step::Ready(Ok(match self.name {
            "halves" => Some(text.replace("event: end\ndata: 2\n\n", "event: end\nda").into()),
            "swallows" => Some(text.replace("event: end\ndata: 2\n\n", "").into()),
            "doubles" => {
                Some(text.replace("end\ndata: 2\n\n", "end\ndata: 2\n\nevent: end\ndata: 2\n\n").into())
            }
            "rewrites" => Some(text.replace("data: 1", "data: one").into()),
            _ => None,
        }))
    }

    fn around<'a>(&'a self, _: &'a Arc<Exchange>, next: Next) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            self.note("around in");
            let mut answer = next.run().await?;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                self.note("again");
                answer = next.run().await?;
            }
            self.note("around out");
            Ok(answer)
        })
    }
}

struct Listens(Log);

impl Hook for Listens {
    fn observe<'a>(&'a self, event: Arc<Event>) -> BoxFuture<'a, Result<()>> {
        let status = event.data.get("status").map(|status| format!(" {status}")).unwrap_or_default();
        self.0.lock().push(format!("{}{status}", event.name));
        Box::pin(async { Ok(()) })
    }
    fn prepared<'a>(&'a self, exchange: &'a Arc<Exchange>) -> Step<'a, Result<()>> {
        exchange.outbound.lock().as_mut().unwrap().path = "/edited".parse().unwrap();
        Step::Ready(Ok(()))
    }
}

struct Runtime {
    provider: Option<Arc<dyn Provider>>,
    middleware: Vec<Arc<dyn Middleware>>,
    hook: Option<Arc<dyn Hook>>,
}

impl PluginRuntime for Runtime {
    fn health(&self) -> BoxFuture<'_, Health> {
        Box::pin(async { Health::pass() })
    }
    fn provider(&self) -> Option<Arc<dyn Provider>> {
        self.provider.clone()
    }
    fn middleware(&self, index: usize) -> Option<Arc<dyn Middleware>> {
        self.middleware.get(index).cloned()
    }
    fn hook(&self, _: usize) -> Option<Arc<dyn Hook>> {
        self.hook.clone()
    }
}

fn text(text: &'static str) -> Answer {
    Answer::bytes(StatusCode::OK, "text/plain", Bytes::from_static(text.as_bytes()))
}

fn stream(chunks: &[&'static str], broken: bool) -> Answer {
    let mut frames: Vec<Result<http_body::Frame<Bytes>>> =
        chunks.iter().map(|chunk| Ok(http_body::Frame::data(Bytes::from_static(chunk.as_bytes())))).collect();
    if broken {
        frames.push(Err(Error::upstream(Kind::BadGateway, "the provider broke the connection")));
    }
    let body = Body::stream(StreamBody::new(futures_util::stream::iter(frames)));
    let mut headers = http::HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Answer { status: StatusCode::OK, headers, body }
}

/// A plugin's middleware at a layer.
fn layer(name: &'static str, layer: u16, moments: Moments) -> (&'static str, u16, Moments) {
    (name, layer, moments)
}

const BOTH: Moments = Moments { request: true, response: true, event: false, chunk: false, around: false };
const EVENT: Moments = Moments { request: false, response: false, event: true, chunk: false, around: false };
const CHUNK: Moments = Moments { request: false, response: false, event: false, chunk: true, around: false };
const AROUND: Moments = Moments { request: false, response: false, event: false, chunk: false, around: true };

struct House {
    pipeline: Arc<Pipeline>,
    generation: Arc<Generation>,
    log: Log,
    events: Log,
}

impl House {
    fn new(layers: &[(&'static str, u16, Moments)], answers: Vec<Result<Answer>>, hook: bool) -> Self {
        let (log, events) = (Log::default(), Log::default());
        let mut entries = vec![entry(
            Manifest {
                name: "source".into(),
                routes: vec![RouteSpec {
                    method: Method::POST,
                    prefix: "/source".into(),
                    path: "/v1/messages".into(),
                    tags: Vec::new(),
                    summary: String::new(),
                    auth: true,
                    landing: false,
                    private: false,
                    target: RouteTarget::Provider(Operation::new("messages", Arc::new(Plain))),
                }],
                ..Manifest::default()
            },
            Runtime {
                provider: Some(Arc::new(Source { log: log.clone(), answers: Mutex::new(answers) })),
                middleware: Vec::new(),
                hook: None,
            },
        )];
        for (name, layer, moments) in layers {
            let spec = MiddlewareSpec {
                name: (*name).into(),
                layer: *layer,
                priority: 0,
                moments: *moments,
                when: When::default(),
                body: Default::default(),
                on_error: OnError::of_layer(*layer),
                guards: false,
                args: Value::Null,
            };
            let noter = Arc::new(Noter { name, log: log.clone() });
            entries.push(entry(
                Manifest { name: (*name).into(), middleware: vec![spec], ..Manifest::default() },
                Runtime { provider: None, middleware: vec![noter], hook: None },
            ));
        }
        if hook {
            let hooks = hooks::Kind::ALL
                .iter()
                .map(|(kind, name)| HookSpec {
                    event: *kind,
                    name: (*name).into(),
                    priority: 500,
                    body: BodyAccess::None,
                })
                .collect();
            entries.push(entry(
                Manifest { name: "listens".into(), hooks, ..Manifest::default() },
                Runtime {
                    provider: None,
                    middleware: Vec::new(),
                    hook: Some(Arc::new(Listens(events.clone()))),
                },
            ));
        }
        let generation = Arc::new(Generation::assemble(1, entries, &[], Vec::new()));
        let guard = Arc::new(Guard::new(&ServerSettings::default(), &[]));
        let pipeline = Pipeline::new(guard, generation.clone(), 1 << 20);
        House { pipeline, generation, log, events }
    }

    async fn ask(&self) -> http::Response<Body> {
        self.post("/source/v1/messages", r#"{"model":"m","stream":true}"#).await
    }

    async fn post(&self, path: &str, body: &'static str) -> http::Response<Body> {
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(RequestBody::full(Bytes::from_static(body.as_bytes())))
            .unwrap();
        let peer = Peer { address: ([127, 0, 0, 1], 9).into(), tls: false, http2: false };
        self.pipeline.clone().handle(request, peer).await
    }

    async fn events(&self) -> Vec<String> {
        self.generation.listeners.flush(Duration::from_secs(5)).await;
        self.events.lock().clone()
    }
}

fn entry(manifest: Manifest, runtime: Runtime) -> Arc<Entry> {
    Arc::new(Entry {
        manifest: Arc::new(manifest),
        config: Arc::new(json!({})),
        fingerprint: 1,
        runtime: Some(Arc::new(runtime)),
        state: State::Active,
        since: std::time::SystemTime::now(),
    })
}

async fn read(response: http::Response<Body>) -> (StatusCode, String, Option<Error>) {
    let status = response.status();
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap())),
            Err(error) => return (status, text, Some(error)),
        }
    }
    (status, text, None)
}

#[tokio::test]
async fn the_lower_the_layer_the_further_out() {
    let house = House::new(
        &[layer("inner", 500, BOTH), layer("outer", 100, BOTH), layer("mid", 300, BOTH)],
        vec![],
        false,
    );
    let response = house.ask().await;
    let passed: Vec<_> = response.headers().get_all("x-passed").iter().cloned().collect();
    assert_eq!(passed, ["inner", "mid", "outer"]);
    assert_eq!(
        *house.log.lock(),
        [
            "outer request",
            "mid request",
            "inner request",
            "provider /v1/messages",
            "inner response",
            "mid response",
            "outer response"
        ]
    );
}

#[tokio::test]
async fn an_early_answer_goes_up_through_the_layers_it_passed() {
    let house = House::new(
        &[layer("outer", 100, BOTH), layer("answers", 300, BOTH), layer("inner", 500, BOTH)],
        vec![],
        false,
    );
    let (status, text, _) = read(house.ask().await).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "early"));
    assert_eq!(*house.log.lock(), ["outer request", "answers request", "outer response"]);
}

#[tokio::test]
async fn security_fails_closed_and_observability_fails_open() {
    let closed = House::new(&[layer("fails", 100, BOTH)], vec![], false);
    let (status, text, _) = read(closed.ask().await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "plain error: plugin `fails` failed", "the script's own words stay in the log");
    let open = House::new(&[layer("fails", 200, BOTH)], vec![], false);
    assert_eq!(read(open.ask().await).await.0, StatusCode::OK);
}

#[tokio::test]
async fn around_wraps_and_may_try_again() {
    let overloaded = Err(Error::upstream(Kind::Unavailable, "overloaded"));
    let house = House::new(&[layer("wraps", 200, AROUND), layer("inner", 500, BOTH)], vec![overloaded], true);
    let (status, text, _) = read(house.ask().await).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "fine"));
    assert_eq!(
        *house.log.lock(),
        [
            "wraps around in",
            "inner request",
            "provider /edited",
            "inner response",
            "wraps again",
            "inner request",
            "provider /edited",
            "inner response",
            "wraps around out"
        ]
    );
    assert_eq!(house.events().await.last().unwrap(), "request.completed 200");
}

#[tokio::test]
async fn a_whole_stream_passes_byte_for_byte_and_completes_once() {
    let chunks = ["event: delta\nda", "ta: 1\n\n", "event: end\ndata: 2\n\n"];
    let house = House::new(&[], vec![Ok(stream(&chunks, false))], true);
    let (_, text, error) = read(house.ask().await).await;
    assert_eq!(text, chunks.concat());
    assert!(error.is_none());
    assert_eq!(
        house.events().await,
        [
            "request.started",
            "http.request",
            "provider.request.sent",
            "http.request",
            "provider.response.received 200",
            "provider.stream.start",
            "provider.stream.chunk",
            "provider.stream.chunk",
            "provider.stream.chunk",
            "provider.stream.end",
            "http.response 200",
            "http.response 200",
            "request.completed 200",
        ]
    );
    assert_eq!(*house.log.lock(), ["provider /edited"], "the hook's edit reached the provider");
}

#[tokio::test]
async fn a_stream_cut_between_events_ends_in_one_error_event_and_fails() {
    for broken in [true, false] {
        let house = House::new(&[], vec![Ok(stream(&["event: delta\ndata: 1\n\n"], broken))], true);
        let (_, text, error) = read(house.ask().await).await;
        assert_eq!(text, "event: delta\ndata: 1\n\nevent: error\ndata: bad_gateway\n\n");
        assert!(error.is_none());
        let events = house.events().await;
        assert_eq!(events.last().unwrap(), "request.failed 200");
        assert!(events.contains(&"provider.error".to_owned()), "{events:?}");
    }
}

#[tokio::test]
async fn an_error_event_does_not_come_together_with_what_was_before_it() {
    let house = House::new(&[], vec![Ok(stream(&["event: delta\ndata: 1\n\n"], true))], true);
    let mut body = house.ask().await.into_body();
    body.frame().await.unwrap().unwrap();
    let delivered = std::time::Instant::now();
    assert!(!http_body::Body::is_end_stream(&body));
    let error = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(error, "event: error\ndata: bad_gateway\n\n");
    assert!(delivered.elapsed() >= super::watch::BREATH, "{:?}", delivered.elapsed());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_stream_cut_inside_an_event_breaks_the_connection() {
    let house = House::new(&[], vec![Ok(stream(&["event: delta\ndata: {\"a"], true))], false);
    let (_, text, error) = read(house.ask().await).await;
    assert_eq!(text, "event: delta\ndata: {\"a");
    assert_eq!(error.unwrap().kind(), Kind::BadGateway);
}

#[tokio::test]
async fn events_pass_the_layers_innermost_first() {
    let chunks = ["event: delta\ndata: 1\n\nevent: end\ndata: 2\n\n"];
    let house = House::new(
        &[layer("outer", 100, EVENT), layer("inner", 500, EVENT)],
        vec![Ok(stream(&chunks, false))],
        false,
    );
    let (_, text, _) = read(house.ask().await).await;
    assert_eq!(text, "event: delta\ndata: <outer>\n\nevent: end\ndata: 2\n\n");
}

#[tokio::test]
async fn a_plugin_that_breaks_the_grammar_ends_the_stream_with_an_error() {
    for name in ["swallows", "doubles"] {
        let chunks = ["event: delta\ndata: 1\n\nevent: end\ndata: 2\n\n"];
        let house = House::new(&[layer(name, 300, EVENT)], vec![Ok(stream(&chunks, false))], false);
        let (_, text, _) = read(house.ask().await).await;
        assert!(text.ends_with("event: error\ndata: unavailable\n\n"), "{name}: {text}");
        assert!(!text.contains("event: end\ndata: 2\n\nevent: end"), "{text}");
    }
}

#[tokio::test]
async fn bytes_that_a_plugin_made_are_held_to_the_grammar_too() {
    let chunks = ["event: delta\ndata: 1\n\n", "event: end\ndata: 2\n\n"];
    for name in ["swallows", "doubles", "halves"] {
        let house = House::new(&[layer(name, 300, CHUNK)], vec![Ok(stream(&chunks, false))], false);
        let (_, text, error) = read(house.ask().await).await;
        assert!(text.starts_with(chunks[0]), "{name}: {text}");
        match name {
            // The half is with the client when its other half does not come: only a break can tell.
            "halves" => assert!(error.is_some() && text.ends_with("event: end\nda"), "{text}"),
            _ => assert!(text.ends_with("event: error\ndata: unavailable\n\n"), "{name}: {text}"),
        }
    }
    let house = House::new(&[layer("rewrites", 300, CHUNK)], vec![Ok(stream(&chunks, false))], false);
    let (_, text, error) = read(house.ask().await).await;
    assert!(error.is_none());
    assert_eq!(text, "event: delta\ndata: one\n\nevent: end\ndata: 2\n\n");
}

#[tokio::test]
async fn an_odd_stream_of_the_provider_is_not_blamed_on_a_plugin() {
    let chunks = ["event: delta\ndata: 1\n\nevent: end\ndata: 2\n\nevent: more\ndata: 3\n\n"];
    for moment in [EVENT, CHUNK] {
        let house = House::new(&[layer("rewrites", 300, moment)], vec![Ok(stream(&chunks, false))], false);
        let (_, text, error) = read(house.ask().await).await;
        assert!(error.is_none());
        assert!(text.ends_with("event: end\ndata: 2\n\nevent: more\ndata: 3\n\n"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_fails_the_exchange_once() {
    let house = House::new(
        &[],
        vec![Ok(stream(&["event: delta\ndata: 1\n\n", "event: end\ndata: 2\n\n"], false))],
        true,
    );
    let mut response = house.ask().await;
    response.body_mut().frame().await.unwrap().unwrap();
    drop(response);
    let events = house.events().await;
    assert_eq!(events.last().unwrap(), "request.failed 200");
    assert_eq!(events.iter().filter(|event| event.starts_with("request.")).count(), 2);
    assert!(events.iter().any(|event| event == "provider.stream.end"));
}

#[tokio::test]
async fn refusals_speak_the_format_of_the_route_and_name_the_nearest() {
    let house = House::new(&[], vec![], true);
    let (status, text, _) = read(house.post("/source/v1/messages", "{nope").await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.starts_with("plain error: the body is not valid JSON"), "{text}");
    let (status, text, _) = read(house.post("/source/v1/mesages", "{}").await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("did you mean `/source/v1/messages`?"), "{text}");
    let (_, text, _) = read(house.post("/nowhere", "{}").await).await;
    let value: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(value["error"]["type"], "not_found");
    let events = house.events().await;
    assert_eq!(events.iter().filter(|event| event.starts_with("request.failed")).count(), 3);
}

#[tokio::test]
async fn one_that_leaves_is_not_called_again_in_this_exchange() {
    let all = Moments { request: true, response: true, event: true, chunk: false, around: false };
    let house = House::new(
        &[layer("outer", 100, BOTH), layer("leaves", 300, all)],
        vec![Ok(stream(&["event: delta\ndata: 1\n\n", "event: end\ndata: 2\n\n"], false))],
        false,
    );
    let (_, text, _) = read(house.ask().await).await;
    assert_eq!(text, "event: delta\ndata: 1\n\nevent: end\ndata: 2\n\n", "its `event` would have changed it");
    assert_eq!(
        *house.log.lock(),
        ["outer request", "leaves request", "provider /v1/messages", "outer response"]
    );
}

#[tokio::test]
async fn one_that_leaves_a_stream_sees_no_further_event_wherever_the_chunks_are_cut() {
    let whole = "event: delta\ndata: 1\n\nevent: delta\ndata: 2\n\nevent: end\ndata: 3\n\n";
    let wanted = "event: delta\ndata: <looked>\n\nevent: delta\ndata: 2\n\nevent: end\ndata: 3\n\n";
    for cut in 1..whole.len() {
        let chunks = [&whole[..cut], &whole[cut..]];
        let house = House::new(&[layer("looks once", 300, EVENT)], vec![Ok(stream(&chunks, false))], false);
        let (_, text, error) = read(house.ask().await).await;
        assert_eq!((text.as_str(), error.is_none()), (wanted, true), "cut at {cut}");
    }
}
