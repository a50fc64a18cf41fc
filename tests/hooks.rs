//! Events of the proxy's life: every one is emitted, in order, once, with its fields.

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

/// Remembers every event it hears, and tells them by route.
const RECORDER: &str = r#"local seen = {}
local function note(event) seen[#seen + 1] = event end
local hooks = {}
for _, name in {
  "app.startup", "app.ready", "request.started", "request.completed", "request.failed",
  "provider.request.sent", "provider.response.received", "provider.error",
  "provider.stream.start", "provider.stream.chunk", "provider.stream.end",
  "plugin.loaded", "plugin.unloaded", "plugin.error", "http.request", "http.response", "http.error",
  "custom.spent",
} do hooks[name] = note end
hooks["provider.request.prepared"] = function(out) seen[#seen + 1] = { name = "provider.request.prepared", id = out.request.id } end
return {
  name = "recorder", version = "1.0.0", hooks = hooks,
  routes = {
    { path = "/seen", handler = function() return { json = ccproxy.json.array(seen) } end },
    { method = "POST", path = "/spend", handler = function() ccproxy.events.emit("spent", { amount = 3 }) return {} end },
  },
}"#;

async fn house() -> (Upstream, Proxy) {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(Config::new().upstream(&upstream).script("recorder", RECORDER)).await;
    let plugin = proxy.plugin("recorder").await;
    assert_eq!(plugin["state"], "active", "{plugin}");
    (upstream, proxy)
}

/// The events of the exchange with provider `claude_api` whose end has this name, when it is there.
async fn exchange(proxy: &Proxy, end: &str) -> Vec<Value> {
    eventually(end, async || {
        let seen = proxy.anonymous().get("/recorder/seen").await.expect(200).json();
        let all = seen.as_array().cloned().unwrap_or_default();
        let last =
            all.iter().rev().find(|event| event["name"] == end && event["path"] == "/claude/v1/messages")?;
        Some(all.iter().filter(|event| event["id"] == last["id"]).cloned().collect())
    })
    .await
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["name"].as_str()).collect()
}

fn body(stream: bool) -> Value {
    json!({ "model": "claude-x", "max_tokens": 1, "messages": [], "stream": stream })
}

#[test]
fn a_streamed_exchange_tells_its_whole_life_in_order() {
    support::run(async {
        let (_upstream, proxy) = house().await;
        proxy.client().post("/claude/v1/messages?beta=true", &body(true)).await.expect(200);
        let events = exchange(&proxy, "request.completed").await;
        let mut order = names(&events);
        let chunks = order.iter().filter(|name| **name == "provider.stream.chunk").count();
        assert!(chunks >= 1, "{order:?}");
        order.dedup();
        let place = |name: &str| {
            order.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name}: {order:?}"))
        };
        let expected = [
            "request.started",
            "provider.request.sent",
            "provider.response.received",
            "provider.stream.start",
            "provider.stream.chunk",
            "provider.stream.end",
            "request.completed",
        ];
        for pair in expected.windows(2) {
            assert!(place(pair[0]) < place(pair[1]), "{} before {}: {order:?}", pair[0], pair[1]);
        }
        for name in expected.iter().filter(|name| **name != "provider.stream.chunk") {
            assert_eq!(order.iter().filter(|known| *known == name).count(), 1, "{name} once: {order:?}");
        }
        assert_eq!(
            order.iter().filter(|name| **name == "http.request").count(),
            2,
            "client's and provider's: {order:?}"
        );
        // It is awaited, and still heard in its turn.
        assert_eq!(order.iter().filter(|name| **name == "provider.request.prepared").count(), 1);
        assert_eq!(order[0], "request.started");
        let prepared = place("provider.request.prepared");
        let sides: Vec<usize> = (0..order.len()).filter(|place| order[*place] == "http.request").collect();
        assert!(sides[0] < prepared && prepared < place("provider.request.sent"), "{order:?}");
        assert!(prepared < sides[1], "{order:?}");
        let end = events.iter().find(|event| event["name"] == "request.completed").unwrap();
        assert_eq!(end["status"], 200);
        assert_eq!(
            (&end["provider"], &end["model"], &end["stream"]),
            (&json!("claude_api"), &json!("claude-x"), &json!(true))
        );
        assert_eq!(end["usage"]["input_tokens"], 11);
        assert_eq!(end["usage"]["output_tokens"], 7);
        assert!(end["duration_ms"].as_f64().unwrap() > 0.0);
        assert!(end["response_bytes"].as_u64().unwrap() > 100);
        assert!(end["time"].as_f64().unwrap() > 1.7e9);
        assert!(!Value::from(events.clone()).to_string().contains("sk-test"), "credentials are never told");
    });
}

#[test]
fn a_plain_exchange_has_no_stream_events() {
    support::run(async {
        let (_upstream, proxy) = house().await;
        proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        let events = exchange(&proxy, "request.completed").await;
        let names = names(&events);
        assert!(!names.iter().any(|name| name.starts_with("provider.stream")), "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "request.completed").count(), 1);
        let end = events.iter().find(|event| event["name"] == "request.completed").unwrap();
        assert_eq!(end["usage"]["output_tokens"], 7);
    });
}

#[test]
fn failures_end_in_one_failed_event_with_a_reason() {
    support::run(async {
        let (upstream, proxy) = house().await;
        upstream.next(Reply::stream(&anthropic::events("x")[..3]).cut());
        proxy.client().post("/claude/v1/messages", &body(true)).await;
        let events = exchange(&proxy, "request.failed").await;
        let order = names(&events);
        assert_eq!(order.iter().filter(|name| **name == "request.failed").count(), 1, "{order:?}");
        assert!(!order.contains(&"request.completed"), "{order:?}");
        assert!(order.contains(&"provider.error") && order.contains(&"provider.stream.end"), "{order:?}");
        let end = events.iter().find(|event| event["name"] == "provider.stream.end").unwrap();
        assert_eq!(end["complete"], false);
        let failed = events.iter().find(|event| event["name"] == "request.failed").unwrap();
        assert_eq!(failed["error"]["side"], "upstream");
    });
}

#[test]
fn a_client_that_leaves_fails_its_exchange_once() {
    support::run(async {
        let (upstream, proxy) = house().await;
        upstream.next(Reply::status(200).stall_before_head());
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", &body(true).to_string()).await;
        upstream.request(0).await;
        drop(raw);
        let events = exchange(&proxy, "request.failed").await;
        let failed: Vec<&Value> = events.iter().filter(|event| event["name"] == "request.failed").collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["status"], 499);
        assert_eq!(failed[0]["error"]["side"], "client");
    });
}

#[test]
fn refusals_before_a_route_are_told_too() {
    support::run(async {
        let (_upstream, proxy) = house().await;
        proxy.client().post("/nowhere", &body(false)).await.expect(404);
        eventually("request.failed for the unknown path", async || {
            let seen = proxy.anonymous().get("/recorder/seen").await.expect(200).json();
            let found = seen.as_array()?.iter().any(|event| {
                event["name"] == "request.failed" && event["path"] == "/nowhere" && event["status"] == 404
            });
            found.then_some(())
        })
        .await;
    });
}

#[test]
fn the_process_and_its_plugins_tell_their_life() {
    support::run(async {
        let (_upstream, proxy) = house().await;
        proxy.save("other", "return { name = \"other\", version = \"1.0.0\" }").await;
        proxy.anonymous().post("/recorder/spend", &json!({})).await.expect(200);
        let wanted = ["app.startup", "app.ready", "plugin.loaded", "custom.spent"];
        let seen = eventually("the events", async || {
            let seen = proxy.anonymous().get("/recorder/seen").await.expect(200).json();
            let all = seen.as_array().cloned()?;
            let loaded =
                all.iter().any(|event| event["name"] == "plugin.loaded" && event["plugin"] == "other");
            (loaded && wanted.iter().all(|name| all.iter().any(|event| event["name"] == *name)))
                .then_some(all)
        })
        .await;
        let place = |name: &str| seen.iter().position(|event| event["name"] == name);
        assert!(place("app.startup") < place("app.ready"));
        let spent = &seen[place("custom.spent").unwrap()];
        assert_eq!((&spent["amount"], &spent["plugin"]), (&json!(3), &json!("recorder")));
    });
}

#[test]
fn the_prepared_request_can_be_edited() {
    support::run(async {
        let lua = r#"return { name = "prepare", version = "1.0.0", hooks = { ["provider.request.prepared"] = { body = "write", run = function(out)
  out.path = "/v2" .. out.path
  out.headers["x-prepared"] = out.method
  out.body:set("max_tokens", 77)
end } } }"#;
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("prepare", lua)).await;
        proxy.client().post("/claude/v1/messages?beta=true", &body(false)).await.expect(200);
        let seen = upstream.request(0).await;
        assert_eq!(seen.header("x-prepared").as_deref(), Some("POST"));
        assert_eq!(seen.json()["max_tokens"], 77);
        assert_eq!(seen.target(), "/v2/v1/messages?beta=true");
    });
}

#[test]
fn a_slow_listener_delays_nobody() {
    support::run(async {
        let lua = r#"return { name = "slow", version = "1.0.0", hooks = { ["request.started"] = function() ccproxy.time.sleep(3) end, ["provider.stream.chunk"] = function() ccproxy.time.sleep(3) end } }"#;
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("slow", lua)).await;
        let begun = std::time::Instant::now();
        for _ in 0..5 {
            proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    });
}

#[test]
fn the_awaited_hook_comes_after_what_was_told_before_and_waits_for_no_listener() {
    support::run(async {
        let lua = r#"local told = {}
return { name = "patient", version = "1.0.0", hooks = {
  ["request.started"] = function(event)
    told[#told + 1] = "started"
    ccproxy.wait("go on", 25)
    told[#told + 1] = "heard"
  end,
  ["provider.request.prepared"] = function() told[#told + 1] = "prepared" end,
}, capabilities = { "kv" }, routes = {
  { path = "/told", handler = function() return { json = ccproxy.json.array(told) } end },
  { method = "POST", path = "/go", handler = function() ccproxy.notify("go on", true) return {} end },
} }"#;
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("patient", lua)).await;
        for _ in 0..3 {
            proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        }
        // Every listener still waits, the first in its turn and the others out of it.
        let told = proxy.anonymous().get("/patient/told").await.expect(200).json();
        assert_eq!(told, json!(["started", "prepared", "started", "prepared", "started", "prepared"]));
    });
}

#[test]
fn the_end_is_told_to_those_who_still_run_and_wakes_nobody() {
    support::run(async {
        let diary = |name: &str| {
            format!(
                r#"local function note(event) ccproxy.file.append("end.txt", event.name .. " " .. (event.plugin or "all") .. "\n") end
return {{ name = {name:?}, version = "1.0.0", capabilities = {{ "files" }},
  hooks = {{ ["app.shutdown"] = note, ["plugin.unloaded"] = note }},
  setup = function() ccproxy.log.info("setup of {name}") end,
  shutdown = function() note {{ name = "shutdown" }} ccproxy.file.flush() end }}"#
            )
        };
        let config = Config::new().script("a_first", &diary("a_first")).script("z_last", &diary("z_last"));
        let config = config.toml("enabled_plugins = [\"a_first\", \"claude_api\", \"mock\", \"z_last\"]");
        let mut proxy = Proxy::start(config).await;
        proxy.terminate();
        assert!(proxy.ended().await.success());
        let told = |name: &str| {
            let file = proxy.home().join(".local/share/ccproxy/plugins").join(name).join("end.txt");
            let text = std::fs::read_to_string(file).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(told("z_last"), ["app.shutdown all", "plugin.unloaded z_last", "shutdown all"]);
        assert_eq!(
            told("a_first"),
            [
                "app.shutdown all",
                "plugin.unloaded z_last",
                "plugin.unloaded mock",
                "plugin.unloaded claude_api",
                "plugin.unloaded a_first",
                "shutdown all"
            ]
        );
        assert_eq!(proxy.log().matches("setup of z_last").count(), 1, "{}", proxy.log());
    });
}
