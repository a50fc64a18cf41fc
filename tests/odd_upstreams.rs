//! Providers that speak HTTP in odd ways, or not at all; and the proxies on the way to them.

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream};

fn body() -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": true })
}

/// What the client gets.
enum Want {
    /// This status, whole, with these bytes.
    Passes(u16, String),
    /// An error of the proxy's own, in the client's format.
    Error(u16, &'static str),
    /// The status came already: one error event after what there was, or a broken body.
    Breaks(&'static str),
}
use Want::{Breaks, Error, Passes};

fn sse() -> Reply {
    Reply::status(200).header("content-type", "text/event-stream")
}

fn rows() -> Vec<(&'static str, Reply, Want)> {
    let whole = anthropic::events("whole").concat();
    let first = anthropic::events("first")[0].clone();
    let raw = |text: &str| Reply::garbage(text);
    let passes = |status, text: &str| Passes(status, text.to_owned());
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    vec![
        ("a stream with a length", sse().bytes(&whole), passes(200, &whole)),
        (
            "one that is too short",
            sse().claim_length(whole.len() + 9).bytes(&whole).cut(),
            passes(200, &whole),
        ),
        ("one cut at an event", sse().claim_length(9999).bytes(&first).cut(), Breaks("broke its answer off")),
        ("an empty stream with a length", sse(), Breaks("before its last event")),
        ("an empty stream in chunks", sse().chunked(), Breaks("before its last event")),
        ("an empty stream until the close", sse().close_delimited(), Breaks("before its last event")),
        (
            "a stream that says it is not compressed",
            sse().header("content-encoding", "identity").close_delimited().bytes(&first),
            Breaks("before its last event"),
        ),
        (
            "trailers",
            raw(&format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n{}0\r\nx: 1\r\ncontent-length: 5\r\n\r\n",
                chunk(&whole)
            )),
            passes(200, &whole),
        ),
        (
            "early hints",
            raw(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            ),
            passes(200, "{}"),
        ),
        (
            "a length beside a coding",
            raw(&format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
                chunk("{}")
            )),
            passes(200, "{}"),
        ),
        (
            "more than was promised",
            raw(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
            ),
            passes(200, "{}"),
        ),
        ("HTTP/1.0", raw("HTTP/1.0 200 OK\r\n\r\n{}").cut(), passes(200, "{}")),
        ("204", raw("HTTP/1.1 204 No Content\r\n\r\n"), passes(204, "")),
        ("304", raw("HTTP/1.1 304 Not Modified\r\n\r\n"), passes(304, "")),
        ("a redirect", Reply::status(307).header("location", "http://127.0.0.1:1/"), passes(307, "")),
        ("407 of a provider", Reply::status(407).bytes("{}"), passes(407, "{}")),
        (
            "101",
            raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello").stall(),
            Error(502, "switched protocols"),
        ),
        ("HTTP/0.9", raw("<html>").cut(), Error(502, "not an HTTP answer")),
        ("HTTP/2", raw("\0\0\u{12}\u{4}\0\0\0\0\0").stall(), Error(502, "not an HTTP answer")),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
            Error(502, "not an HTTP answer"),
        ),
        (
            "a folded field",
            raw("HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
            Error(502, "not an HTTP answer"),
        ),
        (
            "a space before the colon",
            raw("HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n"),
            Error(502, "not an HTTP answer"),
        ),
        (
            "many fields",
            raw(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200))),
            Error(502, "not an HTTP answer"),
        ),
        (
            "a huge field",
            raw(&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(900_000))),
            Error(502, "not an HTTP answer"),
        ),
    ]
}

#[test]
fn each_gets_its_answer_and_one_line_and_the_next_request_is_served() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        for (name, reply, want) in rows() {
            upstream.next(reply);
            let before = proxy.log().lines().count();
            let answer = proxy.client().post("/claude/v1/messages", &body()).await;
            let text = answer.text();
            let said = match want {
                Passes(status, expected) => {
                    assert_eq!((answer.status.as_u16(), answer.whole), (status, true), "{name}: {text}");
                    assert_eq!(text, expected, "{name}");
                    None
                }
                Error(status, said) => {
                    assert_eq!(answer.status, status, "{name}: {text}");
                    assert_eq!(answer.json()["type"], "error", "{name}: {text}");
                    assert!(text.contains(said), "{name}: {text}");
                    Some(said)
                }
                Breaks(said) => {
                    assert_eq!(answer.status, 200, "{name}: {text}");
                    assert!(!answer.whole || text.contains("event: error"), "{name}: {text}");
                    assert!(answer.header("content-length").is_empty(), "{name}");
                    Some(said)
                }
            };
            // A success comes after it: by then the line has been written.
            let good = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
            assert_eq!(good.text(), anthropic::events("Hello from upstream").concat(), "after {name}");
            if let Some(said) = said {
                proxy.logged(said).await;
            }
            let log = proxy.log();
            let lines: Vec<&str> = log.lines().skip(before).collect();
            assert_eq!(lines.len(), usize::from(said.is_some()), "{name}: {lines:?}");
        }
    });
}

#[test]
fn a_refusal_before_the_request_is_read_reaches_the_client() {
    support::run(async {
        let address = early().await;
        let proxy = Proxy::start(Config::new().base_url(&format!("http://{address}"))).await;
        let large = format!("{{\"model\":\"m\",\"messages\":[],\"x\":\"{}\"}}", "x".repeat(8 << 20));
        for _ in 0..5 {
            let answer = proxy.client().post_bytes("/claude/v1/messages", large.clone()).await.expect(413);
            assert_eq!(answer.json()["error"]["type"], "request_too_large");
        }
    });
}

/// Answers when it has seen the head, and closes.
async fn early() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 1024]).await;
            let error = anthropic::error("request_too_large", "too large").to_string();
            let head = format!(
                "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                error.len()
            );
            let _ = socket.write_all((head + &error).as_bytes()).await;
        }
    });
    address
}

#[test]
fn a_compressed_stream_passes_however_slowly() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new()
            .upstream(&upstream)
            .toml("upstream.first_data_timeout = \"400ms\"")
            .toml("upstream.data_idle_timeout = \"400ms\"");
        let proxy = Proxy::start(config).await;
        let pieces: Vec<[u8; 2]> = (0..8).map(|number| [0x1f, number]).collect();
        let reply = sse().header("content-encoding", "gzip").chunked();
        let slowly = std::time::Duration::from_millis(100);
        upstream.next(pieces.iter().fold(reply, |reply, piece| reply.bytes(piece).pause(slowly)));
        let answer = proxy.client().post("/claude/v1/messages", &body()).await.expect(200);
        assert!(answer.whole, "{}", proxy.log());
        assert_eq!(answer.body, pieces.concat());
    });
}

#[test]
fn answers_never_reach_another_client() {
    support::run(async {
        let upstream = Upstream::with(|request| {
            let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
            Reply::stream([anthropic::start(), anthropic::text_delta(&model)])
                .bytes(anthropic::event("message_stop", &json!({ "type": "message_stop" })))
        })
        .await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let client = |number: u32| {
            let address = proxy.address();
            async move {
                for turn in 0..40 {
                    let canary = format!("canary-{number}-{turn}-");
                    let text = json!({ "model": canary, "messages": [], "stream": true }).to_string();
                    let mut raw = support::Raw::connect(address).await;
                    raw.post("/claude/v1/messages", &text).await;
                    // Some leave at once, some in the middle of the answer.
                    match (number * 7 + turn * 3) % 10 {
                        0 => continue,
                        1 => {
                            raw.until("message_start").await;
                            continue;
                        }
                        _ => {}
                    }
                    let answer = raw.answer().await.expect("an answer");
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(answer.whole && text.contains(&canary), "{canary}: {text}");
                    assert_eq!(text.matches("canary").count(), 1, "{canary}: {text}");
                }
            }
        };
        futures_all((0..8).map(client)).await;
    });
}

async fn futures_all<F: Future<Output = ()> + Send + 'static>(futures: impl Iterator<Item = F>) {
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn proxies_on_the_way_are_used_and_their_refusals_told() {
    support::run(async {
        let way = Upstream::with(|request| {
            let login = request.header("proxy-authorization").is_some();
            match (request.method().as_str(), login) {
                ("CONNECT", true) => Reply::status(503),
                (_, false) => Reply::status(407).header("proxy-authenticate", "Basic").bytes("log in"),
                _ => Reply::json(200, &anthropic::message("through the proxy")),
            }
        })
        .await;
        let with = way.url().replace("//", "//user:pa55word@");
        let (plain, tls) = ("http://api.invalid", "https://api.invalid");
        let refused = Upstream::refused().await;
        let rows = [
            (plain, "HTTP_PROXY", with.clone(), 200, "through the proxy"),
            (plain, "http_proxy", with.clone(), 200, "through the proxy"),
            (plain, "ALL_PROXY", with.clone(), 200, "through the proxy"),
            (plain, "HTTP_PROXY", way.url(), 502, "asks for a login"),
            (tls, "HTTPS_PROXY", way.url(), 502, "asks for a login"),
            (tls, "HTTPS_PROXY", with.clone(), 502, "opened no tunnel"),
            (tls, "HTTPS_PROXY", refused.clone(), 502, "through the proxy"),
            (tls, "HTTPS_PROXY", "https://user:pa55word@127.0.0.1:1".to_owned(), 502, "HTTPS_PROXY"),
            (tls, "HTTPS_PROXY", "socks4://user:pa55word@127.0.0.1:1".to_owned(), 502, "HTTPS_PROXY"),
        ];
        for (base, variable, value, status, said) in rows {
            let proxy = Proxy::start(Config::new().base_url(base).env(variable, &value)).await;
            let answer = proxy.client().post("/claude/v1/messages", &body()).await;
            let text = answer.text();
            assert_eq!(answer.status, status, "{variable}={value}: {text}");
            assert!(text.contains(said), "{variable}={value}: {text}");
            assert!(!(proxy.log() + &text).contains("pa55word"), "{}", proxy.log());
        }
        let seen = way.request(0).await;
        assert_eq!(seen.target(), "http://api.invalid/v1/messages");
        assert_eq!(seen.header("host").as_deref(), Some("api.invalid"));
    });
}

#[test]
fn no_proxy_is_heard() {
    support::run(async {
        let upstream = Upstream::start().await;
        let refused = Upstream::refused().await;
        for (except, status) in
            [("127.0.0.1", 200), ("example.com, 127.0.0.0/8", 200), ("*", 200), ("example.com", 502)]
        {
            let config =
                Config::new().upstream(&upstream).env("HTTP_PROXY", &refused).env("NO_PROXY", except);
            let proxy = Proxy::start(config).await;
            proxy.client().post("/claude/v1/messages", &body()).await.expect(status);
        }
    });
}
