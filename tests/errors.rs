//! What bad input gets: the client's format, the right status, one log line, and nothing lost.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream};

const JSON: (&str, &str) = ("content-type", "application/json");

fn body() -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [] })
}

#[test]
fn malformed_json_is_told_with_its_place() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for bad in
            ["{\"model\": \"m\",\n \"messages\": [}", "", "[1,2", "{\"model\": \"\\ud800x\"", "nul", "{} {}"]
        {
            let answer = proxy.client().post_bytes("/claude/v1/messages", bad).await;
            assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
            assert_eq!(answer.json()["type"], "error", "{bad}");
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{bad}");
        }
        let answer = proxy.client().post_bytes("/claude/v1/messages", "{\"a\": 1,\n  oops}").await.json();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("line 2"), "{message}");
        assert!(upstream.requests().is_empty());
        let openai = proxy.client().post_bytes("/mock/v1/chat/completions", "{").await.expect(400).json();
        assert_eq!(openai["error"]["type"], "invalid_request_error");
    });
}

#[test]
fn bodies_beyond_the_limit_are_refused_early() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut raw = proxy.raw().await;
        let size = 65 * 1024 * 1024;
        let head = format!(
            "POST /claude/v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-api-key: k\r\ncontent-length: {size}\r\n\r\n"
        );
        raw.send(head).await;
        let answer = raw.answer().await.expect("an answer before the body is sent");
        assert_eq!(answer.status, 413);
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(value["error"]["type"], "request_too_large");
        // Without a length it is found out on the way.
        let proxy = Proxy::start(Config::new().upstream(&upstream).toml("server.max_body = \"64KiB\"")).await;
        let mut raw = proxy.raw().await;
        raw.send("POST /claude/v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-api-key: k\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..5 {
            raw.send(format!("4000\r\n{}\r\n", " ".repeat(0x4000))).await;
        }
        assert_eq!(raw.answer().await.expect("an answer").status, 413);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn unknown_paths_and_methods_name_what_there_is() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let missing = proxy.client().post("/claude/v1/message", &body()).await.expect(404);
        assert!(missing.text().contains("/claude/v1/messages"), "{}", missing.text());
        let wrong = proxy.client().get("/claude/v1/messages").await.expect(405);
        assert_eq!(wrong.header("allow"), "POST");
        let wrong = proxy.client().post("/plugins", &body()).await.expect(405);
        assert!(wrong.header("allow").contains("GET"), "{}", wrong.header("allow"));
    });
}

#[test]
fn a_websocket_is_told_to_come_by_http() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let headers = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let client = proxy.client();
        let answer =
            client.request(Method::GET, "/mock/v1/responses", &headers, Bytes::new()).await.expect(426);
        assert_eq!(answer.header("upgrade"), "HTTP/1.1");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("POST"), "{}", answer.text());
        client.request(Method::GET, "/mock/v1/nothing", &headers, Bytes::new()).await.expect(404);
    });
}

#[test]
fn other_content_types_are_refused() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let text = body().to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let answer = proxy
                .client()
                .request(Method::POST, "/mock/v1/messages", &[("content-type", kind)], text.clone().into())
                .await;
            assert_eq!(answer.status, 415, "{kind}: {}", answer.text());
        }
        proxy.client().request(Method::POST, "/mock/v1/messages", &[], text.clone().into()).await.expect(415);
        let parameters = [("content-type", "application/json; charset=utf-8")];
        proxy.client().request(Method::POST, "/mock/v1/messages", &parameters, text.into()).await.expect(200);
    });
}

#[test]
fn errors_of_the_provider_are_unchanged() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let cases = [
            (400, "invalid_request_error", None),
            (401, "authentication_error", None),
            (403, "permission_error", None),
            (404, "not_found_error", None),
            (413, "request_too_large", None),
            (429, "rate_limit_error", Some("17")),
            (500, "api_error", None),
            (529, "overloaded_error", Some("2")),
        ];
        for stream in [false, true] {
            for (status, kind, after) in cases {
                let error = anthropic::error(kind, "as the provider said – exactly");
                let reply = Reply::json(status, &error)
                    .header("request-id", "req_7")
                    .header("x-should-retry", "true");
                upstream.next(match after {
                    Some(seconds) => reply.header("retry-after", seconds),
                    None => reply,
                });
                let mut body = body();
                body["stream"] = stream.into();
                let answer = proxy.client().post("/claude/v1/messages", &body).await.expect(status);
                assert_eq!(answer.text(), error.to_string());
                assert_eq!(answer.header("request-id"), "req_7");
                assert_eq!(answer.header("x-should-retry"), "true");
                assert_eq!(answer.header("retry-after"), after.unwrap_or_default());
            }
        }
        assert_eq!(upstream.requests().len(), 2 * cases.len(), "nothing is tried twice");
    });
}

#[test]
fn an_upstream_that_cannot_be_reached_or_understood_is_a_bad_gateway() {
    support::run(async {
        let refused = Proxy::start(Config::new().base_url(&Upstream::refused().await)).await;
        let answer = refused.client().post("/claude/v1/messages", &body()).await.expect(502).json();
        assert_eq!(answer["type"], "error");
        assert!(answer["error"]["message"].as_str().unwrap().contains("refused"), "{answer}");
        assert_eq!(
            refused.log().lines().filter(|line| line.contains("refused")).count(),
            1,
            "{}",
            refused.log()
        );

        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for reply in [
            Reply::garbage("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            Reply::garbage("HTTP/1.1 two hundred\r\n\r\n"),
            Reply::garbage("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"),
            Reply::status(200).cut_before_head(),
            Reply::garbage("HTTP/1.1 200 OK\r\ncontent-ty").cut(),
            Reply::garbage("").reset(),
        ] {
            upstream.next(reply.clone());
            let answer = proxy.client().post("/claude/v1/messages", &body()).await;
            assert_eq!(answer.status, 502, "{reply:?}: {}", answer.text());
            assert_eq!(answer.json()["type"], "error", "{reply:?}");
        }
        // It goes on serving.
        proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
    });
}

#[test]
fn every_answer_of_the_proxy_itself_is_in_the_client_s_format() {
    support::run(async {
        let config = Config::new()
            .base_url(&Upstream::refused().await)
            .toml("server.auth_token = \"house-key-123456\"");
        let proxy = Proxy::start(config).await;
        let text = body().to_string();
        let send = async |target: &str| {
            proxy
                .anonymous()
                .request(Method::POST, target, &[JSON], Bytes::from(text.clone()))
                .await
                .expect(401)
        };
        let anthropic = send("/mock/v1/messages").await.json();
        assert_eq!(
            (&anthropic["type"], &anthropic["error"]["type"]),
            (&json!("error"), &json!("authentication_error"))
        );
        for target in ["/mock/v1/chat/completions", "/mock/v1/responses"] {
            let openai = send(target).await.json();
            assert!(openai["error"]["message"].is_string() && openai["type"].is_null(), "{openai}");
        }
    });
}
