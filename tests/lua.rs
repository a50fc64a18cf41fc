//! System plugins on the way of real exchanges: moments, order, early answers, streams, routes, services.

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream, eventually, sse};

fn body(stream: bool) -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [{ "role": "user", "content": "hi" }], "stream": stream })
}

/// A plugin that writes its name into `x-trace` on the way down and up.
fn tracer(name: &str, layer: &str, priority: i32) -> String {
    format!(
        r#"return {{ name = "{name}", version = "1.0.0",
  middleware = {{ {{ layer = {layer}, priority = {priority},
    request = function(req) req.headers["x-trace"] = (req.headers["x-trace"] or "") .. "{name}>" end,
    response = function(req, res) res.headers["x-trace"] = (res.headers["x-trace"] or "") .. "<{name}" end,
  }} }} }}"#
    )
}

async fn house(scripts: &[(&str, &str)]) -> (Upstream, Proxy) {
    let upstream = Upstream::start().await;
    let config = scripts
        .iter()
        .fold(Config::new().upstream(&upstream), |config, (name, lua)| config.script(name, lua));
    let proxy = Proxy::start(config).await;
    for (name, _) in scripts {
        let plugin = proxy.plugin(name).await;
        assert_eq!(plugin["state"], "active", "{name}: {}", plugin["reason"]);
    }
    (upstream, proxy)
}

#[test]
fn layers_and_priorities_decide_the_order_down_and_up() {
    support::run(async {
        let scripts = [
            ("app", tracer("app", "\"application\"", 0)),
            ("guard", tracer("guard", "\"security\"", 0)),
            ("late", tracer("late", "\"observability\"", 10)),
            ("early", tracer("early", "\"observability\"", -10)),
            ("number", tracer("number", "350", 0)),
            ("alike_b", tracer("alike_b", "400", 0)),
            ("alike_a", tracer("alike_a", "400", 0)),
        ];
        let scripts: Vec<(&str, &str)> = scripts.iter().map(|(name, lua)| (*name, lua.as_str())).collect();
        let (upstream, proxy) = house(&scripts).await;
        for stream in [false, true] {
            let answer = proxy.client().post("/claude/v1/messages", &body(stream)).await.expect(200);
            assert_eq!(answer.header("x-trace"), "<app<alike_b<alike_a<number<late<early<guard");
        }
        let down = upstream.request(0).await.header("x-trace").unwrap();
        assert_eq!(down, "guard>early>late>number>alike_a>alike_b>app>");
    });
}

#[test]
fn an_early_answer_goes_back_up_through_the_layers_it_passed() {
    support::run(async {
        let answerer = r#"return { name = "answerer", version = "1.0.0",
          middleware = { { layer = "transformation", request = function(req)
            if req.headers["x-answer"] then return { status = 418, json = { early = true }, headers = { ["x-by"] = "answerer" } } end
            if req.headers["x-refuse"] then return ccproxy.error(429, "rate_limit_error", "too many", { ["retry-after"] = "9" }) end
            if req.headers["x-raise"] then error(ccproxy.error(403, "permission_error", "not you")) end
          end } } }"#;
        let (outer, inner) = (tracer("outer", "\"security\"", 0), tracer("inner", "\"application\"", 0));
        let (upstream, proxy) = house(&[("answerer", answerer), ("outer", &outer), ("inner", &inner)]).await;
        let ask = async |header: &str| {
            proxy.client().header(header, "1").post("/claude/v1/messages", &body(false)).await
        };
        let answer = ask("x-answer").await.expect(418);
        assert_eq!(answer.json(), json!({ "early": true }));
        assert_eq!(answer.header("x-by"), "answerer");
        assert_eq!(answer.header("x-trace"), "<outer");
        let refusal = ask("x-refuse").await.expect(429);
        assert_eq!(refusal.header("retry-after"), "9");
        assert_eq!(refusal.json()["type"], "error");
        assert_eq!(refusal.json()["error"]["message"], "too many");
        assert_eq!(refusal.header("x-trace"), "<outer");
        assert_eq!(ask("x-raise").await.expect(403).json()["error"]["type"], "permission_error");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn the_body_is_a_document_whose_untouched_bytes_stay() {
    support::run(async {
        let lua = r#"return { name = "editor", version = "1.0.0",
          middleware = { { layer = "transformation", body = "write", request = function(req)
            assert(req.body:get("messages[1].content") == "hi")
            assert(req.body:len("messages") == 1)
            req.body:set("max_tokens", 99)
            req.body:delete("drop.me")
            req.body:append("messages", { role = "user", content = "more" })
            req.headers["x-model"] = req.model
            req.model = "other"
          end } } }"#;
        let (upstream, proxy) = house(&[("editor", lua)]).await;
        let sent = "{ \"model\":\"m\",  \"max_tokens\": 1, \"drop\":{\"me\":1,\"keep\":1.10},\n \"tools\":[], \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}] }";
        proxy.client().post_bytes("/claude/v1/messages", sent).await.expect(200);
        let seen = upstream.request(0).await;
        let text = String::from_utf8(seen.body.clone()).unwrap();
        assert!(text.starts_with("{ \"model\":\"other\",  \"max_tokens\": 99, \"drop\":{"), "{text}");
        assert!(text.contains("\"keep\":1.10") && text.contains("\n \"tools\":[], "), "{text}");
        assert!(!text.contains("\"me\""), "{text}");
        assert_eq!(seen.json()["messages"][1], json!({ "role": "user", "content": "more" }));
        assert_eq!(seen.header("x-model").as_deref(), Some("m"));
        assert_eq!(seen.header("content-length"), Some(text.len().to_string()));
    });
}

#[test]
fn bodies_need_permission() {
    support::run(async {
        let lua = r#"return { name = "nosy", version = "1.0.0",
          middleware = { { layer = "observability", request = function(req) req.headers["x-ok"] = tostring(pcall(function() return req.body:get("model") end)) end } } }"#;
        let (upstream, proxy) = house(&[("nosy", lua)]).await;
        proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        assert_eq!(upstream.request(0).await.header("x-ok").as_deref(), Some("false"));
    });
}

#[test]
fn credentials_and_framing_are_out_of_reach() {
    support::run(async {
        let lua = r#"return { name = "thief", version = "1.0.0",
          middleware = { { layer = "application", request = function(req)
            local seen = {}
            for name, value in req.headers do seen[#seen + 1] = name .. "=" .. value end
            for _, name in { "x-api-key", "authorization", "cookie", "host", "content-length", "transfer-encoding", "connection" } do
              if name ~= "host" and name ~= "content-length" then assert(req.headers[name] == nil or name == "connection", name) end
              pcall(function() req.headers[name] = "evil" end)
            end
            for _, bad in { "a\r\nx-evil: 1", "a\nb", "a\0b" } do assert(not pcall(function() req.headers["x-inject"] = bad end)) end
            return { json = { seen = table.concat(seen, ";") } }
          end } } }"#;
        let (_upstream, proxy) = house(&[("thief", lua)]).await;
        let client = proxy.client().header("authorization", "Bearer sk-canary").header("cookie", "sk-canary");
        let answer = client.post("/claude/v1/messages", &body(false)).await.expect(200);
        assert!(
            !answer.text().contains("sk-canary") && !answer.text().contains("sk-test"),
            "{}",
            answer.text()
        );
    });
}

#[test]
fn events_can_be_changed_dropped_and_expanded() {
    support::run(async {
        let lua = r#"return { name = "stream_editor", version = "1.0.0",
          middleware = { { layer = "transformation", body = "write", event = function(req, ev)
            if ev.type == "ping" then return ccproxy.DROP end
            if ev.type == "content_block_delta" and ev.data:get("delta.type") == "text_delta" then
              local text = ev.data:get("delta.text")
              if text == "two " then
                return { ev, { event = "content_block_delta", data = { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = "and a half " } } } }
              end
              ev.data:set("delta.text", string.upper(text))
              return ev
            end
          end } } }"#;
        let (upstream, proxy) = house(&[("stream_editor", lua)]).await;
        let sent = anthropic::events("one two three");
        upstream.next(Reply::stream(sent.concat().as_bytes().chunks(11)));
        let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
        let text: Vec<Value> = sse::data(&answer.body)
            .into_iter()
            .map(|data| data["delta"]["text"].clone())
            .filter(Value::is_string)
            .collect();
        assert_eq!(text, ["ONE ", "two ", "and a half ", "THREE"]);
        let names = sse::names(&answer.body);
        assert!(!names.contains(&"ping".to_owned()));
        assert_eq!(names.iter().filter(|name| *name == "message_stop").count(), 1);
        assert!(answer.text().starts_with(&sent[0]), "what is not touched keeps its bytes");
    });
}

#[test]
fn what_plugins_emit_is_held_to_the_grammar() {
    support::run(async {
        let lua = r#"return { name = "vandal", version = "1.0.0",
          middleware = { { layer = "transformation", body = "write", on_error = "closed", event = function(req, ev)
            if ev.type == "message_stop" then return ccproxy.DROP end
          end } } }"#;
        let (upstream, proxy) = house(&[("vandal", lua)]).await;
        upstream.next(Reply::stream(anthropic::events("x")));
        let answer = proxy.client().post("/claude/v1/messages", &body(true)).await;
        let text = answer.text();
        assert!(!answer.whole || text.contains("event: error") || text.contains("message_stop"), "{text}");
    });
}

#[test]
fn chunks_are_the_raw_bytes_of_an_answer() {
    support::run(async {
        let lua = r#"return { name = "bytes", version = "1.0.0",
          middleware = { { layer = "observability", body = "write", chunk = function(req, bytes) return (string.gsub(bytes, "Hello", "HELLO")) end } } }"#;
        let (upstream, proxy) = house(&[("bytes", lua)]).await;
        upstream.next(Reply::json(200, &anthropic::message("Hello there")));
        let answer = proxy.client().post("/claude/v1/messages", &body(false)).await.expect(200);
        assert_eq!(answer.json()["content"][0]["text"], "HELLO there");
    });
}

#[test]
fn around_can_try_again() {
    support::run(async {
        let lua = r#"return { name = "retry", version = "1.0.0",
          middleware = { { layer = "routing", around = function(req, next)
            local res = next()
            for try = 1, 3 do
              if res and res.status ~= 529 then break end
              ccproxy.time.sleep(0.01)
              res = next()
            end
            if res then res.headers["x-tried"] = "yes" end
            return res
          end } } }"#;
        let (upstream, proxy) = house(&[("retry", lua)]).await;
        upstream.next(Reply::json(529, &anthropic::error("overloaded_error", "1")));
        upstream.next(Reply::json(529, &anthropic::error("overloaded_error", "2")));
        let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
        assert_eq!(answer.text(), anthropic::events("Hello from upstream").concat());
        assert_eq!(answer.header("x-tried"), "yes");
        assert_eq!(upstream.requests().len(), 3);
        for seen in upstream.requests() {
            assert_eq!(seen.json(), body(true));
        }
    });
}

#[test]
fn conditions_decide_who_is_asked() {
    support::run(async {
        let lua = r#"local function mark(name) return function(req, res) res.headers["x-" .. name] = "1" end end
return { name = "picky", version = "1.0.0", middleware = {
    { layer = 200, when = { models = { "claude-*" } }, response = mark("claude") },
    { layer = 200, when = { stream = true }, response = mark("stream") },
    { layer = 200, when = { providers = { "claude_api" }, status = { "4xx" } }, response = mark("refused") },
    { layer = 200, when = { paths = { "/claude/v1/messages/*" } }, response = mark("counted") },
    { layer = 200, when = { formats = { "openai_chat" } }, response = mark("chat") },
  } }"#;
        let (upstream, proxy) = house(&[("picky", lua)]).await;
        let marks = async |target: &str, body: Value| {
            let answer = proxy.client().post(target, &body).await;
            let mut marks: Vec<String> = ["claude", "stream", "refused", "counted", "chat"]
                .into_iter()
                .filter(|name| answer.header(&format!("x-{name}")) == "1")
                .map(str::to_owned)
                .collect();
            marks.sort();
            marks
        };
        let mut claude = body(false);
        claude["model"] = "claude-opus-5-5".into();
        assert_eq!(marks("/claude/v1/messages", claude).await, ["claude"]);
        assert_eq!(marks("/claude/v1/messages", body(true)).await, ["stream"]);
        assert_eq!(marks("/claude/v1/messages/count_tokens", body(false)).await, ["counted"]);
        assert_eq!(marks("/mock/v1/chat/completions", body(false)).await, ["chat"]);
        upstream.next(Reply::json(404, &anthropic::error("not_found_error", "x")));
        assert_eq!(marks("/claude/v1/messages", body(false)).await, ["refused"]);
    });
}

#[test]
fn routes_answer_json_text_and_streams() {
    support::run(async {
        let lua = r#"return { name = "routes", version = "1.0.0", routes = {
    { path = "/of/{team}", handler = function(req, plugin) return { json = { team = req.params.team, query = req.query.x, by = plugin.name } } end },
    { method = "POST", path = "/echo", handler = function(req) return { status = 201, headers = { ["x-y"] = "z" }, json = { got = req.body:get("value"), list = {} } } end },
    { path = "/count", handler = function() return { sse = function(stream)
        for n = 1, 3 do stream:send({ event = "tick", data = { n = n } }); ccproxy.time.sleep(0.01) end
      end } end },
    { path = "/oops", handler = function() error("secret words") end },
  } }"#;
        let (_upstream, proxy) = house(&[("routes", lua)]).await;
        let client = proxy.anonymous();
        let team = client.get("/routes/of/blue%20sky?x=1").await.expect(200).json();
        assert_eq!(team, json!({ "team": "blue sky", "query": "1", "by": "routes" }));
        let echo = client.post("/routes/echo", &json!({ "value": [1, 2] })).await.expect(201);
        assert_eq!(echo.json()["got"], json!([1, 2]));
        assert_eq!(echo.header("x-y"), "z");
        let count = client.get("/routes/count").await.expect(200);
        assert_eq!(count.header("content-type"), "text/event-stream");
        assert_eq!(sse::data(&count.body), [json!({ "n": 1 }), json!({ "n": 2 }), json!({ "n": 3 })]);
        let oops = client.get("/routes/oops").await;
        assert!(oops.status.is_server_error() && !oops.text().contains("secret words"), "{}", oops.text());
        let line = proxy.logged("secret words").await;
        assert!(line.contains("routes") && line.contains("plugin.lua:"), "{line}");
        client.get("/routes/nothing").await.expect(404);
        client.get("/routes/echo").await.expect(405);
    });
}

#[test]
fn plugins_call_each_other_s_services_with_plain_data() {
    support::run(async {
        let prices = r#"return { name = "prices", version = "1.0.0",
          services = { pricing = { of = function(model, tokens) return { model = model, cost = tokens * 2 } end, fail = function() error("no price") end } } }"#;
        let shop = r#"return { name = "shop", version = "1.0.0", requires = { "pricing" },
          routes = { { path = "/buy", handler = function()
            local answer, err = ccproxy.services.call("pricing", "of", "opus", 21)
            local none, why = ccproxy.services.call("pricing", "fail")
            return { json = { answer = answer, why = tostring(why), has = ccproxy.services.has("pricing"), hasnt = ccproxy.services.has("x") } }
          end } } }"#;
        let (_upstream, proxy) = house(&[("prices", prices), ("shop", shop)]).await;
        let bought = proxy.anonymous().get("/shop/buy").await.expect(200).json();
        assert_eq!(bought["answer"], json!({ "model": "opus", "cost": 42 }));
        assert_eq!((&bought["has"], &bought["hasnt"]), (&json!(true), &json!(false)));
        assert!(bought["why"].as_str().is_some_and(|why| why != "nil"), "{bought}");
    });
}

#[test]
fn tasks_run_by_themselves() {
    support::run(async {
        let lua = r#"local runs = 0
return { name = "ticker", version = "1.0.0",
  tasks = { { name = "tick", every = "1s", at_start = true, run = function() runs += 1; if runs == 1 then error("first fails") end end } },
  routes = { { path = "/runs", handler = function() return { json = runs } end } } }"#;
        let (_upstream, proxy) = house(&[("ticker", lua)]).await;
        eventually("a second run after the first failed", async || {
            let runs = proxy.anonymous().get("/ticker/runs").await.expect(200).json().as_u64().unwrap();
            (runs >= 2).then_some(())
        })
        .await;
    });
}

#[test]
fn signals_join_a_waiting_exchange_and_a_route() {
    support::run(async {
        let lua = r#"return { name = "permits", version = "1.0.0",
  middleware = { { layer = "security", when = { routes = { "provider" } }, request = function(req)
    local verdict = ccproxy.wait("permit", 5)
    if verdict ~= "yes" then return ccproxy.error(403, "permission_error", "not permitted") end
  end } },
  routes = { { method = "POST", path = "/{verdict}", handler = function(req) return { json = { woken = ccproxy.notify("permit", req.params.verdict) } } end } } }"#;
        let (_upstream, proxy) = house(&[("permits", lua)]).await;
        for (verdict, status) in [("yes", 200), ("no", 403)] {
            let client = proxy.client();
            // Whichever comes first: a notification is kept for who waits next.
            let waiting = tokio::spawn(async move { client.post("/claude/v1/messages", &body(false)).await });
            proxy.anonymous().post(&format!("/permits/{verdict}"), &json!({})).await.expect(200);
            waiting.await.unwrap().expect(status);
        }
    });
}

#[test]
fn a_plugin_that_misbehaves_harms_only_itself() {
    support::run(async {
        let hostile = |on_error: &str, code: &str| {
            format!(
                r#"return {{ name = "hostile", version = "1.0.0", middleware = {{ {{ layer = "observability", on_error = "{on_error}", when = {{ providers = {{ "claude_api" }} }}, request = function(req) {code} end }} }} }}"#
            )
        };
        for code in [
            "error('thrown')",
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "local t = {} while true do t[#t + 1] = string.rep('x', 1e6) .. #t end",
            "return 42",
            "return { status = 9999 }",
            "local function f() return f() + 1 end f()",
        ] {
            for (on_error, expected) in [("open", 200), ("closed", 503)] {
                let lua = hostile(on_error, code);
                let (_upstream, proxy) = house(&[("hostile", &lua)]).await;
                let answer = proxy.client().post("/claude/v1/messages", &body(false)).await;
                assert_eq!(answer.status, expected, "{on_error}: {code}: {}", answer.text());
                assert!(!answer.text().contains("plugin.lua"), "{}", answer.text());
                proxy.anonymous().post("/mock/v1/messages", &body(false)).await.expect(200);
                let line = proxy.logged("hostile").await;
                assert!(line.contains("plugin.lua:1") || line.contains("request"), "{line}");
            }
        }
    });
}
