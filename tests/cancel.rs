//! The client is gone, so the upstream is: in every phase of an exchange.

use std::time::{Duration, Instant};

use super::support::upstream::{Gate, anthropic};
use super::support::{self, Config, Proxy, Raw, Reply, Upstream};

/// From the client's leaving to the upstream's connection closing, on a busy machine.
const SOON: Duration = Duration::from_secs(2);
const STREAM: &str = r#"{"model":"m","max_tokens":1,"messages":[],"stream":true}"#;
const PLAIN: &str = r#"{"model":"m","max_tokens":1,"messages":[]}"#;

async fn leaves(reply: Reply, body: &str, seen: &str) {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
    upstream.next(reply);
    let mut raw = proxy.raw().await;
    raw.post("/claude/v1/messages", body).await;
    let request = upstream.request(0).await;
    if !seen.is_empty() {
        assert!(raw.until(seen).await);
    }
    let left = Instant::now();
    drop(raw);
    let after = request.closed_after(left).await;
    assert!(after < SOON, "the upstream was held for {after:?}");
    proxy.logged("left").await;
    // A cancelled connection is never used again.
    proxy.client().post_bytes("/claude/v1/messages", PLAIN).await.expect(200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn before_the_head() {
    support::run(leaves(Reply::status(200).stall_before_head(), STREAM, ""));
}

#[test]
fn before_the_head_of_a_plain_answer() {
    support::run(leaves(Reply::status(200).stall_before_head(), PLAIN, ""));
}

#[test]
fn before_the_first_data() {
    support::run(leaves(Reply::stream::<&str>([]).stall(), STREAM, "HTTP/1.1 200"));
}

#[test]
fn in_the_middle_of_a_stream() {
    support::run(leaves(
        Reply::stream(&anthropic::events("stay")[..3]).stall(),
        STREAM,
        "content_block_start",
    ));
}

#[test]
fn in_the_middle_of_a_plain_answer() {
    let reply = Reply::json(200, &anthropic::message("half")).claim_length(9999).stall();
    support::run(leaves(reply, PLAIN, "msg_01"));
}

#[test]
fn before_the_request_is_whole_nothing_is_sent() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let mut raw = proxy.raw().await;
        raw.send("POST /claude/v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{").await;
        drop(raw);
        proxy.client().post_bytes("/claude/v1/messages", PLAIN).await.expect(200);
        assert_eq!(upstream.requests().len(), 1);
    });
}

#[test]
fn a_slow_reader_does_not_fill_the_memory() {
    support::run(async {
        let upstream = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&upstream)).await;
        let event = anthropic::text_delta(&"x".repeat(16 * 1024));
        let piece = event.repeat(64);
        let gate = Gate::default();
        let reply = (0..64).fold(Reply::stream([anthropic::start()]), |reply, _| reply.bytes(&piece));
        upstream.next(reply.gate(&gate));
        let mut raw: Raw = proxy.raw().await;
        raw.post("/claude/v1/messages", STREAM).await;
        assert!(raw.until("message_start").await);
        let before = resident(proxy.pid());
        // Nothing is read for a while: what the proxy takes from the upstream must stay bounded.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let grown = resident(proxy.pid()).saturating_sub(before);
        assert!(grown < 16 * 1024, "grew by {grown} KiB while a 64 MiB stream waited for its reader");
    });
}

/// Resident memory of a process in KiB.
fn resident(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
