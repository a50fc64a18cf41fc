//! The server over real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod drain;
mod frames;
mod odd;
mod slow;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Drain, Guard, Handler, RequestBody, Server};
use crate::body::{Answer, Body};
use crate::error::{Error, Kind};
use crate::exchange::Peer;
use crate::settings::ServerSettings;

/// Says what it was asked: method, target and body. Some paths do something else.
struct Echo {
    guard: Arc<Guard>,
    served: Served,
}

/// Method, target and body of each message that was taken.
type Served = Arc<Mutex<Vec<String>>>;

impl Handler for Echo {
    async fn handle(self: Arc<Self>, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let answer = async {
            self.guard.check(&parts, &body)?;
            self.guard.authenticate(&mut parts)?;
            match parts.uri.path() {
                "/wait" => std::future::pending().await,
                "/early" => return Ok(Answer::bytes(http::StatusCode::OK, "text/plain", "early".into())),
                "/break" => {
                    return Ok(stream(|count| (count == 0).then(|| Bytes::from_static(b"begun")), true));
                }
                "/endless" => return Ok(stream(|_| Some(Bytes::from_static(&[b'x'; 16 << 10])), false)),
                _ => {}
            }
            let body = body.collect().await?;
            let message = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            self.served.lock().push(message);
            let text = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            let text = if peer.http2 { format!("h2 {text}") } else { text };
            Ok(Answer::bytes(http::StatusCode::OK, "text/plain", text.into()))
        };
        let answer: Answer = answer.await.unwrap_or_else(|error: Error| {
            let mut answer = Answer::new(error.status());
            for (name, value) in error.headers() {
                answer.headers.insert(name, value.clone());
            }
            answer.headers.insert("x-error", HeaderValue::from_str(error.message()).unwrap());
            answer
        });
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}

/// A body that makes its pieces when they are asked for, and may end in an error.
fn stream(next: impl Fn(usize) -> Option<Bytes> + Send + 'static, breaks: bool) -> Answer {
    let mut count = 0;
    let pieces = futures_util::stream::poll_fn(move |_| {
        let piece = next(count);
        count += 1;
        std::task::Poll::Ready(match piece {
            Some(bytes) => Some(Ok(http_body::Frame::data(bytes))),
            None if breaks && count == 2 => Some(Err(Error::upstream(Kind::BadGateway, "broke"))),
            None => None,
        })
    });
    let mut answer = Answer::new(http::StatusCode::OK);
    answer.body = Body::stream(http_body_util::StreamBody::new(pieces));
    answer
}

/// A server for a test. Its clocks are long unless the test makes them short.
struct House {
    address: SocketAddr,
    drain: Drain,
    running: JoinHandle<()>,
    served: Served,
}

fn settings() -> ServerSettings {
    ServerSettings { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerSettings::default() }
}

impl House {
    fn new(settings: ServerSettings) -> Self {
        Self::open(Server::bind(&settings).unwrap())
    }

    fn open(server: Server) -> Self {
        let address = server.addresses()[0];
        let drain = server.drain();
        let served = Served::default();
        let handler = Arc::new(Echo { guard: server.guard(), served: served.clone() });
        let running = tokio::spawn(server.run(handler, std::future::pending()));
        House { address, drain, running, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads to the end of the connection.
    async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }
}

/// What comes until the other end closes. A server that neither answers nor closes fails the test.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match read {
        // A reset after the answer still leaves what came before it.
        Ok(_) => text,
        Err(_) => panic!("the connection hangs after {text:?}"),
    }
}

/// The statuses of the answers in a piece of wire.
fn statuses(text: &str) -> Vec<u16> {
    // A body may quote a request line, which has no number after its version.
    text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}
