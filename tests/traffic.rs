//! What the proxy counts: exchanges, tokens, and what the handlers of plugins cost.

use serde_json::{Value, json};

use super::support::proxy::cli;
use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream};

const SLOW: &str = r#"
local seen = 0
return {
  name = "costly",
  version = "1.0.0",
  middleware = {
    {
      name = "watch",
      layer = "observability",
      body = "read",
      request = function(req)
        seen = seen + 1
        if req.headers["x-fail"] then
          error("as told")
        end
      end,
      event = function() end,
    },
  },
  tasks = { { name = "sweep", every = "1h", run = function() end } },
  routes = { { path = "/seen", handler = function() return { json = { seen = seen } } end } },
}
"#;

fn ask(stream: bool) -> Value {
    json!({ "model": "m", "max_tokens": 5, "stream": stream, "messages": [{ "role": "user", "content": "hi" }] })
}

#[test]
fn exchanges_are_counted_and_listed_while_someone_looks() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        // Nobody looks yet: what is in flight is counted, and not listed.
        let first = proxy.client().get("/traffic").await.expect(200).json();
        assert_eq!((&first["in_flight"], &first["started"]), (&json!(0), &json!(0)), "{first}");
        upstream.next(Reply::stream(&anthropic::events("stay")[..3]).stall());
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", &ask(true).to_string()).await;
        assert!(raw.until("content_block_start").await);
        let busy = proxy.client().get("/traffic").await.expect(200).json();
        assert_eq!(busy["in_flight"], 1, "{busy}");
        let one = &busy["exchanges"][0];
        assert_eq!(
            (&one["provider"], &one["model"], &one["stream"]),
            (&json!("claude_api"), &json!("m"), &json!(true))
        );
        assert!(one["response_bytes"].as_u64().unwrap() > 0 && one["status"] == 200, "{one}");
        drop(raw);
        proxy.logged("left").await;
        // A whole answer's tokens are read while someone looks.
        upstream.next(Reply::json(200, &anthropic::message("done")));
        proxy.client().post("/claude/v1/messages", &ask(false)).await.expect(200);
        let after = proxy.client().get("/traffic").await.expect(200).json();
        assert_eq!(
            (&after["in_flight"], &after["started"], &after["failed"]),
            (&json!(0), &json!(2), &json!(1)),
            "{after}"
        );
        assert!(after["tokens"]["output"].as_u64().unwrap() > 0, "{after}");
        assert_eq!(after["exchanges"], json!([]));
        assert_eq!(after["statuses"]["2xx"], 2);
        proxy.stop().await;
    });
}

#[test]
fn what_handlers_cost_is_told_everywhere() {
    support::run(async {
        let config = Config::new().script("costly", SLOW);
        let proxy = Proxy::start(config).await;
        for _ in 0..5 {
            proxy.client().post("/mock/v1/messages", &ask(true)).await.expect(200);
        }
        let client = proxy.client();
        let failing = client.request(
            http::Method::POST,
            "/mock/v1/messages",
            &[("content-type", "application/json"), ("x-fail", "1")],
            ask(false).to_string().into(),
        );
        failing.await.expect(200);
        proxy.client().get("/costly/seen").await.expect(200);
        let stats = proxy.plugin("costly").await["stats"].clone();
        let handler = |name: &str| {
            let list = stats["handlers"].as_array().unwrap();
            list.iter()
                .find(|one| one["handler"] == name)
                .unwrap_or_else(|| panic!("no `{name}` in {stats}"))
                .clone()
        };
        let request = handler("watch.request");
        assert_eq!((&request["calls"], &request["errors"]), (&json!(6), &json!(1)));
        let micros = |one: &Value, key: &str| one[key].as_f64().unwrap();
        assert!(micros(&request, "p50_us") > 0.0 && micros(&request, "p99_us") >= micros(&request, "p50_us"));
        assert!(micros(&request, "max_us") >= micros(&request, "p99_us"));
        assert!(handler("watch.event")["calls"].as_u64().unwrap() >= 25);
        assert_eq!(handler("route GET /costly/seen")["calls"], 1);
        assert_eq!(stats["strikes"], 1);

        let page = proxy.client().get("/metrics").await.expect(200);
        assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
        let text = page.text();
        for line in [
            "ccproxy_exchanges_started_total 6",
            "ccproxy_exchanges_total{status=\"2xx\"} 6",
            "ccproxy_handler_calls_total{plugin=\"costly\",handler=\"watch.request\"} 6",
            "ccproxy_handler_errors_total{plugin=\"costly\",handler=\"watch.request\"} 1",
            "ccproxy_plugin_up{plugin=\"costly\"} 1",
            "# TYPE ccproxy_handler_calls_total counter",
        ] {
            assert!(text.lines().any(|known| known == line), "no `{line}` in\n{text}");
        }
        let sample = |line: &&str| !line.starts_with('#');
        for line in text.lines().filter(sample) {
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }

        let url = format!("http://{}", proxy.address());
        let top = ["top", "--once", "--every", "100ms", "--url", &url];
        let (code, out, errors) = cli(Config::new(), &top).await;
        assert_eq!(code, 0, "{errors}");
        assert!(out.contains("handlers of costly") && out.contains("watch.request"), "{out}");
        let (code, out, errors) = cli(Config::new(), &[&top[..], &["--json"]].concat()).await;
        assert_eq!(code, 0, "{errors}");
        let told: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(told["traffic"]["started"], 6, "{told}");
        proxy.stop().await;
    });
}
