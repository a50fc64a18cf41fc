//! The first signal lets exchanges finish, the second ends them.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::support::upstream::{Gate, anthropic};
use super::support::{self, Config, Proxy, Reply, Upstream, eventually};

const STREAM: &str = r#"{"model":"m","max_tokens":1,"messages":[],"stream":true}"#;

#[test]
fn an_idle_proxy_ends_at_once() {
    support::run(async {
        let proxy = Proxy::start(Config::new()).await;
        let _idle = proxy.raw().await;
        let begun = Instant::now();
        proxy.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn streams_finish_and_new_connections_are_refused() {
    support::run(async {
        let upstream = Upstream::start().await;
        let mut proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let gate = Gate::default();
        let pieces = anthropic::events("to the end");
        let mut streams = Vec::new();
        for _ in 0..20 {
            let reply = Reply::stream(&pieces[..2]).gate(&gate);
            upstream.next(pieces[2..].iter().fold(reply, |reply, piece| reply.bytes(piece)));
            let mut raw = proxy.raw().await;
            raw.post("/claude/v1/messages", STREAM).await;
            assert!(raw.until("ping").await);
            streams.push(raw);
        }
        proxy.terminate();
        eventually("new connections to be refused", async || {
            TcpStream::connect(proxy.address()).await.is_err().then_some(())
        })
        .await;
        for _ in &streams {
            gate.open();
        }
        for mut raw in streams {
            let answer = raw.answer().await.expect("an answer");
            assert!(answer.whole);
            assert_eq!(String::from_utf8_lossy(&answer.body), pieces.concat());
        }
        assert!(proxy.ended().await.success());
    });
}

#[test]
fn the_drain_has_a_limit() {
    support::run(async {
        let upstream = Upstream::start().await;
        let config = Config::new().upstream(&upstream).toml("server.drain_timeout = \"500ms\"");
        let mut proxy = Proxy::start(config).await;
        upstream.next(Reply::stream(&anthropic::events("stuck")[..2]).stall());
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", STREAM).await;
        assert!(raw.until("ping").await);
        let begun = Instant::now();
        proxy.terminate();
        let answer = raw.answer().await.expect("a head");
        assert!(!answer.whole || String::from_utf8_lossy(&answer.body).contains("event: error"));
        proxy.ended().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn the_second_signal_ends_at_once() {
    support::run(async {
        let upstream = Upstream::start().await;
        let mut proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        upstream.next(Reply::stream(&anthropic::events("stuck")[..2]).stall());
        let mut raw = proxy.raw().await;
        raw.post("/claude/v1/messages", STREAM).await;
        assert!(raw.until("ping").await);
        proxy.terminate();
        eventually("the first signal to work", async || {
            TcpStream::connect(proxy.address()).await.is_err().then_some(())
        })
        .await;
        let begun = Instant::now();
        proxy.terminate();
        proxy.ended().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        upstream.request(0).await.closed_after(begun).await;
    });
}
