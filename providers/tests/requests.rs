//! What real clients send, one recorded request each (long texts cut): nothing of it is refused, and
//! `claude_api` sends it on as it came.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ccproxy_core::config::{Environment, Node, Origin};
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::generation::Generation;
use ccproxy_core::plugin::{PluginContext, PluginFactory, PluginRuntime, RouteTarget};
use ccproxy_core::provider::{Operation, Provider};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::sse::Decoder;
use ccproxy_core::upstream::Upstream;
use ccproxy_providers::balancer::{Balancer, Pools};
use ccproxy_providers::oauth::{self, Logins, Network};
use ccproxy_providers::vault::{Sealing, Vault};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

/// A recorded request.
struct Recorded {
    name: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Value,
}

fn recorded() -> Vec<Recorded> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/requests");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &std::path::Path) -> Recorded {
    let text = std::fs::read(path).expect("a fixture");
    let whole: Value = serde_json::from_slice(&text).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let headers = whole["headers"].as_array().expect("headers");
    Recorded {
        name: path.file_name().expect("a name").to_string_lossy().into_owned(),
        path: text(&whole["path"]),
        query: text(&whole["query"]),
        headers: headers.iter().map(|pair| (text(&pair[0]).to_lowercase(), text(&pair[1]))).collect(),
        body: whole["body"].clone(),
    }
}

/// The native plugins, with nobody logged in.
fn factories() -> Vec<Arc<dyn PluginFactory>> {
    let (servers, _) = oauth::read(&Value::Null, None);
    let vault = Vault::new(&std::env::temp_dir().join("ccproxy-of-nobody"), Sealing::default());
    let logins = Logins::new(servers, &vault, Network::default());
    let balancer = Balancer::new(Pools::default(), &vault);
    ccproxy_providers::factories(
        &[],
        &|_, _| Value::Null,
        &ccproxy_providers::Memory::new(0),
        &logins,
        &balancer,
        None,
    )
}

fn runtime(name: &str, config: Value) -> (Arc<dyn PluginFactory>, Arc<dyn PluginRuntime>) {
    let factories = factories();
    let factory = factories.into_iter().find(|factory| factory.manifest().name == name).expect(name);
    let context = PluginContext {
        name: Arc::from(name),
        config: Arc::new(config),
        data_dir: std::env::temp_dir(),
        generation: 1,
        services: Arc::default(),
        bus: Arc::default(),
        upstream: Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream")),
        oauth: Arc::default(),
        store: Arc::default(),
        previous: None,
    };
    let runtime = factory.create(context).expect("a runtime");
    (factory, runtime)
}

/// The operation behind a path of a plugin.
fn operation(factory: &Arc<dyn PluginFactory>, path: &str) -> Operation {
    let route =
        factory.manifest().routes.iter().find(|route| route.path == path && route.method == Method::POST);
    match &route.expect(path).target {
        RouteTarget::Provider(operation) | RouteTarget::Choose(operation) => operation.clone(),
        RouteTarget::Handler => panic!("`{path}` is no provider route"),
    }
}

async fn prepare(
    provider: &dyn Provider,
    exchange: &Arc<Exchange>,
    operation: &Operation,
) -> ccproxy_core::Result<ccproxy_core::provider::Outbound> {
    let body = exchange.request.lock().body.clone();
    provider.prepare(exchange, operation, body, true).await
}

fn exchange(prefix: &str, recorded: &Recorded, body: Bytes) -> Arc<Exchange> {
    let mut headers = HeaderMap::new();
    for (name, value) in &recorded.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let query = if recorded.query.is_empty() { String::new() } else { format!("?{}", recorded.query) };
    let mut document = Document::new(body);
    let peek = document.check().expect("valid JSON");
    assert_eq!(peek.model.as_deref(), recorded.body["model"].as_str());
    let request = Request {
        method: Method::POST,
        uri: format!("{prefix}{}{query}", recorded.path).parse().expect("a URI"),
        headers,
        body: document,
        params: Vec::new(),
        provider: None,
        model: peek.model,
        stream: peek.stream.unwrap_or(false),
        format: None,
    };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 9)), tls: false, http2: false };
    let generation = Arc::new(Generation::assemble(1, Vec::new(), &[], Vec::new()));
    Exchange::begin(peer, Client::anonymous(), generation, request)
}

#[tokio::test]
async fn claude_api_sends_on_what_came() {
    // What ends at the proxy, and what the connection upstream writes itself.
    const OURS: [&str; 8] = [
        "sec-fetch-mode",
        "authorization",
        "x-api-key",
        "host",
        "content-length",
        "connection",
        "accept-encoding",
        "anthropic-version",
    ];
    let (factory, runtime) = runtime("claude_api", json!({"credential": "passthrough"}));
    let provider = runtime.provider().expect("a provider");
    let mut seen = 0;
    for recorded in recorded().iter().filter(|recorded| recorded.path.starts_with("/v1/messages")) {
        let name = &recorded.name;
        let body = Bytes::from(serde_json::to_string_pretty(&recorded.body).expect("JSON"));
        let exchange = exchange("/claude", recorded, body.clone());
        let operation = operation(&factory, &recorded.path);
        let sent = prepare(&*provider, &exchange, &operation).await.expect(name);
        assert_eq!(sent.body.bytes().as_ptr(), body.as_ptr(), "{name}: the body was copied");
        assert_eq!(sent.body.bytes(), &body);
        let path_and_query = exchange.request.lock().uri.to_string();
        assert_eq!(format!("/claude{}", sent.path), path_and_query);
        for (header, value) in recorded.headers.iter().filter(|(header, _)| !OURS.contains(&header.as_str()))
        {
            let passed = sent.headers.get_all(header).iter().any(|sent| sent.as_bytes() == value.as_bytes());
            assert!(passed, "{name}: `{header}` is lost");
        }
        let credential = |header: &&(String, String)| matches!(&*header.0, "authorization" | "x-api-key");
        for (header, value) in recorded.headers.iter().filter(credential) {
            assert_eq!(sent.credential[header], value, "{name}");
            assert!(!sent.headers.contains_key(header), "{name}: `{header}` is shown");
        }
        seen += 1;
    }
    assert!(seen >= 15, "{seen} requests");
}

#[tokio::test]
async fn the_mock_answers_every_client() {
    let (factory, runtime) = runtime("mock", json!({"delay": 0}));
    let provider = runtime.provider().expect("a provider");
    for recorded in recorded() {
        let name = &recorded.name;
        let path = recorded.path.strip_prefix("/backend-api/codex").map(|path| format!("/v1{path}"));
        let operation = operation(&factory, path.as_deref().unwrap_or(&recorded.path));
        for stream in [false, true] {
            let mut body = recorded.body.clone();
            body["stream"] = stream.into();
            let exchange = exchange("/mock", &recorded, Bytes::from(body.to_string()));
            let outbound = prepare(&*provider, &exchange, &operation).await.expect(name);
            assert!(outbound.credential.is_empty() && !outbound.headers.contains_key("authorization"));
            let answer = provider.send(&exchange, &operation, outbound).await.expect(name);
            let streamed = answer.is_event_stream();
            assert!(answer.status.is_success(), "{name}: {answer:?}");
            let bytes = answer.body.collect(1 << 20).await.expect(name);
            if operation.name == "count_tokens" {
                continue;
            }
            assert_eq!(streamed, stream, "{name}");
            if !streamed {
                assert!(operation.format.usage(&bytes).is_some(), "{name}");
                continue;
            }
            let mut grammar = operation.format.grammar();
            let mut decoder = Decoder::new();
            decoder.feed(bytes);
            while let Some(event) = decoder.pull().expect("small events") {
                grammar.accept(&event).unwrap_or_else(|why| panic!("{name}: {why}"));
            }
            assert!(grammar.complete(), "{name}");
        }
    }
}

#[tokio::test]
async fn manifests_and_health_say_what_is_there() {
    for (name, prefix, routes) in [("claude_api", "/claude", 7), ("mock", "/mock", 6)] {
        let (factory, runtime) = runtime(name, json!({"detect_cli": false}));
        let manifest = factory.manifest();
        assert_eq!((manifest.name.as_str(), manifest.routes.len()), (name, routes));
        assert!(
            manifest
                .routes
                .iter()
                .all(|route| route.prefix == prefix && route.auth && !route.tags.is_empty())
        );
        let health = runtime.health().await;
        for key in ["type", "initialized", "has_adapter", "has_detection", "has_credentials"] {
            assert!(health.details.contains_key(key), "{name}: {key}");
        }
        assert_eq!(health.details["has_detection"], false);
    }
}

#[test]
fn settings_are_read_as_a_user_writes_them() {
    let environment = Environment::default();
    let problems = |name: &str, settings: Value| {
        let factories = factories();
        let factory = factories.iter().find(|factory| factory.manifest().name == name).expect(name);
        let node = Node::of(&settings, &Origin::Default);
        let (value, problems) = factory.manifest().config.validate(&node, &environment);
        (value, problems.len())
    };
    assert_eq!(problems("mock", json!({"delay": "20ms"})), (json!({"delay": 0.02}), 0));
    assert_eq!(problems("mock", json!({"delay": "2h"})).1, 1);
    assert_eq!(problems("mock", json!({"dealy": 1})).1, 1);
    let (value, count) = problems("claude_api", json!({}));
    assert_eq!(
        (value["base_url"].as_str(), value["credential"].as_str()),
        (Some("https://api.anthropic.com"), Some("auto"))
    );
    assert_eq!(count, 0);
    assert_eq!(problems("claude_api", json!({"credential": "mine"})).1, 1);
    assert_eq!(problems("claude_api", json!({"base_url": "ftp://x"})).1, 1);
    assert_eq!(problems("claude_api", json!({"api_key": "sk-x"})).0["api_key"], "sk-x");
}
