//! The upstream clocks: each ends its wait with an error that names it, and pings do not wind them up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::upstream::anthropic;
use super::support::{self, Config, Proxy, Reply, Upstream};

fn body(stream: bool) -> Value {
    json!({ "model": "m", "max_tokens": 1, "messages": [], "stream": stream })
}

async fn proxy(upstream: &Upstream, setting: &str) -> Proxy {
    Proxy::start(Config::new().upstream(upstream).toml(&format!("upstream.{setting} = \"300ms\""))).await
}

/// A listener whose queue is full answers nobody.
#[cfg(target_os = "linux")]
#[test]
fn the_connect_clock() {
    support::run(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        loop {
            let connecting = tokio::net::TcpStream::connect(address);
            match tokio::time::timeout(Duration::from_millis(200), connecting).await {
                Ok(stream) => queue.push(stream.unwrap()),
                Err(_) => break,
            }
        }
        let config =
            Config::new().base_url(&format!("http://{address}")).toml("upstream.connect_timeout = \"300ms\"");
        let proxy = Proxy::start(config).await;
        let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(504).json();
        assert_eq!(answer["type"], "error");
        assert!(answer["error"]["message"].as_str().unwrap().contains("connect_timeout"), "{answer}");
    });
}

#[test]
fn the_head_clock() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = proxy(&upstream, "head_timeout").await;
        for stream in [false, true] {
            upstream.next(Reply::status(200).stall_before_head());
            let begun = Instant::now();
            let answer = proxy.client().post("/claude/v1/messages", &body(stream)).await.expect(504).json();
            assert!(begun.elapsed() < Duration::from_secs(3));
            assert_eq!(answer["type"], "error");
            assert!(answer["error"]["message"].as_str().unwrap().contains("head_timeout"), "{answer}");
        }
        upstream.request(0).await.closed_after(Instant::now()).await;
        upstream.request(1).await.closed_after(Instant::now()).await;
    });
}

#[test]
fn the_first_data_clock() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = proxy(&upstream, "first_data_timeout").await;
        let ping = anthropic::event("ping", &json!({ "type": "ping" }));
        for reply in [
            Reply::stream::<&str>([]).stall(),
            Reply::stream([": keep-alive\n\n", &ping]).stall(),
            pings(&ping).stall(),
        ] {
            upstream.next(reply);
            let answer = proxy.client().post("/claude/v1/messages", &body(true)).await;
            broken(&answer, "first_data_timeout");
        }
    });
}

#[test]
fn the_data_idle_clock() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = proxy(&upstream, "data_idle_timeout").await;
        let ping = anthropic::event("ping", &json!({ "type": "ping" }));
        let begin = || anthropic::events("cut short").into_iter().take(3).collect::<Vec<_>>();
        let mut masked = Reply::stream(begin());
        for _ in 0..20 {
            masked = masked.pause(Duration::from_millis(100)).bytes(&ping);
        }
        for reply in [Reply::stream(begin()).stall(), masked.stall()] {
            upstream.next(reply);
            let begun = Instant::now();
            let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
            assert!(begun.elapsed() < Duration::from_secs(2), "pings wound the clock up");
            assert!(answer.text().contains("message_start"));
            broken(&answer, "data_idle_timeout");
        }
    });
}

#[test]
fn a_slow_stream_that_goes_on_is_left_alone() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = proxy(&upstream, "data_idle_timeout").await;
        let pieces = anthropic::events("one two three four five six");
        let reply = Reply::stream(&pieces[..1]);
        let slow = |reply: Reply, piece: &String| reply.pause(Duration::from_millis(100)).bytes(piece);
        upstream.next(pieces[1..].iter().fold(reply, slow));
        let answer = proxy.client().post("/claude/v1/messages", &body(true)).await.expect(200);
        assert!(answer.whole);
        assert_eq!(answer.text(), pieces.concat());
    });
}

#[test]
fn a_body_that_is_no_stream_has_clocks_too() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = proxy(&upstream, "data_idle_timeout").await;
        upstream.next(
            Reply::status(200)
                .header("content-type", "application/json")
                .claim_length(100)
                .bytes("{\"a\":")
                .stall(),
        );
        let answer = proxy.client().post("/claude/v1/messages", &body(false)).await;
        assert!(!answer.whole || answer.status == 504, "{} {}", answer.status, answer.text());
    });
}

fn pings(ping: &str) -> Reply {
    (0..20).fold(Reply::stream::<&str>([]), |reply, _| reply.bytes(ping).pause(Duration::from_millis(100)))
}

/// Not finished: an error status, an error event in the client's format, or a broken body; and no `message_stop`.
fn broken(answer: &support::Answer, clock: &str) {
    let text = answer.text();
    assert!(!text.contains("message_stop"), "{text}");
    assert!(!answer.whole || text.contains("\"type\":\"error\""), "{text}");
    assert!(!text.contains("error") || text.contains(clock), "{text}");
}
