//! Attacks through real sockets: next to clean traffic, on streams, on the log. Each attack alone is in
//! `lua-api/src/tests/hostile`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream, eventually, sse};

fn body(model: &str, stream: bool) -> Value {
    json!({ "model": model, "max_tokens": 1, "messages": [{ "role": "user", "content": "hi" }], "stream": stream })
}

/// What each hostile plugin does with an exchange whose model names it.
const ATTACKS: &[&str] = &[
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "coroutine.wrap(function() while true do end end)()",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "local function f() return f() + 1 end f()",
    "return ('a'):rep(40000):find(('a-'):rep(30) .. 'b')",
    "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "error(('m'):rep(3e6))",
    "req.headers['x'] = 'a\\r\\nb: c'",
    "local t = {} t.t = t return { json = t }",
    "for i = 1, 1e6 do ccproxy.log.error('flood ' .. i) end",
    "ccproxy.time.sleep(3600)",
    "kept = kept or {} kept[#kept + 1] = req kept[1].headers['x-canary'] = kept[1].path error('kept')",
    "return 42",
];

/// Whether the plugin of this number stands in a layer whose failures refuse the exchange.
fn closes(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// Row 46: hundreds of attacks at once; every clean exchange succeeds, and the process lives.
#[test]
fn attacks_at_once_harm_no_clean_exchange() {
    support::run(async {
        let upstream = Upstream::start().await;
        let mut config = Config::new()
            .upstream(&upstream)
            .toml("lua.cpu = \"10ms\"")
            .toml("lua.wall = \"2s\"")
            .toml("lua.memory = \"8MiB\"");
        for (number, attack) in ATTACKS.iter().enumerate() {
            let (layer, name) = (if closes(number) { 100 } else { 200 }, format!("attack{number}"));
            let lua = format!(
                r#"return {{ name = "{name}", version = "1.0.0", middleware = {{ {{ layer = {layer},
                when = {{ models = {{ "{name}" }} }}, body = "write", request = function(req) {attack} end }} }} }}"#
            );
            config = config.script(&name, &lua);
        }
        let clean = r#"return { name = "clean", version = "1.0.0", middleware = { { layer = 300,
            response = function(req, res) res.headers["x-clean"] = req.model end }} }"#;
        let proxy = Proxy::start(config.script("clean", clean)).await;

        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let traffic: Vec<_> = (0..4)
            .map(|_| {
                let (client, over, served) = (proxy.client(), over.clone(), served.clone());
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        let answer = client.post("/claude/v1/messages", &body("m", true)).await.expect(200);
                        assert!(answer.whole && answer.text().contains("message_stop"));
                        assert_eq!(answer.header("x-clean"), "m");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let attacks: Vec<_> = (0..450)
            .map(|turn| {
                let client = proxy.client();
                tokio::spawn(async move {
                    let number = turn % ATTACKS.len();
                    let name = format!("attack{number}");
                    let answer = client.post("/claude/v1/messages", &body(&name, false)).await;
                    // The outer ones fail closed, the others open.
                    let expected = if closes(number) { 503 } else { 200 };
                    assert_eq!(answer.status, expected, "{name}: {}", answer.text());
                    assert!(!answer.text().contains("plugin.lua"), "{}", answer.text());
                })
            })
            .collect();
        for attack in attacks {
            attack.await.unwrap();
        }
        eventually("clean exchanges after the attacks", async || {
            (served.load(Ordering::Relaxed) > 40).then_some(())
        })
        .await;
        over.store(true, Ordering::Relaxed);
        for task in traffic {
            task.await.unwrap();
        }
        for (number, attack) in ATTACKS.iter().enumerate() {
            let plugin = proxy.plugin(&format!("attack{number}")).await;
            assert!(plugin["stats"]["errors"].as_u64().unwrap() >= 20, "{attack}");
            assert_ne!(plugin["stats"]["breaker"], "closed", "{attack}");
        }
        assert_eq!(proxy.plugin("clean").await["stats"]["errors"], 0);
        let log = proxy.stop().await;
        assert!(!log.contains("panicked"), "{log}");
    });
}

/// Row 30: a flood is cut to the rate, each line is one line, and names its plugin.
#[test]
fn a_flood_of_log_lines_is_cut_escaped_and_attributed() {
    support::run(async {
        let lua = r#"return { name = "loud", version = "1.0.0", routes = { { path = "/", handler = function()
            for i = 1, 20000 do
              ccproxy.log.error("flood\n{\"level\":\"ERROR\",\"forged\":1}\27[31m\r" .. i, { text = "a\nb" })
            end
            return { body = "done" }
          end } } }"#;
        let config =
            Config::new().script("loud", lua).toml("lua.cpu = \"20s\"").toml("logging.format = \"json\"");
        let proxy = Proxy::start(config).await;
        let began = std::time::Instant::now();
        proxy.anonymous().get("/loud/").await.expect(200);
        let seconds = began.elapsed().as_secs() as usize + 1;
        proxy.logged("flood").await;
        let log = proxy.stop().await;
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("flood")).collect();
        assert!((1..=100 + 100 * seconds).contains(&lines.len()), "{} lines in {seconds} s", lines.len());
        for line in lines {
            let entry: Value = serde_json::from_str(line).expect(line);
            assert!(
                entry.to_string().contains("loud") && !entry.to_string().contains("\"forged\":1"),
                "{line}"
            );
            assert!(!line.contains('\u{1b}'), "{line}");
        }
    });
}

/// What a plugin may do to a stream, and whether it stays a stream that a client may believe.
const VANDALS: &[(&str, &str, bool)] = &[
    ("event", "if it.type == 'message_stop' then return ccproxy.DROP end", false),
    ("event", "if it.type == 'message_delta' then return ccproxy.DROP end", false),
    ("event", "if it.type == 'content_block_start' then return ccproxy.DROP end", false),
    ("event", "if it.type == 'content_block_stop' then return ccproxy.DROP end", false),
    ("event", "if it.type == 'message_stop' then return { it, it } end", false),
    ("event", "if it.type == 'content_block_delta' then it.data:set('index', 7) end", false),
    (
        "event",
        "if it.type == 'content_block_delta' then return { event = 'message_stop', data = { type = 'message_stop' } } end",
        false,
    ),
    (
        "event",
        "if it.type == 'content_block_delta' then return { event = 'content_block_delta', data = 'half' } end",
        false,
    ),
    ("event", "return {}", false),
    ("chunk", "return (it:gsub('event: message_stop.*', ''))", false),
    ("chunk", "return (it:gsub('event: message_stop.*', 'event: message_st'))", false),
    ("chunk", "return (it:gsub('event: message_stop.*', '%1%1'))", false),
    ("chunk", "return ccproxy.DROP", false),
    ("chunk", "return (it:gsub('content_block_start', 'content_block_strat'))", false),
    // These are edits as they should be.
    ("event", "if it.type == 'content_block_delta' then return ccproxy.DROP end", true),
    ("event", "if it.text then it.text = it.text:upper() end", true),
    ("event", "return { it, { event = 'ping', data = { type = 'ping' } } }", false),
    ("chunk", "return (it:gsub('upstream', 'UPSTREAM'))", true),
];

/// Row 35: one grammar, one terminal event. What a plugin breaks never looks finished.
#[test]
fn a_stream_that_a_plugin_broke_never_looks_finished() {
    support::run(async {
        for (moment, code, legal) in VANDALS {
            let lua = format!(
                r#"return {{ name = "vandal", version = "1.0.0", middleware = {{ {{ layer = "transformation",
                body = "write", {moment} = function(req, it) {code} end }} }} }}"#
            );
            let upstream = Upstream::start().await;
            let proxy = Proxy::start(Config::new().upstream(&upstream).script("vandal", &lua)).await;
            upstream.next(Reply::stream(anthropic::events("Hello from upstream")));
            let answer = proxy.client().post("/claude/v1/messages", &body("m", true)).await.expect(200);
            let names = sse::names(&answer.body);
            let ends = |name: &str| names.iter().filter(|given| *given == name).count();
            if *legal {
                assert!(
                    answer.whole && ends("message_stop") == 1 && ends("error") == 0,
                    "{code}: {}",
                    answer.text()
                );
                continue;
            }
            assert!(ends("error") == 1 || !answer.whole, "{code}: {}", answer.text());
            assert!(ends("message_stop") + ends("error") <= 1, "{code}: {}", answer.text());
            let line = proxy.logged("vandal").await;
            assert!(line.contains("vandal"), "{line}");
        }
    });
}
