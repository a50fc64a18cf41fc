//! The front door: clients of every format, their bytes, their models, and who steers.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::support::socket::{Socket, create};
use super::support::upstream::{anthropic, openai, responses as codex_answers};
use super::support::{self, Client, Config, Proxy, Reply, Upstream, eventually, sse};

/// `claude_api` and `openai` with keys of the house, each before its upstream.
async fn house(more: &str) -> (Upstream, Upstream, Proxy) {
    let claude = Upstream::start().await;
    let gpt = Upstream::with(|seen| match seen.target().as_str() {
        "/v1/embeddings" => Reply::json(200, &json!({ "object": "list", "data": [{ "embedding": [0.5] }] })),
        _ => openai::answer(seen),
    })
    .await;
    let config = Config::new()
        .upstream(&claude)
        .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
        .toml(&format!("plugins.openai.base_url = \"{}/v1\"", gpt.url()))
        .toml("plugins.openai.api_key = \"sk-proj-house\"")
        .toml(more);
    let proxy = Proxy::start(config).await;
    (claude, gpt, proxy)
}

fn messages(model: &str, stream: bool) -> String {
    format!(
        "{{ \"max_tokens\":9, \"stream\": {stream},\"model\":\"{model}\" ,\"n\":1.0,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
    )
}

fn chat(model: &str, stream: bool) -> String {
    format!(
        "{{\"model\" : \"{model}\",\"stream\":{stream}, \"n\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
    )
}

fn responses(model: &str, stream: bool) -> String {
    format!("{{\"input\":\"hi\", \"stream\":{stream},\n\"model\":\"{model}\"}}")
}

type Body = fn(&str, bool) -> String;
const CLIENTS: [(&str, Body); 3] =
    [("/v1/messages", messages), ("/v1/chat/completions", chat), ("/v1/responses", responses)];

#[test]
fn clients_of_every_format_reach_every_provider_by_its_models() {
    support::run(async {
        let (claude, gpt, proxy) = house("").await;
        for (path, body) in CLIENTS {
            for (model, upstream, route) in
                [("claude-opus-5-5", &claude, "claude_api/claude-opus-5-5"), ("gpt-5", &gpt, "openai/gpt-5")]
            {
                for stream in [false, true] {
                    let before = upstream.requests().len();
                    let answer = proxy.anonymous().post_bytes(path, body(model, stream)).await.expect(200);
                    assert_eq!(upstream.requests().len(), before + 1, "{path} {model}");
                    assert_eq!(answer.header("x-ccproxy-route"), route);
                    assert!(answer.whole, "{path} {model}");
                    if stream {
                        let deltas = answer.text().matches("upstream").count();
                        assert!(deltas > 0, "{path} {model}: {}", answer.text());
                    } else {
                        assert!(answer.text().contains("Hello from upstream"), "{path} {model}");
                        assert_eq!(answer.json()["model"], model);
                    }
                    assert_eq!(upstream.requests()[before].json()["model"], model);
                }
            }
        }
        let (first, second) = (claude.request(0).await, gpt.request(0).await);
        assert_eq!(first.header("x-api-key").as_deref(), Some("sk-ant-house"));
        assert_eq!(second.header("authorization").as_deref(), Some("Bearer sk-proj-house"));
    });
}

#[test]
fn the_same_format_passes_to_the_byte_and_only_the_model_is_spliced() {
    support::run(async {
        let (claude, gpt, proxy) = house("routing.aliases.fast = \"claude_api/claude-haiku-4-5\"").await;
        let sent = |upstream: &Upstream| {
            let seen = upstream.requests().last().unwrap().clone();
            String::from_utf8(seen.body.clone()).unwrap()
        };
        for (asked, model) in [
            ("claude-haiku-4-5", "claude-haiku-4-5"),
            ("claude_api/any/name", "any/name"),
            ("fast", "claude-haiku-4-5"),
        ] {
            for stream in [false, true] {
                let answer =
                    proxy.anonymous().post_bytes("/v1/messages", messages(asked, stream)).await.expect(200);
                assert_eq!(sent(&claude), messages(model, stream), "{asked}");
                let direct = proxy
                    .anonymous()
                    .post_bytes("/claude/v1/messages", messages(model, stream))
                    .await
                    .expect(200);
                assert_eq!(answer.text(), direct.text(), "the answer's bytes are the provider's");
                assert_eq!(answer.header("request-id"), "req_upstream_1");
            }
        }
        for (path, body) in [("/v1/chat/completions", chat as Body), ("/v1/responses", responses)] {
            let answer = proxy.anonymous().post_bytes(path, body("openai/gpt-5", true)).await.expect(200);
            assert_eq!(sent(&gpt), body("gpt-5", true));
            let direct = proxy.anonymous().post_bytes(&format!("/openai{path}"), body("gpt-5", true)).await;
            assert_eq!(answer.text(), direct.text());
        }
        let embed = "{\"input\" :[\"a\"],\"model\":\"text-embedding-3-small\"}";
        let answer = proxy.anonymous().post_bytes("/v1/embeddings", embed).await.expect(200);
        assert_eq!(answer.json()["data"][0]["embedding"][0], 0.5);
        assert_eq!(
            (sent(&gpt).as_str(), gpt.requests().last().unwrap().target().as_str()),
            (embed, "/v1/embeddings")
        );
    });
}

#[test]
fn turned_answers_name_the_model_as_it_was_asked_for() {
    support::run(async {
        let more =
            "routing.aliases.smart = \"claude_api/claude-opus-5-5\"\nrouting.aliases.gpt = \"openai/gpt-5\"";
        let (claude, gpt, proxy) = house(more).await;
        let named = |answer: &support::Answer, at: &str| -> Vec<Value> {
            sse::data(&answer.body).iter().filter_map(|event| event.pointer(at).cloned()).collect()
        };
        let answer =
            proxy.anonymous().post_bytes("/v1/chat/completions", chat("smart", true)).await.expect(200);
        assert!(named(&answer, "/model").iter().all(|model| model == "smart"), "{}", answer.text());
        assert_eq!(claude.request(0).await.json()["model"], "claude-opus-5-5");
        let answer = proxy.anonymous().post_bytes("/v1/messages", messages("gpt", true)).await.expect(200);
        assert_eq!(named(&answer, "/message/model"), ["gpt"]);
        assert_eq!(gpt.request(0).await.json()["model"], "gpt-5");
        let answer =
            proxy.anonymous().post_bytes("/v1/responses", responses("smart", false)).await.expect(200);
        assert_eq!(answer.json()["model"], "smart");
    });
}

#[test]
fn what_nobody_serves_is_refused_in_the_clients_format() {
    support::run(async {
        let (claude, gpt, proxy) = house("").await;
        let post = async |path: &str, body: &str| proxy.anonymous().post_bytes(path, body.to_owned()).await;
        let answer = post("/v1/messages", &messages("llama-9", false)).await.expect(404).json();
        assert_eq!(answer["error"]["type"], "not_found_error", "{answer}");
        let told = answer["error"]["message"].as_str().unwrap();
        assert!(told.contains("`claude_api/llama-9`") && told.contains("routing.rules"), "{told}");
        for path in ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"] {
            let answer = post(path, "{\"model\":\"opnai/x\"}").await.expect(404).json();
            assert!(answer["error"]["code"].is_null() && answer["error"]["param"].is_null(), "{answer}");
            let told = answer["error"]["message"].as_str().unwrap();
            assert!(told.contains("did you mean `openai/x`?"), "{told}");
        }
        let told = |answer: Value| answer["error"]["message"].as_str().unwrap().to_owned();
        let answer = post("/v1/embeddings", "{\"model\":\"claude_api/x\"}").await.expect(400).json();
        assert_eq!(told(answer), "provider `claude_api` has no `embeddings` for `openai_chat` clients");
        let answer = post("/v1/chat/completions", "{\"model\":\"groq/llama\"}").await.expect(404).json();
        assert!(told(answer).contains("`plugins.groq.enabled = true`"));
        assert!(told(post("/v1/messages", "{}").await.expect(400).json()).contains("`model` is missing"));
        assert!(told(post("/v1/messages", "[]").await.expect(400).json()).contains("`model` is missing"));
        post("/v1/messages", "{\"model\":").await.expect(400);
        post("/v1/messages", "").await.expect(400);
        proxy.anonymous().get("/v1/messages").await.expect(405);
        proxy.anonymous().post("/v1/audio", &json!({})).await.expect(404);
        assert_eq!((claude.requests().len(), gpt.requests().len()), (0, 0));
    });
}

#[test]
fn tokens_are_counted_upstream_or_estimated() {
    support::run(async {
        let lan = Upstream::with(openai::answer).await;
        let more = "plugins.openai.messages_via = \"responses\"\n[providers.lan]\nbase_url = ";
        let more = format!("{more}\"{}\"", lan.url());
        let (claude, gpt, proxy) = house(&more).await;
        let count =
            async |path: &str, body: String| proxy.anonymous().post_bytes(path, body).await.expect(200);
        let anthropic = |model: &str| {
            json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] }).to_string()
        };
        let answer = count("/v1/messages/count_tokens", anthropic("claude-opus-5-5")).await;
        assert_eq!(answer.json(), json!({ "input_tokens": 42 }));
        let answer = count("/v1/messages/count_tokens", anthropic("openai/gpt-5")).await;
        assert_eq!(answer.json()["input_tokens"], 4242);
        let asked = json!({ "model": "claude-opus-5-5", "input": "hi" }).to_string();
        let answer = count("/v1/responses/input_tokens", asked).await;
        assert_eq!(answer.json()["input_tokens"], 42);
        let answer = count("/v1/messages/count_tokens", anthropic("lan/llama")).await;
        assert!(answer.json()["input_tokens"].as_u64().unwrap() > 0, "{}", answer.text());
        assert!(answer.headers.contains_key("x-ccproxy-estimate"), "{:?}", answer.headers);
        assert_eq!((claude.requests().len(), gpt.requests().len(), lan.requests().len()), (2, 1, 0));
    });
}

/// Sends some models elsewhere, and tells what it saw first.
const STEERING: &str = r#"return { name = "steering", version = "1.0.0",
  middleware = {
    { layer = "routing", request = function(req)
        req.headers["x-foreseen"] = req.provider or "nobody"
        req.headers["x-candidates"] = req.candidates and table.concat(req.candidates, " ")
        if req.model == "elsewhere" then req.provider = "openai" req.model = "gpt-5" end
        if req.model == "moved" then req.model = "claude-opus-5-5" end
        if req.model == "strange" then req.provider = "nobody" end
        if req.model == "claude-moved" then req.provider = "openai" end
      end },
    { layer = "application", when = { providers = { "openai" } },
      response = function(req, res) res.headers["x-openai-only"] = req.provider end },
  },
}"#;

#[test]
fn plugins_see_and_steer_the_choice() {
    support::run(async {
        let claude = Upstream::start().await;
        let gpt = Upstream::with(openai::answer).await;
        let config = Config::new()
            .upstream(&claude)
            .toml(&format!("plugins.openai.base_url = \"{}/v1\"", gpt.url()))
            .toml("plugins.openai.api_key = \"sk-proj-house\"")
            .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
            .toml("routing.aliases.quick = [\"openai/gpt-5\", \"claude_api/claude-haiku-4-5\"]")
            .script("steering", STEERING);
        let proxy = Proxy::start(config).await;
        let ask = async |model: &str| {
            proxy.anonymous().post_bytes("/v1/chat/completions", chat(model, false)).await
        };
        for (model, route, foreseen) in [
            ("quick", "openai/gpt-5", "openai"),
            ("elsewhere", "openai/gpt-5", "nobody"),
            ("moved", "claude_api/claude-opus-5-5", "nobody"),
            ("claude-moved", "openai/claude-moved", "claude_api"),
            ("gpt-5", "openai/gpt-5", "openai"),
        ] {
            let answer = ask(model).await.expect(200);
            assert_eq!(answer.header("x-ccproxy-route"), route, "{model}");
            let upstream = if route.starts_with("openai") { &gpt } else { &claude };
            let seen = upstream.requests().last().unwrap().clone();
            assert_eq!(seen.header("x-foreseen").as_deref(), Some(foreseen), "{model}");
            assert_eq!(seen.json()["model"], route.split_once('/').unwrap().1);
        }
        assert_eq!(ask("quick").await.header("x-openai-only"), "openai");
        let seen = gpt.requests().last().unwrap().clone();
        let candidates = seen.header("x-candidates");
        assert_eq!(candidates.as_deref(), Some("openai/gpt-5 claude_api/claude-haiku-4-5"));
        assert_eq!(ask("claude-opus-5-5").await.header("x-openai-only"), "");
        let refused = ask("strange").await.expect(400).json();
        assert!(
            refused["error"]["message"].as_str().unwrap().contains("provider `nobody` has no"),
            "{refused}"
        );
    });
}

/// Keeps the last event of each name.
const EVENTS: &str = r#"local seen = {}
local function note(event) if type(event.model) == "string" then seen[event.name] = event end end
return { name = "events", version = "1.0.0",
  hooks = { ["request.completed"] = note, ["provider.request.sent"] = note },
  routes = { { path = "/seen", handler = function() return { json = ccproxy.json.object(seen) } end } } }"#;

#[test]
fn events_tell_who_was_asked_for_what() {
    support::run(async {
        let claude = Upstream::start().await;
        let config = Config::new()
            .upstream(&claude)
            .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
            .toml("routing.aliases.fast = \"claude_api/claude-haiku-4-5\"")
            .script("events", EVENTS);
        let proxy = Proxy::start(config).await;
        proxy.anonymous().post_bytes("/v1/messages", messages("fast", false)).await.expect(200);
        let seen = eventually("the events", async || {
            let seen = proxy.anonymous().get("/events/seen").await.expect(200).json();
            seen.get("request.completed").is_some().then_some(seen)
        })
        .await;
        let (completed, sent) = (&seen["request.completed"], &seen["provider.request.sent"]);
        assert_eq!((&completed["provider"], &completed["model"]), (&json!("claude_api"), &json!("fast")));
        assert_eq!(
            (&completed["sent_model"], &completed["attempts"]),
            (&json!("claude-haiku-4-5"), &json!(1))
        );
        assert_eq!((&sent["provider"], &sent["model"]), (&json!("claude_api"), &json!("claude-haiku-4-5")));
    });
}

#[test]
fn the_guard_stands_at_the_front_door_too() {
    support::run(async {
        let (claude, _, proxy) = house("server.auth_token = \"house-key\"").await;
        let body = messages("claude-opus-5-5", false);
        proxy.anonymous().post_bytes("/v1/messages", body.clone()).await.expect(401);
        proxy.anonymous().get("/v1/models").await.expect(401);
        let client = Client::new(proxy.address()).header("authorization", "Bearer house-key");
        client.post_bytes("/v1/messages", body.clone()).await.expect(200);
        let seen = claude.request(0).await;
        assert_eq!(seen.header("authorization"), None, "the key of the proxy goes nowhere");
        let headers = [("content-type", "application/json"), ("origin", "https://evil.example")];
        client.request(Method::POST, "/v1/messages", &headers, Bytes::from(body)).await.expect(403);
    });
}

#[test]
fn without_its_plugin_there_is_no_front_door() {
    support::run(async {
        let config = Config::new().toml("plugins.front_door.enabled = false");
        let proxy = Proxy::start(config).await;
        proxy.anonymous().post_bytes("/v1/messages", messages("mock", false)).await.expect(404);
        proxy.anonymous().get("/v1/models").await.expect(404);
        proxy.anonymous().post_bytes("/mock/v1/messages", messages("mock", false)).await.expect(200);
    });
}

#[test]
fn a_cut_stream_is_told_and_never_asked_for_again() {
    support::run(async {
        let (claude, gpt, proxy) = house("routing.aliases.two = [\"claude_api/a\", \"openai/b\"]").await;
        claude.next(Reply::stream(anthropic::events("Half of it").into_iter().take(4)).cut());
        let answer = proxy.anonymous().post_bytes("/v1/messages", messages("two", true)).await.expect(200);
        assert_eq!(sse::names(&answer.body).last().map(String::as_str), Some("error"), "{}", answer.text());
        claude.next(Reply::json(200, &anthropic::message("whole")).claim_length(9000).cut());
        let answer = proxy.anonymous().post_bytes("/v1/messages", messages("two", false)).await;
        assert!(!answer.whole || answer.status == 502, "{}", answer.text());
        assert_eq!((claude.requests().len(), gpt.requests().len()), (2, 0));
    });
}

#[test]
fn mistakes_in_the_rules_are_told_with_their_place() {
    support::run(async {
        let check = async |toml: &str| {
            let (code, _, err) = support::proxy::cli(Config::new().toml(toml), &["config", "check"]).await;
            (code, err)
        };
        let (code, err) = check("routing.default = [\"opnai\"]").await;
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("warning") && err.contains("there is no provider `opnai`"), "{err}");
        assert!(err.contains("did you mean `openai`") && err.contains("config.toml:"), "{err}");
        let (code, err) = check("routing.aliases.fast = \"Groq/llama\"").await;
        assert_eq!(code, 78, "{err}");
        assert!(err.contains("`routing.aliases.fast`") && err.contains("is no candidate"), "{err}");
        // One that sleeps is no mistake.
        assert_eq!(check("routing.aliases.fast = \"groq/llama\"").await, (0, String::new()));
        let proxy = Proxy::start(Config::new().toml("routing.default = [\"opnai\"]")).await;
        proxy.logged("there is no provider `opnai`").await;
        assert!(proxy.banner()["front_door"].as_str().unwrap().ends_with("/v1"));
    });
}

#[test]
fn a_login_of_chatgpt_finds_codex_over_http_and_a_websocket() {
    support::run(async {
        let codex = Upstream::with(codex_answers::answer).await;
        let more = format!("plugins.codex.base_url = \"{}/codex\"", codex.url());
        let (claude, gpt, proxy) = house(&more).await;
        let login = Client::new(proxy.address())
            .header("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.x")
            .header("chatgpt-account-id", "acct-own");
        let answer = login.post_bytes("/v1/responses", responses("gpt-5", true)).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-route"), "codex/gpt-5");
        assert_eq!(codex.request(0).await.header("chatgpt-account-id").as_deref(), Some("acct-own"));
        // Anybody else's key has nothing to do with ChatGPT.
        let answer =
            proxy.anonymous().post_bytes("/v1/responses", responses("gpt-5", true)).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-route"), "openai/gpt-5");
        assert_eq!((codex.requests().len(), gpt.requests().len()), (1, 1));

        let head = "authorization: Bearer eyJhbGciOiJub25lIn0.e30.x\r\nchatgpt-account-id: acct-own\r\n";
        let mut socket = Socket::open(proxy.address(), "/v1/responses", head).await;
        let mut first = create(&json!([{ "role": "user", "content": "one" }]));
        first["model"] = "gpt-5".into();
        let events = socket.say(&first).await.answer().await;
        assert_eq!(events.last().unwrap()["type"], "response.completed");
        assert_eq!(codex.requests().len(), 2);
        // The next one may be another provider's: the conversation is whole.
        let mut second = create(&json!([{ "role": "user", "content": "two" }]));
        second["model"] = "claude-opus-5-5".into();
        second["previous_response_id"] = events.last().unwrap()["response"]["id"].clone();
        let events = socket.say(&second).await.answer().await;
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.completed", "{last}");
        assert_eq!(last["response"]["model"], "claude-opus-5-5");
        let asked = claude.requests().last().unwrap().json();
        let texts = asked["messages"].to_string();
        assert!(texts.contains("one") && texts.contains("two"), "{texts}");
    });
}
