//! Where the browser comes back to: a server on this machine, for one login and five minutes at most (RFC 8252,
//! section 7.3). It knows one path, says the same few words whatever it is sent, and repeats nothing of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ccproxy_core::oauth::{Failure, Loopback, Reason};
use ccproxy_core::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::pending::{Arrival, Pending};

/// Longest head of a request, and how long it may take.
const HEAD: usize = 8 << 10;
const READ: Duration = Duration::from_secs(5);
/// Most connections at once.
const CONNECTIONS: usize = 16;

/// A bound server that waits for a login.
pub struct Callback {
    listeners: Vec<TcpListener>,
    loopback: Loopback,
    port: u16,
}

impl Callback {
    /// How long a person has.
    pub const LIMIT: Duration = Duration::from_secs(300);

    /// Listens on both loopback addresses where the URI says `localhost`: a browser may take either, and no other
    /// program shall be able to wait on the one that is left free.
    pub async fn bind(loopback: Loopback) -> Result<Self, Failure> {
        let addresses: &[IpAddr] = match loopback.host.as_str() {
            "127.0.0.1" => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
            "[::1]" => &[IpAddr::V6(Ipv6Addr::LOCALHOST)],
            _ => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        let mut port = loopback.port;
        let mut listeners = Vec::new();
        for address in addresses {
            match TcpListener::bind((*address, port)).await {
                Ok(listener) => {
                    port = listener.local_addr().map_or(port, |bound| bound.port());
                    listeners.push(listener);
                }
                // A machine without IPv6.
                Err(error)
                    if address.is_ipv6()
                        && error.kind() != std::io::ErrorKind::AddrInUse
                        && !listeners.is_empty() => {}
                Err(error) => {
                    let told = match error.kind() {
                        std::io::ErrorKind::AddrInUse => format!("port {port} is in use by another program"),
                        _ => format!("cannot listen on port {port}: {error}"),
                    };
                    return Err(Failure::new(
                        Reason::Unsupported,
                        format!("{told}, and the browser must come back there"),
                    ));
                }
            }
        }
        Ok(Callback { listeners, loopback, port })
    }

    /// The URI to give to the server.
    pub fn redirect_uri(&self) -> String {
        self.loopback.redirect_uri(self.port)
    }

    /// Waits for the code of this login. What does not belong to it is refused, and the wait goes on.
    pub async fn wait(self, pending: Arc<Pending>) -> Result<Secret, Failure> {
        let late =
            || Err(Failure::new(Reason::TooLate, "nobody came back from the browser within 5 minutes"));
        tokio::time::timeout(Self::LIMIT, self.serve(pending)).await.unwrap_or_else(|_| late())
    }

    async fn serve(self, pending: Arc<Pending>) -> Result<Secret, Failure> {
        let Callback { listeners, loopback, port } = self;
        let (sender, mut arrivals) = tokio::sync::mpsc::channel(1);
        let mut accepting = JoinSet::new();
        let turns = Arc::new(Semaphore::new(CONNECTIONS));
        let seat = Arc::new(Seat { pending, path: loopback.path, port });
        for listener in listeners {
            let (sender, turns, seat) = (sender.clone(), turns.clone(), seat.clone());
            accepting.spawn(async move {
                while let Ok(turn) = turns.clone().acquire_owned().await {
                    let Ok((socket, _)) = listener.accept().await else { continue };
                    let (sender, seat) = (sender.clone(), seat.clone());
                    tokio::spawn(async move {
                        let _turn = turn;
                        if let Ok(Some(arrival)) = tokio::time::timeout(READ, seat.answer(socket)).await {
                            let _ = sender.send(arrival).await;
                        }
                    });
                }
            });
        }
        drop(sender);
        match arrivals.recv().await {
            Some(arrival) => arrival,
            None => Err(Failure::new(Reason::TooLate, "the wait for the browser was broken off")),
        }
    }
}

/// What a request is judged by.
struct Seat {
    pending: Arc<Pending>,
    path: String,
    port: u16,
}

impl Seat {
    /// Answers one request; what it brought, when it belongs to the login.
    async fn answer(&self, mut socket: TcpStream) -> Option<Result<Secret, Failure>> {
        let mut head = zeroize::Zeroizing::new(Vec::with_capacity(HEAD));
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 1024];
            let length = socket.read(&mut piece).await.ok().filter(|length| *length > 0)?;
            if head.len() + length > HEAD {
                reply(&mut socket, "431 Request Header Fields Too Large", STRAY).await;
                return None;
            }
            head.extend_from_slice(&piece[..length]);
        }
        let (status, page, arrival) = match self.judge(&head) {
            Some(Arrival::Code(code)) => ("200 OK", DONE, Some(Ok(code))),
            Some(Arrival::Refused(failure)) => ("200 OK", REFUSED, Some(Err(failure))),
            Some(Arrival::Stray) => ("400 Bad Request", STRAY, None),
            None => ("404 Not Found", STRAY, None),
        };
        reply(&mut socket, status, page).await;
        arrival
    }

    /// `None` when it is no request for this page by a browser that was sent here.
    fn judge(&self, head: &[u8]) -> Option<Arrival> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        if !request.parse(head).is_ok_and(|parsed| parsed.is_complete()) || request.method != Some("GET") {
            return None;
        }
        let (path, query) = request.path?.split_once('?')?;
        if path != self.path {
            return None;
        }
        let values = |wanted: &str| {
            let named = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(wanted));
            named.map(|header| header.value).collect::<Vec<_>>()
        };
        let hosts = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", self.port));
        let [host] = values("host")[..] else { return None };
        if !hosts.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(host)) {
            return None;
        }
        // A login comes back as a page of its own, not as a part of somebody else's.
        let other = |name: &str, wanted: &[u8]| values(name).iter().any(|value| *value != wanted);
        if other("sec-fetch-mode", b"navigate")
            || other("sec-fetch-dest", b"document")
            || !values("origin").is_empty()
        {
            return Some(Arrival::Stray);
        }
        Some(self.pending.judge(query))
    }
}

const DONE: &str = "ccproxy has what it needs. You can close this page and go back to the terminal.";
const REFUSED: &str = "The login was refused. The terminal says more; you can close this page.";
const STRAY: &str = "This page does not belong to the login that is under way.";

/// What keeps a page, and the address with it, to itself.
pub(crate) const PAGE_HEADERS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
];

/// A page of a few words of our own.
pub(crate) fn page(words: &str) -> String {
    format!("<!doctype html><meta charset=utf-8><title>ccproxy</title><p>{words}</p>\n")
}

async fn reply(socket: &mut TcpStream, status: &str, words: &str) {
    let page = page(words);
    let headers: String = PAGE_HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n{headers}\
         connection: close\r\n\r\n{page}",
        page.len()
    );
    let _ = socket.write_all(answer.as_bytes()).await;
    let _ = socket.shutdown().await;
}
