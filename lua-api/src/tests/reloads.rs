//! Row 39 of the attacks: generations under load, in one process and through real sockets: nothing is lost, nothing is left over.
//! What is counted is instances and VMs; memory follows them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ccproxy_core::proxy::{Discovered, Proxy};
use ccproxy_core::server::Server;
use ccproxy_core::settings::{PluginSettings, RoutingSettings, ServerSettings, Settings, UpstreamSettings};
use reqwest::{Client, Response};

use super::tight;
use crate::breaker::BreakerSettings;
use crate::discovery::discover;
use crate::engine::Engine;
use crate::host::Limits;

/// A proxy whose plugins are in a folder, and what it takes to load them again.
struct House {
    scripts: tempfile::TempDir,
    engine: Arc<Engine>,
    proxy: Arc<Proxy>,
    url: String,
}

impl House {
    async fn start(plugins: &[(&str, String)]) -> House {
        let scripts = tempfile::tempdir().expect("a folder");
        for (name, text) in plugins {
            save(scripts.path(), name, text);
        }
        let limits = Limits { wall: Duration::from_secs(120), cpu: Duration::from_secs(1), ..tight() };
        let engine = Engine::new(limits, BreakerSettings::default());
        let server = ServerSettings {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            max_streams: 500,
            ..ServerSettings::default()
        };
        let settings = Settings {
            server: server.clone(),
            upstream: UpstreamSettings::default(),
            routing: RoutingSettings::default(),
            plugins: PluginSettings::default(),
            data_dir: PathBuf::from("nowhere"),
        };
        let server = Server::bind(&server).expect("bound");
        let url = format!("http://{}", server.addresses()[0]);
        let found = found(&engine, scripts.path());
        let proxy = Proxy::start(settings, &server, found, Arc::default()).await.expect("started");
        let serving = proxy.clone();
        tokio::spawn(async move { serving.serve(server, std::future::pending()).await });
        House { scripts, engine, proxy, url }
    }

    /// Saves a plugin and builds a generation of what is there.
    async fn reload(&self, name: &str, text: &str) {
        save(self.scripts.path(), name, text);
        self.proxy.reload(found(&self.engine, self.scripts.path())).await;
    }

    async fn get(&self, client: &Client, path: &str) -> Response {
        client.get(format!("{}{path}", self.url)).send().await.expect("an answer")
    }

    async fn text(&self, client: &Client, path: &str) -> String {
        let answer = self.get(client, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("a text")
    }

    async fn status(&self, client: &Client) -> serde_json::Value {
        serde_json::from_str(&self.text(client, "/plugins/status").await).expect("JSON")
    }

    fn vms(&self) -> usize {
        self.engine.vms.load(Ordering::Relaxed)
    }

    /// Waits until so many VMs, and so many instances of before, are left.
    async fn waits(&self, client: &Client, vms: usize, retiring: usize) {
        for _ in 0..300 {
            if self.vms() == vms && self.status(client).await["retiring"] == retiring {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} VMs and {} instances are left", self.vms(), self.status(client).await["retiring"]);
    }
}

fn found(engine: &Arc<Engine>, scripts: &Path) -> Discovered {
    let mut discovered = Discovered::default();
    for plugin in discover(engine, &[scripts.to_owned()], &[]) {
        match plugin {
            Ok(factory) => discovered.factories.push(factory),
            Err(error) => discovered.broken.push((error.name, error.error)),
        }
    }
    discovered
}

fn save(scripts: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(scripts.join(name)).expect("a folder");
    std::fs::write(scripts.join(name).join("plugin.lua"), text).expect("saved");
}

/// HTTP/2 without TLS: many streams on few sockets.
fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client")
}

/// Says its version on a route, in the head above it, and at both ends of a stream that waits between them.
fn stamp(version: &str) -> String {
    format!(
        r#"local version = "{version}"
return {{ name = "stamp", version = "1.0.0", capabilities = {{ "kv" }},
  middleware = {{ {{ layer = 300, when = {{ routes = {{ "plugin" }} }},
    response = function(req, res) res.headers["x-stamp"] = version end }} }},
  hooks = {{ ["request.completed"] = function() end }},
  tasks = {{ {{ name = "idle", every = "1h", run = function() end }} }},
  shutdown = function() ccproxy.kv.incr("ended") end,
  routes = {{
    {{ path = "/", handler = function() return {{ body = version }} end }},
    {{ path = "/ended", handler = function() return {{ body = tostring(ccproxy.kv.get("ended") or 0) }} end }},
    {{ path = "/go", handler = function() return {{ json = ccproxy.notify("go", true, {{ keep = 0 }}) }} end }},
    {{ path = "/live", handler = function() return {{ sse = function(stream)
      stream:send {{ data = "from " .. version }}
      ccproxy.wait("go", 3600)
      stream:send {{ data = "to " .. version }}
    end }} end }},
  }} }}"#
    )
}

/// Reads until the text is there.
async fn until(answer: &mut Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let chunk = answer.chunk().await.expect("more").expect("the stream goes on");
        read.push_str(&String::from_utf8_lossy(&chunk));
    }
    read
}

/// Opens streams on the version that is live, each begun.
async fn streams(house: &House, count: usize) -> Vec<Response> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count.div_ceil(100) {
        let client = client();
        let asked = (0..100.min(count - open.len())).map(|_| house.get(&client, "/stamp/live"));
        let answers = futures_util::future::join_all(asked).await;
        open.extend(answers);
    }
    for stream in &mut open {
        assert_eq!(stream.status(), 200);
        until(stream, "from v0").await;
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_under_a_thousand_streams_lose_nothing_and_leave_nothing() {
    let house = Arc::new(House::start(&[("stamp", stamp("v0"))]).await);
    let held = streams(&house, 1000).await;
    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (house, client) = (house.clone(), client());
            let (over, served) = (over.clone(), served.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = house.get(&client, "/stamp/").await;
                    assert_eq!(answer.status(), 200);
                    let stamp = answer.headers()["x-stamp"].to_str().expect("text").to_owned();
                    assert_eq!(answer.text().await.expect("a text"), stamp, "one exchange, one generation");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut most = 0;
    for round in 1..=1000 {
        let text = if round % 50 == 0 { "return broken(".to_owned() } else { stamp(&format!("v{round}")) };
        house.reload("stamp", &text).await;
        most = most.max(house.vms());
    }
    over.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no exchange failed");
    }
    assert!(served.load(Ordering::Relaxed) > 100, "the load went on");
    // The first one, whose streams are open, the live one, and those of the last moments.
    assert!(most < 200, "{most} VMs at once");
    let client = client();
    house.waits(&client, 2, 1).await;
    // The streams end as they began.
    assert_eq!(house.text(&client, "/stamp/go").await, "1000");
    for mut stream in held {
        let text = until(&mut stream, "to v").await;
        assert!(text.contains("to v0"), "{text}");
        let rest = stream.bytes().await.expect("it ends well");
        assert!(rest.is_empty(), "{rest:?}");
    }
    house.waits(&client, 1, 0).await;
    assert_eq!(house.text(&client, "/stamp/").await, "v999");
    let status = house.status(&client).await;
    assert_eq!(status["plugins"][0]["state"], "outdated", "the last save was a broken one");
    assert_eq!(status["generation"], 1001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_several_generations_ends_after_the_exchanges_of_all_of_them() {
    let other = |version: &str| format!("return {{ name = 'other', version = '{version}' }}");
    let house = House::start(&[("stamp", stamp("v0")), ("other", other("1.0.0"))]).await;
    let client = client();
    let mut stream = streams(&house, 1).await.remove(0);
    // The same `stamp` in a second generation, whose exchanges are over at once; then another one.
    house.reload("other", &other("2.0.0")).await;
    house.reload("stamp", &stamp("v1")).await;
    // What the stream's generation holds besides `stamp` waits with it.
    house.waits(&client, 4, 2).await;
    // Long enough for what looks after the old ones to look several times.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(house.text(&client, "/stamp/ended").await, "0", "the stream goes on");
    assert_eq!(house.text(&client, "/stamp/go").await, "1");
    until(&mut stream, "to v0").await;
    drop(stream);
    house.waits(&client, 2, 0).await;
    assert_eq!(house.text(&client, "/stamp/ended").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_reloads_at_once_ends_with_the_last_text_and_one_instance() {
    let house = Arc::new(House::start(&[("stamp", stamp("v0"))]).await);
    let reloads: Vec<_> = (1..=60)
        .map(|round| {
            let house = house.clone();
            tokio::spawn(async move { house.reload("stamp", &stamp(&format!("v{round}"))).await })
        })
        .collect();
    for reload in reloads {
        reload.await.expect("it ends");
    }
    let client = client();
    house.reload("stamp", &stamp("last")).await;
    assert_eq!(house.text(&client, "/stamp/").await, "last");
    house.waits(&client, 1, 0).await;
}

#[tokio::test]
async fn a_service_that_a_new_version_does_not_offer_is_gone() {
    let with = "return { name = 'shop', version = '1.0.0', provides = { 'prices', 'stock' },
        services = { prices = { of = function() return 1 end }, stock = { of = function() return 2 end } } }";
    let without = "return { name = 'shop', version = '1.0.0', provides = { 'stock' },
        services = { stock = { of = function() return 3 end } } }";
    let house = House::start(&[("shop", with.to_owned())]).await;
    assert!(house.proxy.services().has("prices") && house.proxy.services().has("stock"));
    house.reload("shop", without).await;
    assert!(!house.proxy.services().has("prices"), "nothing keeps the old instance");
    assert_eq!(house.proxy.services().call("stock", "of", Vec::new()).await.expect("an answer"), 3);
    std::fs::remove_dir_all(house.scripts.path().join("shop")).expect("removed");
    house.proxy.reload(found(&house.engine, house.scripts.path())).await;
    assert!(house.proxy.services().list().is_empty());
}

#[tokio::test]
async fn an_unchanged_plugin_is_not_declared_again() {
    let house = House::start(&[("stamp", stamp("v0"))]).await;
    let declared = |house: &House| found(&house.engine, house.scripts.path()).factories[0].fingerprint();
    let before = declared(&house);
    let manifest = house.engine.declared("stamp", before).expect("kept");
    assert_eq!(declared(&house), before);
    assert!(Arc::ptr_eq(&manifest, &house.engine.declared("stamp", before).expect("kept")));
    save(house.scripts.path(), "stamp", &stamp("v1"));
    assert_ne!(declared(&house), before);
    assert!(house.engine.declared("stamp", before).is_none());
}

/// An instance that is behind with its events hears them before it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_for_a_replaced_plugin_is_still_heard() {
    let slow = |version: &str| {
        format!(
            r#"return {{ name = "slow", version = "{version}", capabilities = {{ "kv" }},
            hooks = {{ ["custom.mark"] = function() ccproxy.time.sleep(0.02) ccproxy.kv.incr("heard") end }},
            routes = {{
              {{ path = "/", handler = function()
                for _ = 1, 50 do ccproxy.events.emit("mark") end
                return {{ body = "sent" }} end }},
              {{ path = "/heard", handler = function() return {{ json = ccproxy.kv.get("heard") or 0 }} end }},
            }} }}"#
        )
    };
    let house = House::start(&[("slow", slow("1.0.0"))]).await;
    let client = client();
    assert_eq!(house.text(&client, "/slow/").await, "sent");
    house.reload("slow", &slow("2.0.0")).await;
    house.waits(&client, 1, 0).await;
    assert_eq!(house.text(&client, "/slow/heard").await, "50");
}
