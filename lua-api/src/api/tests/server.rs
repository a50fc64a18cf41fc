//! A server on loopback with a few fixed answers, for the tests of `ccproxy.http`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, count.clone()));
            }
        });
        Server { address, asked, task }
    }

    /// Requests that came in.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, asked: Arc<AtomicUsize>) {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&text) {
        match stream.read(&mut piece).await {
            Ok(length @ 1..) => text.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    asked.fetch_add(1, Ordering::Relaxed);
    let text = String::from_utf8_lossy(&text).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, headers, body) = match path.as_str() {
        "/json" => ("200 OK", "x-a: 1\r\nx-a: 2\r\n".to_owned(), "{\"list\":[]}".to_owned()),
        "/echo" => ("200 OK", String::new(), text),
        "/big" => ("200 OK", String::new(), "x".repeat(100_000)),
        "/loop" => ("302 Found", "location: /loop\r\n".to_owned(), String::new()),
        "/here" => ("302 Found", "location: /json\r\n".to_owned(), String::new()),
        "/silent" => return std::future::pending().await,
        path => match path.strip_prefix("/to/") {
            Some(there) => ("302 Found", format!("location: http://{there}/json\r\n"), String::new()),
            None => ("404 Not Found", String::new(), "no".to_owned()),
        },
    };
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    // A client that went away is its own business.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

/// Whether the head and the body it announces are there.
fn is_whole(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let announced = head.to_ascii_lowercase();
    let length =
        announced.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
