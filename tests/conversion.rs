//! Clients of OpenAI's formats on the Claude API, over real sockets.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::support::upstream::{Gate, anthropic};
use super::support::{self, Config, Proxy, Reply, Upstream, sse};

fn chat(stream: bool) -> Value {
    json!({
        "model": "claude-sonnet-4-5", "stream": stream, "stream_options": { "include_usage": true }, "seed": 7,
        "messages": [{ "role": "system", "content": "be terse" }, { "role": "user", "content": "hi" }],
    })
}

fn responses(stream: bool) -> Value {
    json!({ "model": "claude-sonnet-4-5", "stream": stream, "instructions": "be terse", "input": "hi" })
}

const CHAT: &str = "/claude/v1/chat/completions";
const RESPONSES: &str = "/claude/v1/responses";

#[test]
fn a_whole_answer_in_each_format() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let answer = proxy.client().post(CHAT, &chat(false)).await.expect(200);
        let body = answer.json();
        assert_eq!(body["choices"][0]["message"]["content"], "Hello from upstream");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        assert_eq!(body["model"], "claude-sonnet-4-5", "the name that was asked for");
        assert_eq!(body["usage"]["prompt_tokens"], 11);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-ccproxy-loss"), "seed");
        assert_eq!(answer.header("x-request-id"), "req_upstream_1");
        assert_eq!(answer.header("anthropic-ratelimit-unified-status"), "allowed");

        let seen = upstream.request(0).await;
        assert_eq!(seen.target(), "/v1/messages");
        assert_eq!(seen.header("anthropic-version").as_deref(), Some("2023-06-01"));
        assert_eq!(seen.header("accept-encoding").as_deref(), Some("identity"));
        assert_eq!(
            seen.header("content-length").and_then(|length| length.parse().ok()),
            Some(seen.body.len())
        );
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(asked["system"][0]["text"], "be terse");
        assert_eq!(asked["messages"][0]["content"][0]["text"], "hi");

        let answer = proxy.client().post(RESPONSES, &responses(false)).await.expect(200);
        let body = answer.json();
        assert_eq!(body["output"][0]["content"][0]["text"], "Hello from upstream");
        assert_eq!(body["status"], "completed");
        assert_eq!(body["instructions"], "be terse");
        assert_eq!(body["usage"]["total_tokens"], 18);
        assert_eq!(answer.header("x-ccproxy-loss"), "");
    });
}

#[test]
fn a_stream_in_each_format() {
    support::run(async {
        let upstream = Upstream::with(|_| Reply::stream(anthropic::tool_events())).await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let answer = proxy.client().post(CHAT, &chat(true)).await.expect(200);
        assert!(answer.whole && answer.header("content-type").starts_with("text/event-stream"));
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        let chunks = sse::data(&answer.body);
        let of = |path: &str| -> String {
            let values = chunks.iter().filter_map(|chunk| chunk.pointer(path)?.as_str());
            values.collect()
        };
        assert_eq!(of("/choices/0/delta/content"), "I look – ünïcödé 🦀");
        assert_eq!(of("/choices/0/delta/reasoning_content"), "Where is the file? – in /etc");
        assert_eq!(of("/choices/0/delta/tool_calls/0/function/arguments"), "{\"file_path\": \"/etc/hosts\"}");
        assert_eq!(of("/choices/0/delta/tool_calls/0/function/name"), "Read");
        assert_eq!(of("/choices/0/finish_reason"), "tool_calls");
        assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
        assert!(chunks.last().unwrap()["usage"]["prompt_tokens"].as_u64().unwrap() > 0);

        let answer = proxy.client().post(RESPONSES, &responses(true)).await.expect(200);
        let events = sse::data(&answer.body);
        let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.completed");
        let output = last["response"]["output"].as_array().unwrap();
        let kinds: Vec<_> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["reasoning", "message", "function_call"]);
        assert_eq!(output[0]["encrypted_content"], "ccproxy.anthropic.EqQBCgIYAhIkYm9ndXM=");
        assert_eq!(output[2]["arguments"], "{\"file_path\": \"/etc/hosts\"}");
    });
}

#[test]
fn deltas_arrive_as_they_come() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for (path, body, first, last) in [
            (CHAT, chat(true), "\"content\":\"Hello", "[DONE]"),
            (RESPONSES, responses(true), "\"delta\":\"Hello", "response.completed"),
        ] {
            let gate = Gate::default();
            let events = anthropic::events("Hello there");
            let (before, after) = events.split_at(4);
            let reply = Reply::stream([before.concat()]).gate(&gate).bytes(after.concat());
            upstream.next(reply);
            let mut raw = proxy.raw().await;
            raw.post(path, &body.to_string()).await;
            assert!(raw.until(first).await, "{path}");
            gate.open();
            assert!(raw.until(last).await, "{path}");
        }
    });
}

#[test]
fn errors_keep_their_status_and_their_headers() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for (status, kind, openai) in [
            (400, "invalid_request_error", "invalid_request_error"),
            (401, "authentication_error", "authentication_error"),
            (429, "rate_limit_error", "rate_limit_error"),
            (500, "api_error", "server_error"),
            (529, "overloaded_error", "server_error"),
        ] {
            for (path, body) in [(CHAT, chat(true)), (RESPONSES, responses(false))] {
                let reply = Reply::json(status, &anthropic::error(kind, "as it was told"));
                upstream.next(
                    reply.header("retry-after", "7").header("anthropic-ratelimit-tokens-remaining", "0"),
                );
                let answer = proxy.client().post(path, &body).await.expect(status);
                let error = &answer.json()["error"];
                assert_eq!(error["message"], "as it was told");
                assert_eq!(error["type"], openai, "{status}");
                assert_eq!(answer.header("retry-after"), "7");
                assert_eq!(answer.header("anthropic-ratelimit-tokens-remaining"), "0");
                assert_eq!(answer.header("content-type"), "application/json");
            }
        }
        upstream.next(Reply::status(502).header("content-type", "text/html").bytes("<html>Bad gateway"));
        let answer = proxy.client().post(CHAT, &chat(false)).await.expect(502);
        assert_eq!(answer.json()["error"]["message"], "<html>Bad gateway");
    });
}

#[test]
fn a_limit_without_a_time_gets_a_small_one() {
    support::run(async {
        let upstream =
            Upstream::with(|_| Reply::json(429, &anthropic::error("rate_limit_error", "slow"))).await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let native = json!({ "model": "m", "max_tokens": 1, "messages": [] });
        for (path, body) in
            [(CHAT, chat(true)), (RESPONSES, responses(true)), ("/claude/v1/messages", native)]
        {
            let answer = proxy.client().post(path, &body).await.expect(429);
            assert_eq!(answer.header("retry-after"), "2", "{path}");
        }
    });
}

#[test]
fn a_broken_stream_ends_in_one_error() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let events = anthropic::tool_events();
        let whole = events.concat();
        let overloaded = anthropic::event("error", &anthropic::error("overloaded_error", "Overloaded"));
        let half = &whole.as_bytes()[..whole.len() * 2 / 3];
        let replies = [
            Reply::stream([half]).cut(),
            Reply::stream([half]).reset(),
            Reply::stream([half]),
            Reply::stream([events[..5].concat(), overloaded]),
        ];
        for reply in replies {
            for (path, body) in [(CHAT, chat(true)), (RESPONSES, responses(true))] {
                upstream.next(reply.clone());
                let answer = proxy.client().post(path, &body).await.expect(200);
                let text = answer.text();
                assert!(!text.contains("[DONE]") && !text.contains("response.completed"), "{text}");
                assert!(!text.contains("\"finish_reason\":\"") && !text.contains("arguments.done"), "{text}");
                let last = sse::data(&answer.body).pop().unwrap();
                assert!(last["error"]["message"].is_string(), "{text}");
            }
        }
    });
}

#[test]
fn a_whole_answer_that_is_none_is_an_error() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for reply in [
            Reply::status(200).header("content-type", "application/json").bytes("{\"id\":\"msg"),
            Reply::status(200).header("content-type", "text/html").bytes("<html>"),
            Reply::json(200, &json!([1])),
            Reply::json(200, &anthropic::message("x")).header("content-encoding", "gzip"),
        ] {
            upstream.next(reply);
            let answer = proxy.client().post(CHAT, &chat(false)).await.expect(502);
            assert!(answer.json()["error"]["message"].is_string());
        }
    });
}

#[test]
fn a_client_that_leaves_lets_the_provider_go() {
    support::run(async {
        let gate = Gate::default();
        let held = gate.clone();
        let upstream = Upstream::with(move |_| {
            let events = anthropic::events("Hello there");
            Reply::stream([events[..4].concat()]).gate(&held).bytes(events[4..].concat())
        })
        .await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut raw = proxy.raw().await;
        raw.post(RESPONSES, &responses(true).to_string()).await;
        assert!(raw.until("\"delta\":\"Hello").await);
        let seen = upstream.request(0).await;
        let left = Instant::now();
        drop(raw);
        assert!(seen.closed_after(left).await < Duration::from_secs(2));
    });
}

#[test]
fn what_cannot_be_is_refused_in_the_client_s_format() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut stored = responses(false);
        stored["previous_response_id"] = "resp_1".into();
        for (path, body, told) in [
            (CHAT, json!({ "model": "m", "messages": "hi" }), "`messages` must be an array"),
            (CHAT, json!({ "messages": [] }), "`model` is missing"),
            (CHAT, json!({ "model": "m", "messages": [{ "role": "wizard" }] }), "unknown role `wizard`"),
            (CHAT, json!([1]), "the body must be an object"),
            (RESPONSES, json!({ "model": "m", "input": 3 }), "`input` must be"),
            (RESPONSES, stored, "Previous response with id 'resp_1' not found"),
        ] {
            let answer = proxy.client().post(path, &body).await.expect(400);
            let error = &answer.json()["error"];
            assert!(error["message"].as_str().unwrap().contains(told), "{error}");
            assert_eq!(error["type"], "invalid_request_error");
        }
        assert!(upstream.requests().is_empty());
        let headers = [("upgrade", "websocket"), ("connection", "upgrade")];
        let answer = proxy.client().request(Method::GET, RESPONSES, &headers, Bytes::new()).await;
        assert_eq!(answer.status, 426, "Codex falls back to HTTP at once");
    });
}

#[test]
fn accounts_of_other_providers_stay_here() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let headers = [
            ("content-type", "application/json"),
            ("authorization", "Bearer sk-client"),
            ("chatgpt-account-id", "acct"),
            ("openai-organization", "org"),
            ("x-codex-turn-metadata", "{}"),
            ("originator", "codex_exec"),
        ];
        let body = responses(false).to_string();
        let anonymous = proxy.anonymous();
        let answer = anonymous.request(Method::POST, RESPONSES, &headers, body.into()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = upstream.request(0).await;
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer sk-client"));
        for (name, _) in &headers[2..] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    });
}

#[test]
fn tokens_are_counted_for_responses_clients() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut body = responses(false);
        body["temperature"] = json!(0.5);
        let answer = proxy.client().post("/claude/v1/responses/input_tokens", &body).await.expect(200);
        assert_eq!(answer.json(), json!({ "object": "response.input_tokens", "input_tokens": 42 }));
        let seen = upstream.request(0).await;
        assert_eq!(seen.target(), "/v1/messages/count_tokens");
        let asked = seen.json();
        assert!(asked["messages"].is_array() && asked["system"].is_array(), "{asked}");
        for key in ["max_tokens", "temperature", "stream"] {
            assert_eq!(asked.get(key), None, "{key}");
        }
        upstream.next(Reply::json(404, &anthropic::error("not_found_error", "no model")));
        let answer = proxy.client().post("/claude/v1/responses/input_tokens", &body).await.expect(404);
        assert_eq!(answer.json()["error"]["message"], "no model");
    });
}

#[test]
fn what_is_lost_is_told_in_the_events() {
    support::run(async {
        let upstream = Upstream::start().await;
        let script = r#"
return {
  name = "listen", version = "1.0.0", description = "Logs what was lost",
  hooks = { ["request.completed"] = function(event)
    for _, loss in ipairs(event.losses) do ccproxy.log.info("lost " .. loss.field .. ": " .. loss.why) end
  end },
}"#;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("listen", script)).await;
        proxy.client().post(CHAT, &chat(false)).await.expect(200);
        proxy.logged("lost seed: the provider's format has no place for it").await;
    });
}

#[test]
fn plugins_see_the_client_s_format_and_the_provider_s_at_its_side() {
    support::run(async {
        let upstream = Upstream::start().await;
        let script = r#"
return {
  name = "look", version = "1.0.0", description = "Looks at both sides",
  middleware = {
    { layer = "application", body = "write",
      request = function(req) req.body:set("max_tokens", 77) end,
      event = function(req, ev)
        ccproxy.log.info("saw " .. tostring(ev.data:get("object")) .. " as " .. req.format)
      end },
  },
  hooks = {
    ["provider.request.prepared"] = { body = "write", run = function(out)
      ccproxy.log.info("prepared " .. out.path .. " with " .. tostring(out.body:get("max_tokens")))
      out.body:set("system", "replaced")
    end },
  },
}"#;
        let proxy = Proxy::start(Config::new().upstream(&upstream).script("look", script)).await;
        let answer = proxy.client().post(CHAT, &chat(true)).await.expect(200);
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        proxy.logged("saw chat.completion.chunk as openai_chat").await;
        proxy.logged("prepared /v1/messages with 77").await;
        let asked = upstream.request(0).await.json();
        assert_eq!(asked["max_tokens"], 77);
        assert_eq!(asked["system"], "replaced");
    });
}
