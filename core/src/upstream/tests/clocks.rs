//! Providers that stall, in each of the ways a clock is for.

use std::time::Instant;

use super::*;
use crate::error::Kind;

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const BEGUN: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: message_start\ndata: {}\n\n";

/// Clocks short enough for a test, and far enough apart to be told from each other.
fn settings() -> UpstreamSettings {
    UpstreamSettings {
        head_timeout: Duration::from_millis(300),
        first_data_timeout: Duration::from_millis(200),
        data_idle_timeout: Duration::from_millis(100),
        ..super::settings()
    }
}

/// Writes `parts` at once, then `again` for ever.
async fn stalling(parts: &'static str, again: &'static str) -> (Vec<Bytes>, Error, Duration) {
    let address = provider(move |mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(parts.as_bytes()).await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if stream.write_all(again.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let began = Instant::now();
    let (seen, error) = match Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await {
        Err(error) => (Vec::new(), error),
        Ok(answer) => {
            let (pieces, error) = pieces(answer.body).await;
            (pieces, error.expect("a stall is an error"))
        }
    };
    (seen, error, began.elapsed())
}

#[tokio::test]
async fn each_stall_has_its_clock() {
    let cases = [
        ("", "", "head_timeout", 300),
        (EVENTS, "", "first_data_timeout", 200),
        (EVENTS, ": still here\n\n", "first_data_timeout", 200),
        (EVENTS, "event: ping\ndata: {\"type\": \"ping\"}\n\n", "first_data_timeout", 200),
        (BEGUN, "", "data_idle_timeout", 100),
        (BEGUN, ": still here\n\n", "data_idle_timeout", 100),
        (BEGUN, "event: ping\ndata: {}\n\n", "data_idle_timeout", 100),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", "", "data_idle_timeout", 100),
    ];
    for (parts, again, clock, least) in cases {
        let (seen, error, took) = stalling(parts, again).await;
        assert_eq!(error.kind(), Kind::GatewayTimeout, "{clock}: {error}");
        assert!(error.message().contains(clock), "{clock}: {error}");
        assert!(took >= Duration::from_millis(least), "{clock}: {took:?}");
        assert!(took < Duration::from_secs(5), "{clock}: {took:?}");
        // Signs of life are forwarded even though they do not count.
        assert_eq!(
            seen.concat().windows(again.len().max(1)).any(|part| part == again.as_bytes()),
            !again.is_empty()
        );
    }
}

#[tokio::test]
async fn data_keeps_a_stream_alive() {
    let address = provider(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(EVENTS.as_bytes()).await.unwrap();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(b"data: {}\n\n").await.unwrap();
        }
    })
    .await;
    let answer = Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await.unwrap();
    let (pieces, error) = pieces(answer.body).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(pieces.concat().len(), 20 * 10);
}

/// Nobody can say which bytes of a compressed stream are pings.
#[tokio::test]
async fn every_byte_of_a_compressed_stream_is_data() {
    let address = provider(|mut stream, _| async move {
        request(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(&[0x1f, 0x8b]).await.unwrap();
        }
    })
    .await;
    let answer = Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await.unwrap();
    let (pieces, error) = pieces(answer.body).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(pieces.concat().len(), 20 * 2);
}

#[tokio::test]
async fn connecting_has_a_clock() {
    // A listener that never accepts takes connections only until its queue is full; a proxy that never
    // opens the tunnel stalls for certain.
    let proxy = provider(|mut stream, _| async move {
        request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let settings = UpstreamSettings {
        connect_timeout: Duration::from_millis(50),
        proxy: Some(format!("http://{proxy}")),
        ..settings()
    };
    let mut outbound = outbound("192.0.2.1:443".parse().unwrap(), "{}");
    outbound.origin = origin("https", "192.0.2.1:443".parse().unwrap());
    let error = Upstream::new(settings).unwrap().send(outbound).await.unwrap_err();
    assert_eq!(error.kind(), Kind::GatewayTimeout);
    assert!(error.message().contains("connect_timeout"), "{error}");
}
