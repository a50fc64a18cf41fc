//! What a header hook costs: three reads and one write of headers, through the whole host.
//!
//! `cargo run --release -p ccproxy-lua --example header_hook`

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::generation::Generation;
use ccproxy_core::plugin::{PluginContext, PluginRuntime};
use ccproxy_core::settings::UpstreamSettings;
use ccproxy_core::step::Step;
use ccproxy_core::upstream::Upstream;
use ccproxy_lua::{BreakerSettings, Engine, discover, host::Limits};
use http::{HeaderMap, HeaderValue, Method, Uri};

const HEADERS: &str = r#"
return { name = "bench", version = "1.0.0", middleware = {
    { layer = "security", request = function(req)
        local headers = req.headers
        local team, kind, agent = headers["x-team"], headers["content-type"], headers["user-agent"]
        headers["x-seen"] = "1"
    end },
    { layer = "security", request = function(req) end },
    { layer = "security", response = function(req, res) res.headers["x-seen"] = "1" end },
} }
"#;

const ROUNDS: u32 = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let engine = Engine::new(Limits::default(), BreakerSettings::default());
    let factory = discover(&engine, &[], &[("bench", &[("plugin.lua", HEADERS)])])
        .pop()
        .expect("a plugin")
        .expect("a sound one");
    let runtime = factory.create(context()).expect("a runtime");
    runtime.initialize().await.expect("initialised");
    let generation = Arc::new(Generation::assemble(1, Vec::new(), &[], Vec::new()));
    let begin = || exchange(&generation);

    let empty = measure(|| drop(black_box(begin())));
    report("exchange alone", empty, 0.0);
    let run = |runtime: &Arc<dyn PluginRuntime>, index: usize| {
        let middleware = runtime.middleware(index).expect("a middleware");
        measure(|| {
            let exchange = begin();
            assert!(matches!(middleware.request(&exchange), Step::Ready(Ok(_))));
        })
    };
    report("empty hook, first of its exchange", run(&runtime, 1), empty);
    report("header hook, first of its exchange", run(&runtime, 0), empty);
    for (what, index) in [("header hook, later of its exchange", 0), ("empty hook, later of its exchange", 1)]
    {
        // An exchange of its own: all its calls share one CPU budget of two seconds.
        let kept = begin();
        let middleware = runtime.middleware(index).expect("a middleware");
        let again = measure(|| assert!(matches!(middleware.request(&kept), Step::Ready(Ok(_)))));
        report(what, again, 0.0);
    }
}

fn measure(mut step: impl FnMut()) -> f64 {
    for _ in 0..ROUNDS / 10 {
        step();
    }
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        for _ in 0..ROUNDS / 5 {
            step();
        }
        best = best.min(began.elapsed().as_secs_f64() / f64::from(ROUNDS / 5) * 1e6);
    }
    best
}

#[expect(clippy::print_stdout, reason = "the figures are the point")]
fn report(what: &str, micros: f64, without: f64) {
    println!("{what:40} {:6.2} us", micros - without);
}

fn exchange(generation: &Arc<Generation>) -> Arc<Exchange> {
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-team", "red"), ("content-type", "application/json"), ("user-agent", "bench/1")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let request = Request {
        method: Method::POST,
        uri: Uri::from_static("/v1/messages"),
        headers,
        body: Document::new(Bytes::new()),
        params: Vec::new(),
        provider: None,
        model: None,
        stream: false,
        format: None,
    };
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 1)), tls: false, http2: false };
    Exchange::begin(peer, Client::anonymous(), generation.clone(), request)
}

fn context() -> PluginContext {
    PluginContext {
        name: Arc::from("bench"),
        config: Arc::new(serde_json::json!({})),
        data_dir: PathBuf::from("unused"),
        generation: 1,
        services: Arc::default(),
        bus: Arc::default(),
        upstream: Arc::new(Upstream::new(UpstreamSettings::default()).expect("an upstream")),
        store: Arc::default(),
        previous: None,
    }
}
