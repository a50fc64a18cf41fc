//! Requests and answers that go well.

use http::header::{HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nrequest-id: req_1\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\r\nhi";

#[tokio::test]
async fn a_connection_is_used_again_and_headers_are_this_hops_own() {
    let (seen, mut heads) = mpsc::unbounded_channel();
    let address = provider(move |mut stream, number| {
        let seen = seen.clone();
        async move {
            while let Some(text) = request(&mut stream).await {
                seen.send((number, text)).unwrap();
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let upstream = Upstream::new(settings()).unwrap();
    for turn in 0..3 {
        let mut outbound = outbound(address, "{\"a\":1}");
        for (name, value) in [
            ("host", "localhost:8000"),
            ("content-length", "999"),
            ("connection", "x-mine"),
            ("x-mine", "1"),
            ("x-api-key", "the client's"),
            ("anthropic-beta", "a"),
        ] {
            outbound.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        outbound.credential.insert("x-api-key", HeaderValue::from_static("ours"));
        let answer = upstream.send(outbound).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["request-id"], "req_1");
        assert!(!answer.headers.contains_key("x-hop") && !answer.headers.contains_key("connection"));
        assert!(matches!(answer.body, Body::Full(_)) || turn >= 0);
        assert_eq!(answer.body.collect(10).await.unwrap(), "hi");
        let (number, text) = heads.recv().await.unwrap();
        assert_eq!(number, 0, "one connection serves all");
        assert!(text.starts_with("POST /v1/messages?beta=true HTTP/1.1\r\n"), "{text}");
        assert!(text.contains(&format!("host: {address}\r\n")), "{text}");
        assert!(text.contains("content-length: 7\r\n") && text.ends_with("{\"a\":1}"), "{text}");
        assert!(text.contains("x-api-key: ours\r\n") && !text.contains("client's"), "{text}");
        assert!(!text.contains("x-mine") && text.contains("anthropic-beta: a"), "{text}");
    }
}

#[tokio::test]
async fn what_is_ready_at_once_is_handed_over_as_one() {
    let mut answer = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for _ in 0..40 {
        answer.push_str("8\r\ndata: x\n\r\n");
    }
    answer.push_str("0\r\n\r\n");
    let address = canned(Box::leak(answer.into_boxed_str())).await;
    let upstream = Upstream::new(settings()).unwrap();
    for _ in 0..2 {
        let answer = upstream.send(outbound(address, "{}")).await.unwrap();
        let (pieces, error) = pieces(answer.body).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), 40 * 8);
        assert!(pieces.len() <= 3, "{} pieces", pieces.len());
    }
    let host = upstream.host(&origin("http", address)).unwrap();
    assert_eq!(host.idle_lanes(), 1, "the lane came back");
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let body = "0123456789abcdef".repeat(1 << 16);
    let text: &'static str = Box::leak(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_boxed_str(),
    );
    let address = canned(text).await;
    let upstream = Upstream::new(settings()).unwrap();
    let answer = upstream.send(outbound(address, "{}")).await.unwrap();
    assert_eq!(answer.body.collect(2 << 20).await.unwrap(), body);
}

#[tokio::test]
async fn errors_and_empty_answers_of_the_provider_pass() {
    let address = canned(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 14\r\n\r\n{\"type\":\"err\"}",
    )
    .await;
    let upstream = Upstream::new(settings()).unwrap();
    let answer = upstream.send(outbound(address, "{}")).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (429, &HeaderValue::from_static("7"))
    );
    assert_eq!(answer.body.collect(99).await.unwrap(), "{\"type\":\"err\"}");

    let address = canned("HTTP/1.1 204 No Content\r\n\r\n").await;
    let answer = upstream.send(outbound(address, "{}")).await.unwrap();
    assert!(http_body::Body::is_end_stream(&answer.body));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let address = canned(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let answer = Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await.unwrap();
    assert_eq!(answer.status, 307);
}

#[tokio::test]
async fn plain_http_goes_through_a_proxy_with_the_whole_address() {
    let (seen, mut heads) = mpsc::unbounded_channel();
    let proxy = provider(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            while let Some(text) = request(&mut stream).await {
                seen.send(text).unwrap();
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let settings = UpstreamSettings { proxy: Some(format!("http://user:pass@{proxy}")), ..settings() };
    let upstream = Upstream::new(settings).unwrap();
    let target = "192.0.2.1:8080".parse().unwrap();
    assert_eq!(text(upstream.send(outbound(target, "{}")).await).await, "hi");
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("POST http://192.0.2.1:8080/v1/messages?beta=true HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
    assert!(head.contains("host: 192.0.2.1:8080\r\n"), "{head}");
}
