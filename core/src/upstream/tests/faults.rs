//! Providers that refuse, lie, break off or leave.

use tokio::sync::oneshot;

use super::*;
use crate::error::{Kind, Side};

async fn failure(answer: &'static str) -> Error {
    // Says its piece and closes.
    let address = provider(move |mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    match Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await {
        Err(error) => error,
        Ok(answer) => pieces(answer.body).await.1.expect("the answer must not look finished"),
    }
}

#[tokio::test]
async fn a_broken_answer_is_never_an_end() {
    let cases = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n9\r\nhal",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nfour\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n8\r\ndata: x\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 999999 What\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ];
    for case in cases {
        let error = failure(case).await;
        assert_eq!((error.kind(), error.side()), (Kind::BadGateway, Side::Upstream), "{case:?}: {error}");
        assert!(error.message().contains("127.0.0.1") && !error.message().contains("beta"), "{error}");
    }
}

#[tokio::test]
async fn what_came_before_the_break_is_handed_over_first() {
    let address = provider(|mut stream, _| async move {
        request(&mut stream).await;
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let answer = Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await.unwrap();
    let (pieces, error) = pieces(answer.body).await;
    assert_eq!(pieces.concat(), b"four");
    assert!(error.is_some());
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    // Bound and not listened on: nobody else can take the port meanwhile.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = silent.local_addr().unwrap();
    let error = Upstream::new(settings()).unwrap().send(outbound(address, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadGateway);
    assert_eq!(error.message(), format!("cannot reach `http://{address}`: the connection was refused"));
    assert!(error.retry());
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced_without_a_word() {
    let (closed, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = provider(move |mut stream, number| {
        let closed = closed.clone();
        async move {
            request(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    })
    .await;
    let upstream = Upstream::new(settings()).unwrap();
    for number in 0..5 {
        assert_eq!(text(upstream.send(outbound(address, "{}")).await).await, number.to_string());
        told.recv().await.unwrap();
        // The end of the stream is in the kernel now; one turn of the event loop brings it here.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_leaves_takes_the_provider_along() {
    for moment in ["head", "stream"] {
        let (gone, told) = oneshot::channel();
        let gone = std::sync::Mutex::new(Some(gone));
        let address = provider(move |mut stream, _| {
            let gone = gone.lock().unwrap().take();
            async move {
                request(&mut stream).await;
                if moment == "stream" {
                    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
                    stream.write_all(head.as_bytes()).await.unwrap();
                }
                assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
                gone.unwrap().send(()).unwrap();
            }
        })
        .await;
        let upstream = Upstream::new(settings()).unwrap();
        let exchange = upstream.send(outbound(address, "{}"));
        match tokio::time::timeout(Duration::from_millis(50), exchange).await {
            Err(_) => assert_eq!(moment, "head"),
            Ok(answer) => {
                let mut body = answer.unwrap().body;
                assert!(body.frame().await.is_some());
                drop(body);
            }
        }
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap().unwrap();
        assert_eq!(upstream.host(&origin("http", address)).unwrap().idle_lanes(), 0);
    }
}

#[tokio::test]
async fn a_refusal_before_the_request_was_read_is_heard() {
    let address = provider(|mut stream, _| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await.unwrap();
        let answer = "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig";
        stream.write_all(answer.as_bytes()).await.unwrap();
        // Closing with unread bytes resets the connection under what is still being sent.
    })
    .await;
    let upstream = Upstream::new(settings()).unwrap();
    let body: &'static str = Box::leak(" ".repeat(8 << 20).into_boxed_str());
    for _ in 0..10 {
        let answer = upstream.send(outbound(address, body)).await.expect("the answer, not the reset");
        assert_eq!(answer.status, 413);
        assert_eq!(answer.body.collect(10).await.unwrap(), "big");
    }
    assert_eq!(upstream.host(&origin("http", address)).unwrap().idle_lanes(), 0);
}

#[tokio::test]
async fn a_reset_without_an_answer_is_told_as_one() {
    let address = provider(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
    })
    .await;
    let body: &'static str = Box::leak(" ".repeat(8 << 20).into_boxed_str());
    let error = Upstream::new(settings()).unwrap().send(outbound(address, body)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadGateway);
    assert!(error.message().contains("reset the connection before it answered"), "{error}");
}

/// The provider is a thread of its own, and the test's thread does not return to the event loop between
/// the provider's closing and the next request: only the kernel knows.
#[expect(clippy::disallowed_methods, reason = "the event loop must not turn here")]
#[tokio::test]
async fn the_end_of_a_kept_connection_is_seen_before_the_event_loop_sees_it() {
    for last_word in ["", "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (close, closing) = std::sync::mpsc::channel::<()>();
        let (closed, told) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            use std::io::{Read, Write};
            for number in 0..5 {
                let mut stream = listener.accept().unwrap().0;
                let _ = stream.read(&mut [0; 1024]).unwrap();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
                stream.write_all(answer.as_bytes()).unwrap();
                closing.recv().unwrap();
                stream.write_all(last_word.as_bytes()).unwrap();
                drop(stream);
                closed.send(()).unwrap();
            }
        });
        let upstream = Upstream::new(settings()).unwrap();
        for number in 0..5 {
            assert_eq!(text(upstream.send(outbound(address, "{}")).await).await, number.to_string());
            close.send(()).unwrap();
            told.recv().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_proxy_that_asks_for_a_login_is_told_and_its_answer_kept() {
    let proxy = canned(
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\ncontent-length: 5\r\n\r\nlogin",
    )
    .await;
    let settings = UpstreamSettings { proxy: Some(format!("http://u:secret@{proxy}")), ..settings() };
    let target = "192.0.2.1:80".parse().unwrap();
    let error = Upstream::new(settings).unwrap().send(outbound(target, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::BadGateway);
    assert!(error.message().ends_with("the proxy asks for a login"), "{error}");
    assert!(error.message().contains(&proxy.to_string()) && !error.to_string().contains("secret"), "{error}");
}

/// The provider closes a kept connection when it meets the next request on it: nobody can know whether it
/// was read.
#[tokio::test]
async fn what_only_asks_is_asked_again_and_what_acts_is_not() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let address = provider(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
            if request(&mut stream).await.is_some() {
                seen.send(()).unwrap();
            }
        }
    })
    .await;
    for (method, again) in [(Method::GET, true), (Method::POST, false)] {
        let upstream = Upstream::new(settings()).unwrap();
        let call = || Outbound { method: method.clone(), ..outbound(address, "") };
        assert_eq!(text(upstream.send(call()).await).await, "hi");
        match upstream.send(call()).await {
            Ok(answer) => assert!(again && answer.status == 200, "{method}"),
            Err(error) => assert!(!again && error.kind() == Kind::BadGateway, "{method}: {error}"),
        }
        requests.recv().await.unwrap();
        assert!(requests.try_recv().is_err(), "{method}: it was met once");
    }
}
