//! The ChatGPT backend behind `/codex`: bytes and header fields both ways, answers collected, refusals, cuts, models.

use http::Method;
use serde_json::{Value, json};

use super::support::upstream::{Recorded, responses};
use super::support::{self, Answer, Client, Config, Proxy, Reply, Upstream, sse};

fn config(upstream: &Upstream) -> Config {
    Config::new().toml(&format!("plugins.codex.base_url = \"{}/codex\"", upstream.url()))
}

fn client(proxy: &Proxy) -> Client {
    Client::new(proxy.address())
        .header("authorization", "Bearer own-token")
        .header("chatgpt-account-id", "acct-own")
}

async fn house(script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> (Upstream, Proxy) {
    let upstream = Upstream::with(script).await;
    let proxy = Proxy::start(config(&upstream)).await;
    (upstream, proxy)
}

/// A turn of the CLI, as it was recorded.
fn turn() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/openai_responses/clients/codex-key-http-turn2.json"
    );
    serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["body"].clone()
}

fn plain(stream: bool) -> Value {
    json!({ "model": "gpt-6.1-sol", "input": "hi", "stream": stream })
}

#[test]
fn a_turn_of_the_cli_passes_byte_for_byte_with_its_header_fields() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let body = serde_json::to_string_pretty(&turn()).unwrap();
        let headers = [
            ("content-type", "application/json"),
            ("session-id", "s-1"),
            ("thread-id", "s-1"),
            ("x-codex-turn-state", "before"),
            ("x-codex-turn-metadata", "{\"a\":1}"),
            ("originator", "codex_exec"),
            ("user-agent", "codex_exec/0.171.0"),
            ("x-openai-internal-codex-responses-lite", "true"),
        ];
        let answer =
            client(&proxy).request(Method::POST, "/codex/v1/responses", &headers, body.clone().into()).await;
        assert_eq!(answer.text(), responses::text("resp_1", "Hello from upstream").concat());
        assert_eq!(answer.header("x-codex-turn-state"), responses::TURN_STATE);
        assert_eq!(answer.header("x-codex-primary-used-percent"), "12.5");
        assert_eq!(answer.header("x-ccproxy-loss"), "");
        let seen = upstream.request(0).await;
        assert_eq!(seen.target(), "/codex/responses");
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
        for (name, value) in headers {
            assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer own-token"));
        assert_eq!(seen.header("chatgpt-account-id").as_deref(), Some("acct-own"));
        assert_eq!(seen.header("accept").as_deref(), Some("text/event-stream"));
        // Nothing is imitated for a client that is not Codex.
        client(&proxy).post("/codex/v1/responses", &plain(true)).await.expect(200);
        let seen = upstream.request(1).await;
        for name in ["originator", "user-agent", "version", "session-id", "openai-beta"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
        assert!(seen.json().get("instructions").is_none());
        assert_eq!(seen.json()["model"], "gpt-6.1-sol");
    });
}

#[test]
fn a_configured_token_brings_its_own_account() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let config =
            config(&upstream).env("CODEX_ACCESS_TOKEN", "house-token").env("CODEX_ACCOUNT_ID", "acct-house");
        let proxy = Proxy::start(config).await;
        client(&proxy).post("/codex/v1/responses", &plain(true)).await.expect(200);
        let seen = upstream.request(0).await;
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer house-token"));
        assert_eq!(seen.header("chatgpt-account-id").as_deref(), Some("acct-house"));
        let health = proxy.anonymous().get("/plugins/codex/health").await.expect(200).text();
        assert!(health.contains("CODEX_ACCESS_TOKEN") && !health.contains("house-token"), "{health}");
        let (_, bare) = house(responses::answer).await;
        let refused = bare.anonymous().post("/codex/v1/responses", &plain(true)).await.expect(401).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("CODEX_ACCESS_TOKEN"), "{refused}");
    });
}

#[test]
fn a_whole_answer_is_collected_from_the_stream() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let answer = client(&proxy).post("/codex/v1/responses", &plain(false)).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-codex-turn-state"), responses::TURN_STATE);
        let body = answer.json();
        assert_eq!((&body["id"], &body["status"]), (&json!("resp_1"), &json!("completed")));
        assert_eq!(body["output"][0]["content"][0]["text"], "Hello from upstream");
        assert_eq!(body["usage"]["total_tokens"], 18);
        let seen = upstream.request(0).await.json();
        assert_eq!((&seen["stream"], &seen["store"]), (&json!(true), &json!(false)));
        assert_eq!(seen["input"][0]["content"][0]["text"], "hi");

        for (stream, status) in [
            (responses::failed("rate_limit_exceeded", "slow down"), 429),
            (responses::failed("context_length_exceeded", "too long"), 400),
            (responses::failed("server_error", "oops"), 500),
            (vec!["event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"oops\"}\n\n".into()], 500),
            (responses::text("resp_1", "cut")[..4].to_vec(), 502),
        ] {
            upstream.next(Reply::stream(&stream));
            let answer = client(&proxy).post("/codex/v1/responses", &plain(false)).await.expect(status);
            assert!(answer.json()["error"]["message"].is_string(), "{}", answer.text());
            assert_eq!(answer.header("content-type"), "application/json");
        }
        upstream.next(Reply::stream(&responses::text("resp_1", "cut")[..4]).reset());
        client(&proxy).post("/codex/v1/responses", &plain(false)).await.expect(502);
    });
}

#[test]
fn a_conversation_is_compacted_by_the_backend() {
    support::run(async {
        let (upstream, proxy) =
            house(|_| Reply::json(200, &json!({ "output": [{ "type": "compaction" }] }))).await;
        let body = "{ \"model\":\"m\",\"input\":[] }";
        let answer = client(&proxy).post_bytes("/codex/v1/responses/compact", body).await.expect(200);
        assert_eq!(answer.text(), "{\"output\":[{\"type\":\"compaction\"}]}");
        let seen = upstream.request(0).await;
        assert_eq!(
            (seen.target().as_str(), seen.body.as_slice()),
            ("/codex/responses/compact", body.as_bytes())
        );
    });
}

#[test]
fn what_the_backend_does_not_take_is_reported_or_refused() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        for stream in [true, false] {
            let mut body = plain(stream);
            body["max_output_tokens"] = 5.into();
            body["temperature"] = 0.5.into();
            let answer = client(&proxy).post("/codex/v1/responses", &body).await.expect(200);
            assert_eq!(answer.header("x-ccproxy-loss"), "max_output_tokens, temperature");
        }
        assert!(upstream.request(1).await.json().get("temperature").is_none());
        let mut body = plain(true);
        body["previous_response_id"] = "resp_9".into();
        let refused = client(&proxy).post("/codex/v1/responses", &body).await.expect(400).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("whole conversation"), "{refused}");
        assert_eq!(upstream.requests().len(), 2);
    });
}

async fn ask(proxy: &Proxy, path: &str, stream: bool) -> Answer {
    let body = match path {
        "/codex/v1/messages" => json!({
            "model": "gpt-6.1-sol", "max_tokens": 100, "stream": stream,
            "system": [{ "type": "text", "text": "Be kind" }], "messages": [{ "role": "user", "content": "hi" }],
        }),
        _ => json!({ "model": "gpt-6.1-sol", "stream": stream, "messages": [
            { "role": "system", "content": "Be kind" }, { "role": "user", "content": "hi" },
        ] }),
    };
    let client = client(proxy).header("anthropic-beta", "x").header("anthropic-version", "2023-06-01");
    client.post(&format!("{path}?beta=true"), &body).await
}

#[test]
fn clients_of_the_other_formats_are_answered_in_theirs() {
    support::run(async {
        let script = |seen: &Recorded| match seen.target().as_str() {
            "/codex/responses" => responses::named(Reply::stream(responses::tool(
                "resp_1",
                "call_1",
                "Read",
                &json!({ "path": "/etc" }),
            ))),
            _ => responses::answer(seen),
        };
        let (upstream, proxy) = house(script).await;
        let message = ask(&proxy, "/codex/v1/messages", false).await.expect(200);
        let body = message.json();
        assert_eq!((&body["type"], &body["stop_reason"]), (&json!("message"), &json!("tool_use")));
        assert_eq!(body["model"], "gpt-6.1-sol");
        let call = body["content"].as_array().unwrap().last().unwrap();
        assert_eq!((&call["name"], &call["input"]), (&json!("Read"), &json!({ "path": "/etc" })));
        assert_eq!(
            (&body["usage"]["input_tokens"], &body["usage"]["cache_read_input_tokens"]),
            (&json!(7), &json!(4))
        );
        assert!(
            message.header("x-ccproxy-loss").contains("max_output_tokens"),
            "{}",
            message.header("x-ccproxy-loss")
        );
        let stream = ask(&proxy, "/codex/v1/messages", true).await.expect(200);
        let names = sse::names(&stream.body);
        assert_eq!(
            (names.first().unwrap().as_str(), names.last().unwrap().as_str()),
            ("message_start", "message_stop")
        );
        assert!(!stream.text().contains("[DONE]"));

        let body = ask(&proxy, "/codex/v1/chat/completions", false).await.expect(200).json();
        assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(body["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "Read");
        assert_eq!(body["usage"]["prompt_tokens"], 11);
        let stream = ask(&proxy, "/codex/v1/chat/completions", true).await.expect(200);
        assert!(stream.text().ends_with("data: [DONE]\n\n"), "{}", stream.text());

        for request in upstream.requests() {
            let body = request.json();
            assert_eq!((&body["stream"], &body["store"]), (&json!(true), &json!(false)));
            assert_eq!(request.target(), "/codex/responses");
            assert_eq!(body["instructions"], "Be kind");
            assert_eq!(body.get("max_output_tokens"), None);
            assert_eq!((request.header("anthropic-beta"), request.header("anthropic-version")), (None, None));
        }
    });
}

#[test]
fn tokens_are_estimated_here_and_said_to_be() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let messages = json!({ "model": "m", "messages": [{ "role": "user", "content": "How many words are in this?" }] });
        for (path, body) in [
            ("/codex/v1/messages/count_tokens?beta=true", messages),
            (
                "/codex/v1/responses/input_tokens",
                json!({ "model": "m", "input": "How many words are in this?" }),
            ),
        ] {
            let answer = client(&proxy).post(path, &body).await.expect(200);
            let tokens = answer.json()["input_tokens"].as_u64().unwrap();
            assert!((5..40).contains(&tokens), "{path}: {tokens}");
            assert_eq!(answer.header("x-ccproxy-estimate"), "input_tokens");
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn refusals_keep_their_status_their_words_and_their_limits() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let usage = json!({ "error": { "type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus", "resets_in_seconds": 90 } });
        let cases = [
            (401, json!({ "detail": "Unauthorized" }), None, ""),
            (403, responses::error("forbidden", "not this plan"), None, ""),
            (429, responses::error("rate_limit_exceeded", "slow down"), Some("7"), "7"),
            (429, responses::error("rate_limit_exceeded", "slow down"), None, "2"),
            (429, usage, None, "90"),
            (500, responses::error("server_error", "oops"), None, ""),
            (503, json!({ "detail": "at capacity" }), Some("1"), "1"),
        ];
        for path in ["/codex/v1/responses", "/codex/v1/messages", "/codex/v1/chat/completions"] {
            for stream in [true, false] {
                for (status, body, given, told) in &cases {
                    let reply = Reply::json(*status, body).header("x-codex-primary-used-percent", "100");
                    upstream.next(match given {
                        Some(seconds) => reply.header("retry-after", seconds),
                        None => reply,
                    });
                    let answer = match path {
                        "/codex/v1/responses" => client(&proxy).post(path, &plain(stream)).await,
                        _ => ask(&proxy, path, stream).await,
                    };
                    let answer = answer.expect(*status);
                    assert_eq!(answer.header("retry-after"), *told, "{path} {status} {body}");
                    assert_eq!(answer.header("x-codex-primary-used-percent"), "100");
                    let own = answer.json();
                    match path {
                        "/codex/v1/responses" => assert_eq!(answer.text(), body.to_string()),
                        "/codex/v1/messages" => assert_eq!(own["type"], "error", "{own}"),
                        _ => {}
                    }
                    if path != "/codex/v1/responses" {
                        let words = body["detail"].as_str().or(body["error"]["message"].as_str()).unwrap();
                        assert_eq!(own["error"]["message"], words);
                        assert!(own["error"]["type"].is_string(), "{own}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_cut_stream_never_looks_finished() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let events = responses::text("resp_1", "Hello");
        let cuts = [
            Reply::stream(&events[..5]).cut(),
            Reply::stream(&events[..5]).reset(),
            Reply::stream(&events[..5]),
        ];
        for path in ["/codex/v1/responses", "/codex/v1/messages", "/codex/v1/chat/completions"] {
            for reply in &cuts {
                upstream.next(reply.clone());
                let answer = match path {
                    "/codex/v1/responses" => client(&proxy).post(path, &plain(true)).await,
                    _ => ask(&proxy, path, true).await,
                };
                let text = answer.expect(200).text();
                assert!(text.contains("\"error\""), "{path}: {text}");
                for end in ["response.completed", "message_stop", "[DONE]"] {
                    assert!(!text.contains(end), "{path}: {text}");
                }
            }
        }
    });
}

#[test]
fn compressed_requests_are_decoded_and_bombs_are_not() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let proxy = Proxy::start(config(&upstream).toml("server.max_body = \"1MiB\"")).await;
        let body = turn().to_string();
        let gzip = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, text).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = |text: &[u8]| {
            ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
        };
        let post = async |coding: &str, bytes: Vec<u8>, target: &str| {
            let headers = [("content-type", "application/json"), ("content-encoding", coding)];
            client(&proxy).request(Method::POST, target, &headers, bytes.into()).await
        };
        for (coding, bytes) in [("gzip", gzip(body.as_bytes())), ("zstd", zstd(body.as_bytes()))] {
            let answer = post(coding, bytes.clone(), "/codex/v1/responses").await.expect(200);
            assert!(answer.text().contains("response.completed"));
            let seen = upstream.requests().pop().unwrap();
            assert_eq!(String::from_utf8_lossy(&seen.body), body, "{coding}");
            assert_eq!(seen.header("content-encoding"), None);
            assert_eq!(seen.header("content-length").as_deref(), Some(&*body.len().to_string()));
            let cut = bytes[..bytes.len() / 2].to_vec();
            let refused = post(coding, cut, "/codex/v1/responses").await.expect(400).json();
            assert!(refused["error"]["message"].as_str().unwrap().contains(coding), "{refused}");
        }
        let spaces = vec![b' '; 64 << 20];
        for (coding, bomb) in [("gzip", gzip(&spaces)), ("zstd", zstd(&spaces))] {
            assert!(bomb.len() < 1 << 20, "{}", bomb.len());
            let refused = post(coding, bomb, "/codex/v1/responses").await.expect(413).json();
            assert!(refused["error"]["message"].as_str().unwrap().contains("max_body"), "{refused}");
        }
        post("br", b"x".to_vec(), "/codex/v1/responses").await.expect(415);
        post("gzip", gzip(b"{}"), "/mock/v1/messages").await.expect(400);
        assert_eq!(upstream.requests().len(), 2);
    });
}

#[test]
fn plugins_see_the_plain_body_and_the_encoding_is_gone() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let script = r#"return { name = "peek", version = "1.0.0", description = "looks", middleware = { { layer = "application", body = "read",
            request = function(req) ccproxy.log.info("model " .. tostring(req.body:get("model")) .. " coding " .. tostring(req.headers["content-encoding"])) end } } }"#;
        let proxy = Proxy::start(config(&upstream).script("peek", script)).await;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, plain(true).to_string().as_bytes()).unwrap();
        let headers = [("content-type", "application/json"), ("content-encoding", "deflate")];
        let bytes = encoder.finish().unwrap();
        client(&proxy).request(Method::POST, "/codex/v1/responses", &headers, bytes.into()).await.expect(200);
        proxy.logged("model gpt-6.1-sol coding nil").await;
        // A route of a plugin takes none.
        let answer = proxy.anonymous().request(Method::POST, "/plugins", &headers, "x".into()).await;
        assert!(matches!(answer.status.as_u16(), 405 | 415), "{}", answer.status);
    });
}

#[test]
fn the_list_of_models_is_the_backend_s_in_the_client_s_shape() {
    support::run(async {
        let (upstream, proxy) = house(responses::answer).await;
        let cli = client(&proxy).get("/codex/v1/models?client_version=0.171.0").await.expect(200);
        assert_eq!(cli.text(), responses::models().to_string());
        assert_eq!(cli.header("etag"), "\"models-1\"");
        assert_eq!(upstream.request(0).await.target(), "/codex/models?client_version=0.171.0");
        let list = client(&proxy).get("/codex/v1/models").await.expect(200);
        assert_eq!(list.json()["data"][0]["id"], "gpt-6.1-sol");
        assert_eq!((list.json()["object"].as_str(), list.header("etag")), (Some("list"), ""));
        assert_eq!(upstream.request(1).await.target(), "/codex/models");
        // Its refusals are its own.
        upstream.next(Reply::json(401, &json!({ "detail": "Unauthorized" })));
        client(&proxy).get("/codex/v1/models").await.expect(401);
    });
}

#[test]
fn without_a_list_the_configured_names_are_told() {
    support::run(async {
        let gone = Upstream::refused().await;
        let config = |url: &str| {
            Config::new()
                .toml(&format!("plugins.codex.base_url = \"{url}\""))
                .toml("plugins.codex.models = [\"gpt-a\", \"gpt-b\"]")
        };
        let empty = Upstream::with(|_| Reply::json(404, &json!({ "detail": "no" }))).await;
        for url in [gone, empty.url()] {
            let proxy = Proxy::start(config(&url)).await;
            let list = client(&proxy).get("/codex/v1/models").await.expect(200);
            assert_eq!(
                (&list.json()["data"][0]["id"], &list.json()["data"][1]["id"]),
                (&json!("gpt-a"), &json!("gpt-b"))
            );
            assert_eq!(list.header("x-ccproxy-models"), "configured");
            let cli = client(&proxy).get("/codex/v1/models?client_version=0.171.0").await.expect(200);
            assert_eq!(cli.json(), json!({ "models": [] }));
        }
    });
}
