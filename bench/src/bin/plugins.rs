//! What a Lua plugin adds to an exchange: `cargo run --release -p ccproxy-bench --bin plugins`. The whole pipeline with the
//! mock provider, without sockets, on one thread; the cases take turns, so that what disturbs one disturbs all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ccproxy_core::config::{Environment, Node, Origin};
use ccproxy_core::exchange::Peer;
use ccproxy_core::pipeline::Pipeline;
use ccproxy_core::proxy::{Discovered, Proxy};
use ccproxy_core::server::{Handler, RequestBody, Server};
use ccproxy_core::settings::Settings;
use ccproxy_lua::host::Limits;
use ccproxy_lua::{BreakerSettings, Engine, discover};
use ccproxy_providers::Memory;
use ccproxy_providers::balancer::Balancer;
use ccproxy_providers::oauth::{Logins, Network};
use ccproxy_providers::vault::Vault;
use http::Request;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a case is measured in one turn, and how many turns there are. The best turn counts.
const TURN: Duration = Duration::from_millis(250);
const TURNS: usize = 8;
/// Bytes of the prompt.
const PROMPT: usize = 4096;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One plugin, or none.
struct Case {
    name: &'static str,
    about: &'static str,
    lua: &'static str,
    stream: bool,
}

const CASES: [Case; 8] = [
    Case { name: "no plugin", about: "", lua: "", stream: false },
    Case {
        name: "idle plugin",
        about: "loaded, its `when` never matches",
        lua: "middleware = { { layer = 'security', when = { paths = { '/elsewhere/*' } }, request = function() end } }",
        stream: false,
    },
    Case {
        name: "empty handler",
        about: "`request` that does nothing",
        lua: "middleware = { { layer = 'security', request = function() end } }",
        stream: false,
    },
    Case {
        name: "one header hook",
        about: "three headers read, one set",
        lua: "middleware = { { layer = 'transformation', request = function(req)
            local headers = req.headers
            headers['x-label'] = (headers['x-team'] or 'none') .. (headers['x-app'] or 'none') .. (headers['anthropic-version'] or 'none')
        end } }",
        stream: false,
    },
    Case {
        name: "one body edit",
        about: "a field read and one set, beside a prompt of 4 KB",
        lua: "middleware = { { layer = 'transformation', body = 'write', request = function(req)
            if req.body:get('model') then req.body:set('metadata', { user_id = 'team-blue' }) end
        end } }",
        stream: false,
    },
    Case { name: "a stream, no plugin", about: "", lua: "", stream: true },
    Case {
        name: "one event hook",
        about: "an empty `event`, for each of its events",
        lua: "middleware = { { layer = 'transformation', event = function() end } }",
        stream: true,
    },
    Case {
        name: "one event hook that reads",
        about: "`ev.text` of each event",
        lua: "middleware = { { layer = 'transformation', body = 'read', event = function(req, ev) local text = ev.text end } }",
        stream: true,
    },
];

/// A case that runs.
struct Running {
    case: &'static Case,
    proxy: Arc<Proxy>,
    best: f64,
    events: usize,
}

#[expect(clippy::print_stdout, reason = "the figures are the point")]
fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let mut running = Vec::new();
        for case in &CASES {
            let proxy = start(case, folder.path()).await?;
            let events = ask(&proxy, case.stream).await?;
            running.push(Running { case, proxy, best: f64::MAX, events });
        }
        for _ in 0..TURNS {
            for one in &mut running {
                one.best = one.best.min(turn(&one.proxy, one.case.stream).await?);
            }
        }
        println!("microseconds an exchange, the best of {TURNS} turns of {} ms\n", TURN.as_millis());
        println!("| case | | exchange | added | an event |");
        println!("|---|---|---|---|---|");
        for one in &running {
            let base =
                running.iter().find(|base| base.case.lua.is_empty() && base.case.stream == one.case.stream);
            let added = one.best - base.map_or(one.best, |base| base.best);
            let (added, each) = match (one.case.lua, one.case.stream) {
                ("", _) => (String::new(), String::new()),
                (_, false) => (format!("{added:.1}"), String::new()),
                (_, true) => (format!("{added:.1}"), format!("{:.2}", added / one.events as f64)),
            };
            println!("| {} | {} | {:.1} | {added} | {each} |", one.case.name, one.case.about, one.best);
        }
        Ok(())
    })
}

/// A proxy with the mock provider and the plugin of a case.
async fn start(case: &Case, data_dir: &std::path::Path) -> Outcome<Arc<Proxy>> {
    let wanted = json!({
        "data_dir": data_dir,
        "server": { "host": "127.0.0.1", "port": 0 },
        "enabled_plugins": if case.lua.is_empty() { vec!["mock"] } else { vec!["mock", "case"] },
    });
    let node = Node::of(&wanted, &Origin::Flag("bench".into()));
    let (settings, problems) = Settings::read(&node, Arc::new(Environment::default()));
    if let Some(problem) = problems.first() {
        return Err(problem.to_string().into());
    }
    let server = Server::bind(&settings.server)?;
    let vault = Vault::new(data_dir, Default::default());
    let logins = Logins::new(Default::default(), &vault, Network::new(None, None));
    let balancer = Balancer::new(Default::default(), &vault);
    let native =
        ccproxy_providers::factories(&[], &|_, _| json!({}), &Memory::new(0), &logins, &balancer, None);
    let mut factories: Vec<_> =
        native.into_iter().filter(|factory| factory.manifest().name == "mock").collect();
    if !case.lua.is_empty() {
        let text = format!("return {{ name = 'case', version = '1.0.0', {} }}", case.lua);
        let files: &'static [(&'static str, &'static str)] =
            Box::leak(Box::new([("plugin.lua", &*text.leak())]));
        let engine = Engine::new(Limits::default(), BreakerSettings::default());
        for found in discover(&engine, &[], &[("case", files)]) {
            factories.push(found.map_err(|error| error.to_string())?);
        }
    }
    Ok(Proxy::start(settings, &server, Discovered { factories, ..Discovered::default() }, Default::default())
        .await?)
}

/// The time of an exchange in microseconds.
async fn turn(proxy: &Arc<Proxy>, stream: bool) -> Outcome<f64> {
    let began = Instant::now();
    let mut count = 0u32;
    while began.elapsed() < TURN {
        for _ in 0..20 {
            ask(proxy, stream).await?;
        }
        count += 20;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(count) * 1e6)
}

/// One exchange to its last byte; the events of a stream.
async fn ask(proxy: &Arc<Proxy>, stream: bool) -> Outcome<usize> {
    let prompt = "word ".repeat(PROMPT / 5);
    let body = json!({ "model": "mock", "max_tokens": 64, "stream": stream, "messages": [{ "role": "user", "content": prompt }] });
    let body = Bytes::from(body.to_string());
    let request = Request::post("/mock/v1/messages")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("anthropic-version", "2023-06-01")
        .header("x-team", "blue")
        .body(RequestBody::full(body))?;
    let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 9)), tls: false, http2: false };
    let pipeline: Arc<Pipeline> = proxy.pipeline().clone();
    let answer = pipeline.handle(request, peer).await;
    let status = answer.status();
    let bytes = answer.into_body().collect(1 << 20).await?;
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(bytes.windows(2).filter(|pair| pair == b"\n\n").count())
}
