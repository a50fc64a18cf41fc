//! Responses over a websocket: warm-up, new items only, errors, cuts, limits, the guard, the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::support::socket::{Heard, Socket, create, kinds, upgrade};
use super::support::upstream::secure::Certificates;
use super::support::upstream::{Gate, Recorded, responses};
use super::support::wait::within;
use super::support::{self, Client, Config, Proxy, Reply, Upstream, eventually};

const TARGET: &str = "/codex/v1/responses";
const LOGIN: &str =
    "authorization: Bearer own-token\r\nchatgpt-account-id: acct-own\r\nx-codex-window-id: w:0\r\n";

fn config(upstream: &Upstream) -> Config {
    Config::new().toml(&format!("plugins.codex.base_url = \"{}/codex\"", upstream.url()))
}

async fn house() -> (Upstream, Proxy) {
    let upstream = Upstream::with(responses::answer).await;
    let proxy = Proxy::start(config(&upstream)).await;
    (upstream, proxy)
}

async fn open(proxy: &Proxy) -> Socket {
    Socket::open(proxy.address(), TARGET, LOGIN).await
}

fn user(text: &str) -> Value {
    json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
}

#[test]
fn a_warm_up_then_a_loop_of_new_items_only() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let mut warm = create(&json!([user("instructions")]));
        warm["generate"] = false.into();
        let warmed = socket.say(&warm).await.answer().await;
        assert_eq!(kinds(&warmed), ["response.created", "response.completed"]);
        assert_eq!(warmed[1]["response"]["output"], json!([]));
        assert!(upstream.requests().is_empty(), "a warm-up asks nobody");

        let events = responses::tool("resp_a", "call_1", "shell", &json!({ "command": "ls" }));
        upstream.next(responses::named(Reply::stream(&events)));
        let first = socket.follow(&warmed[1]["response"]["id"], &json!([user("list")])).await;
        assert_eq!(first[0]["type"], "response.metadata");
        assert_eq!(first[0]["headers"]["x-codex-turn-state"], responses::TURN_STATE);
        // Each event as it was, one a message.
        let told: Vec<String> =
            events.iter().map(|event| event.split_once("data: ").unwrap().1.trim().to_owned()).collect();
        assert_eq!(first[1..].iter().map(Value::to_string).collect::<Vec<_>>().len(), told.len());
        for (message, event) in first[1..].iter().zip(&told) {
            assert_eq!(*message, serde_json::from_str::<Value>(event).unwrap());
        }
        let output = json!({ "type": "function_call_output", "call_id": "call_1", "output": "etc" });
        let second = socket.follow(&json!("resp_a"), &json!([output])).await;
        assert_eq!(second.last().unwrap()["response"]["id"], "resp_1");

        let (one, two) = (upstream.request(0).await, upstream.request(1).await);
        assert_eq!(one.json()["input"], json!([user("instructions"), user("list")]));
        let input = two.json()["input"].clone();
        let types: Vec<&str> =
            input.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(
            types,
            ["message", "message", "reasoning", "message", "function_call", "function_call_output"]
        );
        assert_eq!(input[2]["encrypted_content"], "c2VhbGVk");
        for (request, state) in [(&one, None), (&two, Some(responses::TURN_STATE))] {
            let body = request.json();
            assert_eq!((&body["stream"], &body["store"]), (&json!(true), &json!(false)));
            for key in ["type", "generate", "previous_response_id"] {
                assert_eq!(body.get(key), None, "{key}");
            }
            assert_eq!((request.method(), request.target()), ("POST".into(), "/codex/responses".into()));
            assert_eq!(request.header("authorization").as_deref(), Some("Bearer own-token"));
            assert_eq!(request.header("chatgpt-account-id").as_deref(), Some("acct-own"));
            assert_eq!(request.header("x-codex-window-id").as_deref(), Some("w:1"), "the newer one");
            assert_eq!(request.header("x-codex-turn-state").as_deref(), state);
            for name in ["upgrade", "sec-websocket-key", "sec-websocket-extensions", "openai-beta"] {
                assert_eq!(request.header(name), None, "{name}");
            }
        }
    });
}

#[test]
fn an_answer_that_nobody_knows_is_asked_for_whole() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let refused = socket.follow(&json!("resp_unknown"), &json!([user("more")])).await;
        assert_eq!(
            (&refused[0]["status"], &refused[0]["error"]["code"]),
            (&json!(400), &json!("previous_response_not_found"))
        );
        // The socket lives on.
        let answer = socket.create(&json!([user("all")])).await;
        assert_eq!(answer.last().unwrap()["type"], "response.completed");
        // What another socket said is not known here.
        let mut other = open(&proxy).await;
        let refused = other.follow(&json!("resp_1"), &json!([user("more")])).await;
        assert_eq!(refused[0]["error"]["code"], "previous_response_not_found");
        for message in ["nonsense", "[]", "{\"type\":\"response.cancel\"}"] {
            let refused = socket.send(Message::text(message)).await.answer().await;
            assert_eq!(refused[0]["status"], 400, "{message}");
        }
        assert_eq!(upstream.requests().len(), 1);
    });
}

#[test]
fn refusals_are_messages_with_status_and_header_fields() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        for (status, body, headers, after) in [
            (
                429,
                responses::error("rate_limit_exceeded", "slow down"),
                &[("retry-after", "7")][..],
                Some("7"),
            ),
            (
                429,
                json!({ "error": { "type": "usage_limit_reached", "message": "m", "resets_in_seconds": 60 } }),
                &[],
                Some("60"),
            ),
            (401, json!({ "detail": "Unauthorized" }), &[], None),
            (500, responses::error("server_error", "oops"), &[], None),
            (503, json!("<html>"), &[("retry-after", "1")], Some("1")),
        ] {
            let reply = Reply::json(status, &body).header("x-codex-primary-used-percent", "100");
            upstream.next(headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value)));
            let refused = socket.create(&json!([user("hi")])).await;
            assert_eq!(kinds(&refused), ["error"]);
            assert_eq!(refused[0]["status"], status);
            assert_eq!(refused[0]["headers"]["retry-after"].as_str(), after, "{refused:?}");
            assert_eq!(refused[0]["headers"]["x-codex-primary-used-percent"], "100");
            match body.get("error") {
                Some(error) => assert_eq!(refused[0]["error"], *error),
                None => assert!(refused[0]["error"]["message"].is_string(), "{refused:?}"),
            }
        }
        // A request that cannot be taken never leaves.
        let mut message = create(&json!([]));
        message["conversation"] = json!("c");
        let refused = socket.say(&message).await.answer().await;
        assert_eq!(refused[0]["status"], 400);
        let mut bare = Socket::open(proxy.address(), TARGET, "").await;
        assert_eq!(bare.create(&json!([])).await[0]["status"], 401);
        // A failed answer is an answer.
        upstream.next(Reply::stream(responses::failed("server_is_overloaded", "busy")));
        assert_eq!(kinds(&socket.create(&json!([])).await).last(), Some(&"response.failed"));
        assert_eq!(socket.create(&json!([])).await.last().unwrap()["type"], "response.completed");
    });
}

#[test]
fn a_key_that_was_revoked_is_no_good_over_an_open_socket_either() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let (code, out, errors) = proxy.cli(&["keys", "create", "desk", "--json"]).await;
        assert_eq!(code, 0, "{errors}");
        let key = serde_json::from_str::<Value>(&out).unwrap()["key"].as_str().unwrap().to_owned();
        eventually("the key to count", async || {
            (proxy.anonymous().get("/plugins").await.status == 401).then_some(())
        })
        .await;
        let lines = format!("x-api-key: {key}\r\n{LOGIN}");
        let mut socket = Socket::open(proxy.address(), TARGET, &lines).await;
        assert_eq!(socket.create(&json!([user("hi")])).await.last().unwrap()["type"], "response.completed");
        let before = upstream.requests().len();
        assert_eq!(proxy.cli(&["keys", "revoke", "desk", "--yes"]).await.0, 0);
        eventually("the key to be useless", async || {
            let client = Client::new(proxy.address()).header("x-api-key", &key);
            (client.get("/plugins").await.status == 401).then_some(())
        })
        .await;
        let refused = socket.create(&json!([user("hi again")])).await;
        assert_eq!((kinds(&refused), &refused[0]["status"]), (vec!["error"], &json!(401)));
        assert!(refused[0].to_string().contains("no longer good"), "{refused:?}");
        assert_eq!(upstream.requests().len(), before);
    });
}

#[test]
fn a_cut_answer_is_told_and_never_completed() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let events = responses::text("resp_cut", "Hello");
        let half = &events[5][..events[5].len() / 2];
        for reply in [
            Reply::stream(&events[..5]).cut(),
            Reply::stream(&events[..5]).reset(),
            Reply::stream(&events[..5]),
            Reply::stream(&events[..5]).bytes(half).cut(),
            Reply::stream::<&str>([]),
            Reply::status(200).cut_before_head(),
            Reply::json(200, &json!({ "not": "a response" })),
        ] {
            upstream.next(reply.clone());
            let told = socket.create(&json!([user("hi")])).await;
            let last = told.last().unwrap();
            assert_eq!(last["type"], "error", "{reply:?}");
            assert!(
                last["status"].as_u64().unwrap() >= 500 && last["error"]["message"].is_string(),
                "{last}"
            );
        }
        let refused = socket.follow(&json!("resp_cut"), &json!([])).await;
        assert_eq!(refused[0]["error"]["code"], "previous_response_not_found");
    });
}

#[test]
fn a_whole_answer_becomes_messages() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let body =
            json!({ "id": "resp_w", "object": "response", "status": "completed", "output": [user("x")] });
        upstream.next(Reply::json(200, &body));
        let told = socket.create(&json!([user("hi")])).await;
        assert_eq!(kinds(&told), ["response.output_item.done", "response.completed"]);
        socket.follow(&json!("resp_w"), &json!([])).await;
        assert_eq!(upstream.request(1).await.json()["input"], json!([user("hi"), user("x")]));
    });
}

#[test]
fn a_client_that_leaves_cancels_the_upstream() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let stalled = || Reply::stream(&responses::text("resp_1", "x")[..3]).stall();
        for way in 0..3 {
            let mut socket = open(&proxy).await;
            upstream.next(if way == 2 { Reply::status(200).stall_before_head() } else { stalled() });
            socket.say(&create(&json!([user("hi")]))).await;
            let seen = upstream.request(way).await;
            if way < 2 {
                assert_eq!(socket.message().await["type"], "response.created");
            }
            let left = Instant::now();
            if way == 0 {
                let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
                socket.send(Message::Close(Some(frame))).await;
            } else {
                drop(socket);
            }
            let after = seen.closed_after(left).await;
            assert!(after < Duration::from_secs(2), "the upstream was held for {after:?}");
        }
        proxy.logged("the client left").await;
    });
}

#[test]
fn close_frames_and_pings_are_answered() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let gate = Gate::default();
        let events = responses::text("resp_1", "x");
        let reply = events[2..]
            .iter()
            .fold(Reply::stream(&events[..2]).gate(&gate), |reply, event| reply.bytes(event));
        upstream.next(reply);
        socket.say(&create(&json!([]))).await;
        assert_eq!(socket.message().await["type"], "response.created");
        socket.send(Message::Ping(b"still there?"[..].into())).await;
        assert_eq!(socket.message().await["type"], "response.in_progress");
        assert_eq!(socket.pong().await, b"still there?", "in the middle of an answer, too");
        gate.open();
        assert_eq!(kinds(&socket.answer().await).last(), Some(&"response.completed"));
        let frame = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
        socket.send(Message::Close(Some(frame))).await;
        assert_eq!(socket.hear().await, Heard::Close(1000, "done".into()));
        assert_eq!(socket.hear().await, Heard::End);
    });
}

#[test]
fn requests_wait_for_each_other_but_not_without_end() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let gate = Gate::default();
        upstream.next(Reply::stream([""]).gate(&gate).bytes(responses::text("resp_a", "a").concat()));
        for text in ["a", "b", "c"] {
            socket.say(&create(&json!([user(text)]))).await;
        }
        upstream.request(0).await;
        assert_eq!(upstream.requests().len(), 1);
        gate.open();
        for (place, text) in ["a", "b", "c"].iter().enumerate() {
            assert_eq!(kinds(&socket.answer().await).last(), Some(&"response.completed"));
            assert_eq!(upstream.request(place).await.json()["input"][0]["content"][0]["text"], *text);
        }
        upstream.next(Reply::status(200).stall_before_head());
        for _ in 0..12 {
            socket.say(&create(&json!([]))).await;
        }
        assert!(matches!(socket.hear().await, Heard::Close(1008, _)));
    });
}

#[test]
fn what_is_not_the_protocol_ends_it_with_the_right_code() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let proxy = Proxy::start(config(&upstream).toml("server.max_body = \"64KiB\"")).await;
        let mut socket = open(&proxy).await;
        socket.send(Message::binary(b"x".to_vec())).await;
        assert!(matches!(socket.hear().await, Heard::Close(1003, _)));
        let mut socket = open(&proxy).await;
        socket.send(Message::text("x".repeat(70_000))).await;
        assert!(matches!(socket.hear().await, Heard::Close(1009, _)));
        // A claim of 2^40 bytes; a frame without a mask; text that is not UTF-8; a reserved bit.
        for (bytes, code) in [
            (&b"\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"[..], 1009),
            (b"\x81\x02{}", 1002),
            (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
            (b"\xc1\x81\x00\x00\x00\x00x", 1002),
        ] {
            let mut socket = open(&proxy).await;
            socket.send_bytes(bytes).await;
            let heard = socket.hear().await;
            assert!(matches!(&heard, Heard::Close(told, _) if *told == code), "{bytes:?}: {heard:?}");
        }
        // A conversation that grows over the limit is asked for again, and a message of the right size still passes.
        let mut socket = open(&proxy).await;
        let large = json!([user(&"x".repeat(40_000))]);
        let id = socket.create(&large).await.last().unwrap()["response"]["id"].clone();
        upstream.next(Reply::stream(responses::text("resp_b", "b")));
        let told = socket.follow(&id, &large).await;
        assert_eq!(told.last().unwrap()["type"], "response.completed");
        let refused = socket.follow(&json!("resp_b"), &json!([])).await;
        assert_eq!(refused[0]["error"]["code"], "previous_response_not_found");
    });
}

/// Frames cut anywhere, messages cut into frames with a ping between: they are what they are whole.
#[test]
fn pieces_of_frames_and_of_messages_are_put_together() {
    support::run(async {
        let (upstream, proxy) = house().await;
        let mut socket = open(&proxy).await;
        let text = create(&json!([user("in pieces – ünïcödé")])).to_string();
        let mut bytes = Vec::new();
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(50).collect();
        for (place, piece) in pieces.iter().enumerate() {
            let last = if place + 1 == pieces.len() { 0x80 } else { 0 };
            bytes.extend([last | u8::from(place == 0), 0x80 | piece.len() as u8, 0, 0, 0, 0]);
            bytes.extend_from_slice(piece);
            if place == 1 {
                bytes.extend([0x89, 0x80, 0, 0, 0, 0]);
            }
        }
        for piece in bytes.chunks(7) {
            socket.send_bytes(piece).await;
        }
        assert_eq!(kinds(&socket.answer().await).last(), Some(&"response.completed"));
        assert_eq!(upstream.request(0).await.json()["input"][0], user("in pieces – ünïcödé"));
    });
}

#[test]
fn it_works_over_tls() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let certificates = Certificates::new();
        let config = config(&upstream)
            .toml(&format!("server.tls.certificate = {:?}", certificates.file("cert.pem")))
            .toml(&format!("server.tls.key = {:?}", certificates.file("key.pem")));
        let proxy = Proxy::start(config).await;
        let connector = tokio_rustls::TlsConnector::from(certificates.client(&[b"http/1.1"]));
        let stream = TcpStream::connect(proxy.address()).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = within("a handshake", connector.connect(name, stream)).await.unwrap();
        let mut socket = Socket::over(stream, TARGET, LOGIN).await;
        let told = socket.create(&json!([user("hi")])).await;
        assert_eq!(kinds(&told).last(), Some(&"response.completed"));
        let told = socket.follow(&json!("resp_1"), &json!([user("more")])).await;
        assert_eq!(kinds(&told).last(), Some(&"response.completed"));
    });
}

/// The first message may come before the answer to the upgrade is read.
#[test]
fn a_client_need_not_wait_for_the_upgrade() {
    support::run(async {
        let (_upstream, proxy) = house().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let text = create(&json!([])).to_string();
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let mut bytes = upgrade(TARGET, LOGIN).into_bytes();
        bytes.extend([0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0]);
        bytes.extend_from_slice(text.as_bytes());
        stream.write_all(&bytes).await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("response.completed") {
            let count = within("an answer", stream.read_buf(&mut heard)).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        }
    });
}

#[test]
fn a_silent_socket_is_closed_in_time() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let proxy = Proxy::start(config(&upstream).toml("server.websocket_idle_timeout = \"300ms\"")).await;
        let mut socket = open(&proxy).await;
        let gate = Gate::default();
        upstream.next(Reply::stream([""]).gate(&gate).bytes(responses::text("resp_1", "x").concat()));
        let opened = Instant::now();
        socket.say(&create(&json!([]))).await;
        upstream.request(0).await;
        // An answer takes as long as it takes.
        tokio::time::sleep(Duration::from_millis(500)).await;
        gate.open();
        assert_eq!(kinds(&socket.answer().await).last(), Some(&"response.completed"));
        assert!(opened.elapsed() > Duration::from_millis(500));
        assert!(matches!(socket.hear().await, Heard::Close(1000, _)));
    });
}

#[test]
fn the_drain_lets_answers_end_and_closes_the_idle() {
    support::run(async {
        let (upstream, mut proxy) = house().await;
        let (mut idle, mut busy) = (open(&proxy).await, open(&proxy).await);
        let gate = Gate::default();
        let events = responses::text("resp_1", "to the end");
        let reply = events[2..]
            .iter()
            .fold(Reply::stream(&events[..2]).gate(&gate), |reply, event| reply.bytes(event));
        upstream.next(reply);
        busy.say(&create(&json!([]))).await;
        assert_eq!(busy.message().await["type"], "response.created");
        proxy.terminate();
        assert!(matches!(idle.hear().await, Heard::Close(1001, _)));
        gate.open();
        assert_eq!(kinds(&busy.answer().await).last(), Some(&"response.completed"));
        assert!(matches!(busy.hear().await, Heard::Close(1001, _)));
        assert!(proxy.ended().await.success());
    });
}

#[test]
fn the_second_signal_ends_it_where_it_stands() {
    support::run(async {
        let (upstream, mut proxy) = house().await;
        let mut socket = open(&proxy).await;
        upstream.next(Reply::stream(&responses::text("resp_1", "x")[..2]).stall());
        socket.say(&create(&json!([]))).await;
        assert_eq!(socket.message().await["type"], "response.created");
        proxy.terminate();
        proxy.logged("drain").await;
        proxy.terminate();
        proxy.ended().await;
    });
}

#[test]
fn the_guard_stands_before_the_upgrade() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let proxy = Proxy::start(config(&upstream).toml("server.auth_token = \"house-key-123456\"")).await;
        let status = async |request: String| {
            let head = Socket::ask(proxy.address(), &request).await;
            head.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
        };
        let key = "x-api-key: house-key-123456\r\n";
        assert_eq!(status(upgrade(TARGET, "")).await, 401);
        assert_eq!(status(upgrade(TARGET, "authorization: Bearer wrong\r\n")).await, 401);
        assert_eq!(status(upgrade(TARGET, &format!("{key}origin: https://evil.example\r\n"))).await, 403);
        assert_eq!(status(upgrade(TARGET, key).replace("host: localhost", "host: evil.example")).await, 421);
        assert_eq!(status(upgrade(TARGET, key).replace("version: 13", "version: 8")).await, 426);
        assert_eq!(status(upgrade(TARGET, key).replace("NhbXBsZSBub25jZQ==", "")).await, 400);
        assert_eq!(status(upgrade("/codex/v1/nothing", key)).await, 404);
        assert_eq!(status(upgrade("/codex/v1/messages", key)).await, 426);
        assert_eq!(
            status(upgrade("/codex/v1/models", &format!("{key}{LOGIN}"))).await,
            200,
            "an upgrade may be ignored"
        );
        // The key of the proxy opens the socket, and does not travel on; the client's own credential does.
        let lines = format!("{key}{LOGIN}");
        let mut socket = Socket::open(proxy.address(), TARGET, &lines).await;
        assert_eq!(kinds(&socket.create(&json!([])).await).last(), Some(&"response.completed"));
        let seen = upstream.requests().pop().unwrap();
        assert_eq!(
            (seen.header("x-api-key"), seen.header("authorization").as_deref()),
            (None, Some("Bearer own-token"))
        );
    });
}

#[test]
fn turned_off_it_is_told_to_come_by_http() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        for line in ["server.websockets = false", "plugins.codex.websocket = false"] {
            let proxy = Proxy::start(config(&upstream).toml(line)).await;
            let head = Socket::ask(proxy.address(), &upgrade(TARGET, LOGIN)).await;
            assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
        }
        // HTTP/2 has another way to a websocket, which is not taken here.
        let proxy = Proxy::start(config(&upstream)).await;
        let client = Client::http2(proxy.address()).header("authorization", "Bearer own-token");
        let body = json!({ "model": "m", "input": "hi", "stream": true });
        assert_eq!(client.post(TARGET, &body).await.expect(200).version, http::Version::HTTP_2);
    });
}

#[test]
fn each_message_is_an_exchange_with_plugins_and_reloads() {
    support::run(async {
        let upstream = Upstream::with(responses::answer).await;
        let script = |word: &str| {
            format!(
                r#"return {{ name = "watch", version = "1.0.0", description = "looks",
                middleware = {{ {{ layer = "application", body = "write",
                    request = function(req) if req.body:get("model") == "no" then return ccproxy.error(429, "rate_limit_error", "enough", {{ ["retry-after"] = "9" }}) end
                        req.headers["x-word"] = "{word}" end,
                    event = function(req, ev) if ev.name == "response.in_progress" then return ccproxy.DROP end end }} }},
                hooks = {{ ["request.completed"] = function(event) ccproxy.log.info("completed " .. event.method .. " " .. event.path .. " " .. tostring(event.usage.output_tokens)) end }} }}"#
            )
        };
        let proxy = Proxy::start(config(&upstream).script("watch", &script("one"))).await;
        let mut socket = open(&proxy).await;
        let told = socket.create(&json!([user("hi")])).await;
        assert!(!kinds(&told).contains(&"response.in_progress"), "{:?}", kinds(&told));
        assert_eq!(told.last().unwrap()["type"], "response.completed");
        proxy.logged("completed POST /codex/v1/responses 7").await;
        let mut message = create(&json!([]));
        message["model"] = "no".into();
        let refused = socket.say(&message).await.answer().await;
        assert_eq!(
            (&refused[0]["status"], &refused[0]["headers"]["retry-after"]),
            (&json!(429), &json!("9"))
        );
        // The socket outlives a reload, and its next request meets the new code.
        proxy.save("watch", &script("two")).await;
        socket.create(&json!([])).await;
        let words: Vec<Option<String>> =
            upstream.requests().iter().map(|seen: &std::sync::Arc<Recorded>| seen.header("x-word")).collect();
        assert_eq!(words, [Some("one".to_owned()), Some("two".to_owned())]);
    });
}

#[test]
fn many_sockets_and_their_ends_leave_nothing_behind() {
    support::run(async {
        let (upstream, proxy) = house().await;
        for _ in 0..20 {
            let mut sockets = Vec::new();
            for _ in 0..5 {
                sockets.push(open(&proxy).await);
            }
            for socket in &mut sockets {
                socket.create(&json!([user("hi")])).await;
            }
        }
        assert_eq!(upstream.requests().len(), 100);
        eventually("no open socket", async || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().count();
            (open < 40).then_some(())
        })
        .await;
    });
}
