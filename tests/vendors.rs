//! Clients of every format on servers of OpenAI's protocol and on servers of one's own.

use serde_json::{Value, json};

use super::support::upstream::{anthropic, openai};
use super::support::{self, Client, Config, Proxy, Reply, Upstream, sse};

fn messages(stream: bool) -> Value {
    json!({
        "model": "gpt-5", "max_tokens": 99, "stream": stream, "system": "be terse", "top_k": 4,
        "messages": [{ "role": "user", "content": "hi" }],
        "metadata": { "user_id": "u1" },
    })
}

fn client(proxy: &Proxy) -> Client {
    Client::new(proxy.address()).header("x-api-key", "sk-own").header("anthropic-version", "2023-06-01")
}

/// A proxy before a healthy server that a table of one's own names.
async fn lan(more: &str) -> (Upstream, Proxy) {
    let upstream = Upstream::with(openai::answer).await;
    let table = format!("[providers.lan]\nbase_url = \"{}\"\napi_key = \"key-lan\"\n{more}", upstream.url());
    let proxy = Proxy::start(Config::new().toml(&table)).await;
    (upstream, proxy)
}

#[test]
fn clients_of_messages_are_answered_by_chat() {
    support::run(async {
        let (upstream, proxy) = lan("").await;
        let answer = client(&proxy).post("/lan/v1/messages?beta=true", &messages(false)).await.expect(200);
        let body = answer.json();
        assert_eq!(body["content"], json!([{ "type": "text", "text": "Hello from upstream" }]));
        assert_eq!(body["stop_reason"], "end_turn");
        assert_eq!(
            (&body["usage"]["input_tokens"], &body["usage"]["cache_read_input_tokens"]),
            (&json!(7), &json!(4))
        );
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), "99");
        let seen = upstream.request(0).await;
        assert_eq!(seen.target(), "/v1/chat/completions", "the query belongs to the client's own API");
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer key-lan"));
        assert_eq!(seen.header("x-api-key"), None);
        assert_eq!(seen.header("anthropic-version"), None);
        let asked = seen.json();
        assert_eq!(asked["max_tokens"], 99, "{asked}");
        assert_eq!(asked["messages"][0], json!({ "role": "system", "content": "be terse" }));
        assert_eq!(asked.get("prompt_cache_key"), None);

        let answer = client(&proxy).post("/lan/v1/messages", &messages(true)).await.expect(200);
        assert!(answer.whole && answer.text().contains("event: message_stop"), "{}", answer.text());
        let words: String =
            sse::data(&answer.body).iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(words, "Hello from upstream");
        assert_eq!(upstream.request(1).await.json()["stream_options"]["include_usage"], true);
    });
}

#[test]
fn a_tool_call_streams_through_with_what_came_before_it() {
    support::run(async {
        let (upstream, proxy) = lan("").await;
        upstream.next(Reply::stream(openai::chat_tool_events("Read", &["{\"path\"", ":\"/etc\"}"])));
        let answer = client(&proxy).post("/lan/v1/messages", &messages(true)).await.expect(200);
        let events = sse::data(&answer.body);
        let kinds: Vec<&str> =
            events.iter().filter_map(|event| event["content_block"]["type"].as_str()).collect();
        assert_eq!(kinds, ["thinking", "text", "tool_use"]);
        let json: String =
            events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
        assert_eq!(json, "{\"path\":\"/etc\"}");
        assert!(events.iter().any(|event| event["delta"]["stop_reason"] == "tool_use"));
    });
}

#[test]
fn clients_of_responses_are_answered_where_there_is_only_chat() {
    support::run(async {
        let (upstream, proxy) = lan("").await;
        let body = json!({ "model": "gpt-5", "stream": true, "instructions": "be terse", "input": "hi", "store": false });
        let answer = proxy.anonymous().post("/lan/v1/responses", &body).await.expect(200);
        let last = sse::data(&answer.body).pop().expect("events");
        assert_eq!(last["type"], "response.completed");
        assert_eq!(last["response"]["output"][0]["content"][0]["text"], "Hello from upstream");
        assert_eq!(upstream.request(0).await.target(), "/v1/chat/completions");
        let on = json!({ "model": "gpt-5", "input": "and?", "previous_response_id": last["response"]["id"] });
        let unknown = proxy.anonymous().post("/lan/v1/responses", &on).await.expect(400).json();
        assert!(
            unknown["error"]["message"].as_str().unwrap().contains("not found"),
            "`store` was false: {unknown}"
        );
        let first = json!({ "model": "gpt-5", "input": "hi" });
        let first = proxy.anonymous().post("/lan/v1/responses", &first).await.expect(200).json();
        let on = json!({ "model": "gpt-5", "input": "and?", "previous_response_id": first["id"] });
        let answer = proxy.anonymous().post("/lan/v1/responses", &on).await.expect(200).json();
        assert_eq!(answer["previous_response_id"], first["id"]);
        let asked = upstream.requests().last().unwrap().json();
        let said: Vec<&str> = asked["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|turn| turn["content"].as_str())
            .collect();
        assert_eq!(said, ["hi", "Hello from upstream", "and?"]);
        let stored = json!({ "model": "gpt-5", "input": "hi", "previous_response_id": "resp_1" });
        let refused = proxy.anonymous().post("/lan/v1/responses", &stored).await.expect(400).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("resp_1"), "{refused}");
        let (upstream, proxy) = lan("responses = true").await;
        proxy.anonymous().post("/lan/v1/responses", &stored).await.expect(200);
        assert_eq!(
            upstream.request(0).await.json(),
            stored,
            "a server that has Responses gets what was sent"
        );
    });
}

#[test]
fn at_openai_clients_of_messages_go_by_responses_and_keep_what_was_thought() {
    support::run(async {
        let upstream = Upstream::with(openai::answer).await;
        let config = |via: &str| {
            let table = format!("[plugins.openai]\nbase_url = \"{}/v1\"\n{via}", upstream.url());
            Proxy::start(Config::new().toml(&table))
        };
        let proxy = config("messages_via = \"responses\"").await;
        let answer = client(&proxy).post("/openai/v1/messages", &messages(true)).await.expect(200);
        let text = answer.text();
        assert!(
            text.contains("thinking_delta") && text.contains("I greet") && text.contains("message_stop"),
            "{text}"
        );
        assert_eq!(upstream.request(0).await.target(), "/v1/responses");
        assert_eq!(upstream.request(0).await.json()["max_output_tokens"], 99);
        let counted =
            client(&proxy).post("/openai/v1/messages/count_tokens", &messages(false)).await.expect(200);
        assert_eq!(counted.json(), json!({ "input_tokens": 4242 }));
        let seen = upstream.request(1).await;
        assert_eq!(seen.target(), "/v1/responses/input_tokens");
        let mut asked: Vec<String> = seen.json().as_object().unwrap().keys().cloned().collect();
        asked.sort();
        assert_eq!(asked, ["input", "instructions", "model"]);
        // Elsewhere every server has chat.
        let proxy = config("").await;
        client(&proxy).post("/openai/v1/messages", &messages(false)).await.expect(200);
        assert_eq!(upstream.request(2).await.target(), "/v1/chat/completions");
    });
}

#[test]
fn where_nobody_counts_tokens_they_are_estimated_and_said_to_be() {
    support::run(async {
        let (upstream, proxy) = lan("").await;
        let answer = client(&proxy).post("/lan/v1/messages/count_tokens", &messages(false)).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-estimate"), "input_tokens");
        let tokens = answer.json()["input_tokens"].as_u64().unwrap();
        assert!((4..40).contains(&tokens), "{tokens}");
        let body = json!({ "model": "gpt-5", "input": "hi" });
        let answer = client(&proxy).post("/lan/v1/responses/input_tokens", &body).await.expect(200);
        assert_eq!(answer.json()["object"], "response.input_tokens");
        assert_eq!(upstream.requests().len(), 0, "nobody was asked");
    });
}

#[test]
fn errors_limits_and_cuts_come_in_the_client_s_words() {
    support::run(async {
        let (upstream, proxy) = lan("").await;
        upstream.next(
            Reply::json(429, &openai::error("rate_limit_error", "slow down")).header("retry-after", "7"),
        );
        let answer = client(&proxy).post("/lan/v1/messages", &messages(true)).await.expect(429);
        assert_eq!(answer.header("retry-after"), "7");
        let error = answer.json();
        assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("rate_limit_error")));
        assert_eq!(error["error"]["message"], "slow down");
        upstream.next(Reply::stream(&openai::chat_events("Hello there")[..2]).cut());
        let answer = client(&proxy).post("/lan/v1/messages", &messages(true)).await.expect(200);
        assert!(answer.text().contains("event: error"), "{}", answer.text());
        assert!(!answer.text().contains("message_stop"), "{}", answer.text());
    });
}

#[test]
fn servers_of_anthropic_s_protocol_have_tables_too() {
    support::run(async {
        let upstream = Upstream::with(|request| match request.target().contains("count_tokens") {
            true => Reply::json(404, &anthropic::error("not_found_error", "no such route")),
            false => anthropic::answer(request),
        })
        .await;
        let table = format!(
            "[providers.moon]\napi = \"anthropic\"\nbase_url = \"{}/anthropic\"\napi_key = \"key-moon\"\nkey_as = \"bearer\"\nheaders = {{ x-team = \"desk\" }}",
            upstream.url()
        );
        let proxy = Proxy::start(Config::new().toml(&table)).await;
        let answer = client(&proxy).post("/moon/v1/messages?beta=true", &messages(false)).await.expect(200);
        assert_eq!(answer.json()["content"][0]["text"], "Hello from upstream");
        let seen = upstream.request(0).await;
        assert_eq!(seen.target(), "/anthropic/v1/messages?beta=true");
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer key-moon"));
        assert_eq!(seen.header("x-api-key"), None);
        assert_eq!(seen.header("x-team").as_deref(), Some("desk"));
        assert_eq!(seen.json(), messages(false));
        let chat = json!({ "model": "kimi", "messages": [{ "role": "user", "content": "hi" }] });
        let answer = client(&proxy).post("/moon/v1/chat/completions", &chat).await.expect(200);
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello from upstream");
        for (path, body) in [
            ("/moon/v1/messages/count_tokens", messages(false)),
            ("/moon/v1/responses/input_tokens", json!({ "model": "kimi", "input": "hi" })),
        ] {
            let answer = client(&proxy).post(path, &body).await.expect(200);
            assert_eq!(answer.header("x-ccproxy-estimate"), "input_tokens", "{path}");
        }
    });
}

#[test]
fn a_name_that_is_taken_is_told() {
    support::run(async {
        let table = "[providers.openai]\nbase_url = \"http://127.0.0.1:9\"";
        let proxy = Proxy::start(Config::new().toml(table)).await;
        let plugin = proxy.plugin("openai").await;
        assert!(plugin.to_string().contains("its table is `[plugins.openai]`"), "{plugin}");
    });
}
