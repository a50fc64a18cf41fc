//! Same format in and out: the bytes of both sides are the other side's, and only hop-by-hop headers differ.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::{Value, json};

use super::support::upstream::{Gate, anthropic};
use super::support::{self, Config, Proxy, Reply, Upstream};

#[test]
fn request_bytes_are_not_touched() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let bodies: [&str; 4] = [
            "{\n  \"model\" : \"claude-opus-5-5\",\t\"max_tokens\": 10, \"messages\": []  }\n",
            r#"{"model":"m","max_tokens":12345678901234567890,"x":1.10e+2,"messages":[],"tools":[],"é":"\u00e9\/"}"#,
            r#"{"max_tokens":1,"messages":[{"role":"system","content":"odd"}],"model":"m","unknown":{"a":[]}}"#,
            r#"{"model":"a","model":"b","messages":[]}"#,
        ];
        for (number, body) in bodies.into_iter().enumerate() {
            proxy.client().post_bytes("/claude/v1/messages", body).await.expect(200);
            assert_eq!(String::from_utf8_lossy(&upstream.request(number).await.body), body);
        }
    });
}

#[test]
fn the_query_and_the_client_s_headers_pass() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let headers = [
            ("content-type", "application/json"),
            ("anthropic-beta", "a-2025-01-01,b-2026-01-01"),
            ("anthropic-version", "2023-06-01"),
            ("x-stainless-retry-count", "0"),
            ("x-claude-code-session-id", "562c4548"),
            ("user-agent", "claude-cli/2.1.330 (external, sdk-cli)"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
        ];
        let body = json!({ "model": "m", "max_tokens": 1, "messages": [] }).to_string();
        let target = "/claude/v1/messages?beta=true&x=%2F%20+";
        proxy.client().request(Method::POST, target, &headers, body.into()).await.expect(200);
        let seen = upstream.request(0).await;
        assert_eq!(seen.method(), "POST");
        assert_eq!(seen.target(), "/v1/messages?beta=true&x=%2F%20+");
        for (name, value) in &headers[1..6] {
            assert_eq!(seen.header(name).as_deref(), Some(*value), "{name}");
        }
        assert_eq!(seen.header("x-api-key").as_deref(), Some("sk-test"));
        for name in ["x-hop", "te", "keep-alive", "x-forwarded-for", "via", "transfer-encoding"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
        let host = upstream.url().trim_start_matches("http://").to_owned();
        assert_eq!(seen.header("host"), Some(host));
        assert_eq!(
            seen.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).count(),
            1
        );
    });
}

#[test]
fn what_real_clients_send_arrives_unchanged() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clients");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 10);
        for (number, file) in files.iter().enumerate() {
            let capture: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let query = capture["query"].as_str().filter(|query| !query.is_empty());
            let target = match query {
                Some(query) => format!("{}?{query}", capture["path"].as_str().unwrap()),
                None => capture["path"].as_str().unwrap().to_owned(),
            };
            let body = capture["body"].to_string();
            let sent = headers(&capture);
            let pairs: Vec<(&str, &str)> =
                sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answer = proxy
                .anonymous()
                .request(Method::POST, &format!("/claude{target}"), &pairs, body.clone().into())
                .await;
            assert_eq!(answer.status, 200, "{}: {}", file.display(), answer.text());
            let seen = upstream.request(number).await;
            assert_eq!(seen.target(), target, "{}", file.display());
            assert_eq!(String::from_utf8_lossy(&seen.body), body, "{}", file.display());
            for (name, value) in &sent {
                let streams =
                    capture["body"]["stream"] == true && name.eq_ignore_ascii_case("accept-encoding");
                if !streams {
                    assert_eq!(seen.header(name).as_ref(), Some(value), "{}: {name}", file.display());
                }
            }
        }
    });
}

/// The headers of a capture but for those of its connection, and of browsers, which stay with the proxy.
fn headers(capture: &Value) -> Vec<(String, String)> {
    let own = ["host", "content-length", "connection", "transfer-encoding", "sec-fetch-mode"];
    let pairs = capture["headers"].as_array().unwrap().iter();
    pairs
        .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()))
        .filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()))
        .collect()
}

#[test]
fn stream_bytes_are_not_touched() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let odd = "\u{feff}: hello\n\nevent:message_start\r\ndata:{\"type\":\"message_start\",\r\ndata: \"x\": 1}\r\n\r\nid: 7\nretry: 10\ndata: ü🦀\n\n";
        let streams = [
            anthropic::tool_events(),
            vec![odd.to_owned(), anthropic::event("message_stop", &json!({ "type": "message_stop" }))],
        ];
        for stream in streams {
            let whole = stream.concat();
            // Pieces that split events and characters.
            let pieces: Vec<&[u8]> = whole.as_bytes().chunks(7).collect();
            upstream.next(Reply::stream(pieces).header("request-id", "req_1"));
            let body = json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": true });
            let answer = proxy.client().post("/claude/v1/messages", &body).await.expect(200);
            assert_eq!(answer.text(), whole);
            assert!(answer.whole);
            assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
            assert_eq!(answer.header("request-id"), "req_1");
        }
    });
}

#[test]
fn an_event_is_not_held_back() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let gate = Gate::default();
        let pieces = anthropic::events("slow");
        let reply = Reply::stream(&pieces[..1]).gate(&gate);
        upstream.next(pieces[1..].iter().fold(reply, |reply, piece| reply.bytes(piece)));
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", r#"{"model":"m","max_tokens":1,"messages":[],"stream":true}"#).await;
        assert!(raw.until("message_start").await);
        gate.open();
        let answer = raw.answer().await.expect("an answer");
        assert!(answer.whole);
        assert_eq!(String::from_utf8_lossy(&answer.body), pieces.concat());
    });
}

#[test]
fn answers_keep_status_headers_and_encoding() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(anthropic::message("zipped").to_string().as_bytes()).unwrap();
        let zipped = gzip.finish().unwrap();
        upstream.next(
            Reply::status(200)
                .header("Content-Type", "application/json")
                .header("Content-Encoding", "gzip")
                .header("anthropic-ratelimit-requests-remaining", "3")
                .header("Set-Cookie", "a=1")
                .header("Set-Cookie", "b=2")
                .header("Connection", "x-hop")
                .header("x-hop", "1")
                .header("keep-alive", "timeout=5")
                .bytes(&zipped),
        );
        let headers = [("content-type", "application/json"), ("accept-encoding", "gzip, br")];
        let body = Bytes::from_static(br#"{"model":"m","max_tokens":1,"messages":[]}"#);
        let answer =
            proxy.client().request(Method::POST, "/claude/v1/messages", &headers, body).await.expect(200);
        assert_eq!(answer.body, zipped);
        assert_eq!(answer.header("content-encoding"), "gzip");
        assert_eq!(answer.header("anthropic-ratelimit-requests-remaining"), "3");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
        for name in ["x-hop", "keep-alive"] {
            assert!(!answer.headers.contains_key(name), "{name}");
        }
        assert_eq!(upstream.request(0).await.header("accept-encoding").as_deref(), Some("gzip, br"));
    });
}

#[test]
fn every_framing_of_an_answer_arrives_whole() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let message = anthropic::message("framed").to_string();
        let json = || Reply::status(200).header("content-type", "application/json");
        let pieces = [&message[..10], &message[10..]];
        for reply in [
            json().bytes(pieces[0]).bytes(pieces[1]),
            json().chunked().bytes(pieces[0]).bytes(pieces[1]),
            json().close_delimited().bytes(pieces[0]).bytes(pieces[1]),
        ] {
            upstream.next(reply);
            let body = json!({ "model": "m", "max_tokens": 1, "messages": [] });
            let answer = proxy.client().post("/claude/v1/messages", &body).await.expect(200);
            assert_eq!(answer.text(), message);
        }
    });
}

#[test]
fn other_routes_pass_too() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "count" }] });
        let count =
            proxy.client().post("/claude/v1/messages/count_tokens?beta=true", &body).await.expect(200);
        assert_eq!(count.json()["input_tokens"], 42);
        assert_eq!(
            proxy.client().get("/claude/v1/models?limit=5").await.expect(200).json(),
            anthropic::models()
        );
        assert_eq!(upstream.request(0).await.target(), "/v1/messages/count_tokens?beta=true");
        assert_eq!(upstream.request(1).await.target(), "/v1/models?limit=5");
    });
}

#[test]
fn one_connection_serves_many_requests() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let body = json!({ "model": "m", "max_tokens": 1, "messages": [] });
        for _ in 0..5 {
            proxy.client().post("/claude/v1/messages", &body).await.expect(200);
        }
        assert_eq!(upstream.connections(), 1);
    });
}
