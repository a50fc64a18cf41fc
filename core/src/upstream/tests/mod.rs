//! The client side against hand-written providers on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod clocks;
mod faults;
mod imagined;
mod pass;
mod secure;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Upstream;
use crate::body::{Answer, Body};
use crate::document::Document;
use crate::error::{Error, Result};
use crate::provider::{Origin, Outbound};
use crate::settings::UpstreamSettings;

/// Settings that ask no environment for a proxy and wait long enough to never expire by chance.
fn settings() -> UpstreamSettings {
    UpstreamSettings { connect_timeout: Duration::from_secs(20), ..UpstreamSettings::default() }
}

fn outbound(address: SocketAddr, body: &'static str) -> Outbound {
    Outbound {
        origin: origin("http", address),
        method: Method::POST,
        path: "/v1/messages?beta=true".parse().unwrap(),
        headers: HeaderMap::new(),
        credential: HeaderMap::new(),
        body: Document::new(Bytes::from_static(body.as_bytes())),
        losses: Vec::new(),
    }
}

fn origin(scheme: &str, address: SocketAddr) -> Arc<Origin> {
    Arc::new(Origin { scheme: scheme.parse().unwrap(), authority: address.to_string().parse().unwrap() })
}

/// A provider: `serve` is called with each connection and its number.
async fn provider<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, number));
        }
    });
    address
}

/// One request off the connection: its head, and as many body bytes as it says. `None` at its end.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.split("content-length: ").nth(1);
            let length: usize = length.map_or(0, |rest| rest.lines().next().unwrap().trim().parse().unwrap());
            if bytes.len() >= head + 4 + length {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}

/// Answers every request on every connection with the same bytes, then goes on reading.
async fn canned(answer: &'static str) -> SocketAddr {
    provider(move |mut stream, _| async move {
        while request(&mut stream).await.is_some() {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await
}

/// The pieces of a body as they are handed over.
async fn pieces(body: Body) -> (Vec<Bytes>, Option<Error>) {
    let mut body = body;
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => pieces.push(frame.into_data().unwrap()),
            Err(error) => return (pieces, Some(error)),
        }
    }
    (pieces, None)
}

async fn text(answer: Result<Answer>) -> String {
    let bytes = answer.unwrap().body.collect(1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
