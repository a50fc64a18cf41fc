//! Tests of the host with real VMs. One file a concern; this one is the bench they stand on.

mod around;
mod cancel;
mod discovery;
mod gate;
mod handles;
mod hostile;
mod lists;
mod manifest;
mod middleware;
mod reloads;
mod require;
mod streams;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::body::Answer;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::generation::Generation;
use ccproxy_core::plugin::{PluginContext, PluginFactory, PluginRuntime, Services, Source};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::upstream::Upstream;
use ccproxy_core::{Error, Result};
use http::{HeaderMap, HeaderValue, Method};

use crate::breaker::BreakerSettings;
use crate::engine::Engine;
use crate::factory::LuaFactory;
use crate::host::{Limits, Sources};

/// A plugin on the bench.
pub(crate) struct Bench {
    pub(crate) runtime: Arc<dyn PluginRuntime>,
    pub(crate) services: Arc<Services>,
}

/// Limits that make hostile tests quick.
pub(crate) fn tight() -> Limits {
    Limits {
        cpu: Duration::from_millis(30),
        wall: Duration::from_secs(2),
        memory: 16 << 20,
        ..Limits::default()
    }
}

pub(crate) fn engine() -> Arc<Engine> {
    Engine::new(tight(), BreakerSettings { failures: 1000, ..BreakerSettings::default() })
}

/// Declares a plugin called `t` from files.
pub(crate) fn declare_in(
    engine: &Arc<Engine>,
    files: &[(&str, &str)],
) -> std::result::Result<LuaFactory, Vec<String>> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    LuaFactory::new(engine, "t", Sources { folder: None, files }, Source::Bundled)
}

/// A manifest table around `fields`, with the needed identity.
pub(crate) fn manifest(fields: &str) -> String {
    format!("return {{ name = 't', version = '1.0.0', {fields} }}")
}

pub(crate) fn context(previous: Option<serde_json::Value>, services: &Arc<Services>) -> PluginContext {
    PluginContext {
        name: Arc::from("t"),
        config: Arc::new(serde_json::json!({ "limit": 3 })),
        data_dir: PathBuf::from("nowhere"),
        generation: 7,
        services: services.clone(),
        bus: Arc::default(),
        upstream: Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream")),
        oauth: Arc::default(),
        store: Arc::default(),
        previous,
    }
}

/// A running plugin from a whole `plugin.lua`.
pub(crate) async fn start_in(engine: &Arc<Engine>, source: &str) -> Bench {
    let factory = declare_in(engine, &[("plugin.lua", source)]).expect("a declared plugin");
    let services = Arc::new(Services::default());
    let runtime = factory.create(context(None, &services)).expect("a runtime");
    runtime.initialize().await.expect("an initialised plugin");
    Bench { runtime, services }
}

/// A running plugin from the fields of its table.
pub(crate) async fn start(fields: &str) -> Bench {
    start_in(&engine(), &manifest(fields)).await
}

/// An exchange with a few headers and a small JSON body.
pub(crate) fn exchange() -> Arc<Exchange> {
    let generation = Arc::new(Generation::assemble(1, Vec::new(), &[], Vec::new()));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-team", "red"),
        ("accept", "*/*"),
        ("accept", "text/html"),
        ("authorization", "Bearer canary-1"),
        ("x-api-key", "canary-2"),
        ("cookie", "c=canary-3"),
        ("content-type", "application/json"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let request = Request {
        method: Method::POST,
        uri: http::Uri::from_static("/v1/messages?beta=true&x=a%20b"),
        headers,
        body: Document::new(Bytes::from_static(br#"{"model":"m1","max_tokens":10,"messages":[]}"#)),
        params: vec![(Arc::from("id"), "42".to_owned())],
        provider: Some(Arc::from("mock")),
        model: Some("m1".into()),
        stream: false,
        format: None,
    };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 4000)), tls: false, http2: false };
    Exchange::begin(peer, Client::anonymous(), generation, request)
}

impl Bench {
    /// Runs the `request` of the first middleware.
    pub(crate) async fn request(&self, exchange: &Arc<Exchange>) -> Result<ccproxy_core::middleware::Flow> {
        self.runtime.middleware(0).expect("a middleware").request(exchange).get().await
    }

    /// Runs `request` with this body on a fresh exchange.
    pub(crate) async fn run(&self) -> Result<ccproxy_core::middleware::Flow> {
        self.request(&exchange()).await
    }
}

/// A plugin with one `request` handler of this body.
pub(crate) async fn handler(body: &str) -> Bench {
    start(&request_fields(body)).await
}

pub(crate) fn request_fields(body: &str) -> String {
    format!(
        "middleware = {{ {{ layer = 'security', body = 'write', request = function(req, plugin) {body} end }} }}"
    )
}

/// The log text of an error.
pub(crate) fn log(error: &Error) -> String {
    error.log().unwrap_or(error.message()).to_owned()
}

/// The whole body of an answer.
pub(crate) async fn body(answer: Answer) -> String {
    let bytes = answer.body.collect(1 << 20).await.expect("a body");
    String::from_utf8_lossy(&bytes).into_owned()
}
