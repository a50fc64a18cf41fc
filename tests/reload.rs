//! Save a file and the next exchange uses it; a broken file changes nothing; exchanges in flight go on as they began.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use super::support::config::write_script;
use super::support::upstream::{Gate, anthropic};
use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

pub(super) fn body() -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": true })
}

/// A plugin that writes `version` on answers, and on every event of a stream.
pub(super) fn stamp(version: &str) -> String {
    format!(
        r#"return {{ name = "stamp", version = "1.0.0", middleware = {{ {{ layer = 300, body = "write",
  response = function(req, res) res.headers["x-stamp"] = "{version}" end,
  event = function(req, ev) if ev.type == "content_block_delta" then ev.data:set("delta.text", "{version}") return ev end end,
}} }} }}"#
    )
}

#[test]
fn a_saved_file_counts_for_the_next_exchange() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("stamp", &stamp("one"))).await;
        let stamped = async || {
            proxy.client().post("/claude/v1/messages", &body()).await.expect(200).header("x-stamp").to_owned()
        };
        assert_eq!(stamped().await, "one");
        proxy.save("stamp", &stamp("two")).await;
        assert_eq!(stamped().await, "two");
        // New plugins come, removed ones go.
        proxy.save("route", "return { name = \"route\", version = \"1.0.0\", routes = { { path = \"/\", handler = function() return { body = \"new\" } end } } }").await;
        assert_eq!(proxy.anonymous().get("/route/").await.expect(200).text(), "new");
        std::fs::remove_dir_all(proxy.scripts().join("route")).unwrap();
        eventually("the route to go", async || {
            (proxy.anonymous().get("/route/").await.status == 404).then_some(())
        })
        .await;
    });
}

#[test]
fn a_broken_file_keeps_the_old_one_running_and_says_so() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("stamp", &stamp("good"))).await;
        for (broken, part) in [
            (
                "return { name = \"stamp\", version = \"1.0.0\", middleware = { { layer = 300, request = function( } } }",
                "plugin.lua:1",
            ),
            (
                "return { name = \"stamp\", version = \"1.0.0\", setup = function() error(\"bad setup\") end }",
                "bad setup",
            ),
            ("return { name = \"stamp\", version = \"1.0.0\", hoks = {} }", "hooks"),
        ] {
            proxy.save("stamp", broken).await;
            let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
            assert_eq!(answer.header("x-stamp"), "good", "{broken}");
            let status = proxy.status().await.to_string();
            assert!(status.contains(part), "{part}: {status}");
            proxy.logged(part).await;
        }
        proxy.save("stamp", &stamp("mended")).await;
        let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
        assert_eq!(answer.header("x-stamp"), "mended");
    });
}

#[test]
fn exchanges_in_flight_keep_the_generation_they_began_with() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("stamp", &stamp("old"))).await;
        let gate = Gate::default();
        let pieces = anthropic::events("a b c");
        let reply = Reply::stream(&pieces[..4]).gate(&gate);
        upstream.next(pieces[4..].iter().fold(reply, |reply, piece| reply.bytes(piece)));
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", &body().to_string()).await;
        assert!(raw.until("content_block_delta").await);
        proxy.save("stamp", &stamp("new")).await;
        gate.open();
        let answer = raw.answer().await.expect("an answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.whole && text.contains("message_stop"), "{text}");
        assert!(text.contains("\"old\"") && !text.contains("\"new\""), "{text}");
        assert_eq!(proxy.client().post("/claude/v1/messages", &body()).await.header("x-stamp"), "new");
    });
}

#[test]
fn state_is_handed_over() {
    support::run(async {
        let counter = |word: &str| {
            format!(
                r#"local count = 0
return {{ name = "counter", version = "1.0.0", description = "{word}",
  setup = function(plugin, previous) count = previous and previous.count or 0 end,
  snapshot = function() return {{ count = count }} end,
  routes = {{ {{ path = "/", handler = function() count += 1 return {{ json = {{ count = count, word = "{word}" }} }} end }} }} }}"#
            )
        };
        let proxy = Proxy::start(Config::new().script("counter", &counter("one"))).await;
        let count = async || proxy.anonymous().get("/counter/").await.expect(200).json();
        assert_eq!(count().await, json!({ "count": 1, "word": "one" }));
        assert_eq!(count().await["count"], 2);
        proxy.save("counter", &counter("two")).await;
        assert_eq!(count().await, json!({ "count": 3, "word": "two" }));
    });
}

#[test]
fn an_untouched_plugin_is_not_started_again() {
    support::run(async {
        let still = "local n = 0 return { name = \"still\", version = \"1.0.0\", routes = { { path = \"/\", handler = function() n += 1 return { json = n } end } } }";
        let proxy = Proxy::start(Config::new().script("still", still).script("stamp", &stamp("one"))).await;
        assert_eq!(proxy.anonymous().get("/still/").await.json(), 1);
        proxy.save("stamp", &stamp("two")).await;
        assert_eq!(proxy.anonymous().get("/still/").await.json(), 2);
    });
}

#[test]
fn nothing_is_lost_under_load() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("stamp", &stamp("v0"))).await;
        let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut load = Vec::new();
        for _ in 0..8 {
            let (client, over, served) = (proxy.client(), over.clone(), served.clone());
            load.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = client.post("/claude/v1/messages", &body()).await.expect(200);
                    assert!(answer.whole && answer.text().contains("message_stop"));
                    let stamp = answer.header("x-stamp").to_owned();
                    let text = answer.text();
                    assert!(
                        text.contains(&format!("\"text\":\"{stamp}\"")),
                        "one exchange saw two generations: {stamp} {text}"
                    );
                    served.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for round in 1..=12 {
            write_script(
                &proxy.scripts(),
                "stamp",
                &if round % 4 == 0 { "broken".to_owned() } else { stamp(&format!("v{round}")) },
            );
            let before = served.load(Ordering::Relaxed);
            eventually("the load to go on", async || {
                (served.load(Ordering::Relaxed) > before + 20).then_some(())
            })
            .await;
        }
        write_script(&proxy.scripts(), "stamp", &stamp("last"));
        eventually("the last version", async || {
            (proxy.client().post("/claude/v1/messages", &body()).await.header("x-stamp") == "last")
                .then_some(())
        })
        .await;
        over.store(true, Ordering::Relaxed);
        for task in load {
            // The log says which handler failed, and how.
            task.await.unwrap_or_else(|lost| panic!("{lost}\n{}", proxy.log()));
        }
    });
}
