//! A client on a bare socket, for messages that no HTTP library would write or forgive.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wait::within;

/// One connection.
pub struct Raw {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The whole head, from the version to the empty line.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the body came to its end as its framing promised.
    pub whole: bool,
}

impl RawAnswer {
    /// The value of a header; `None` when it is missing.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    }
}

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Raw {
        let socket = within("a connection", TcpStream::connect(address)).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Raw { socket, buffer: Vec::new() }
    }

    /// Writes; a peer that has closed already is not an error here.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.socket.write_all(bytes.as_ref()).await;
        self
    }

    /// Writes a POST with a JSON body to `target`, keep-alive.
    pub async fn post(&mut self, target: &str, body: &str) -> &mut Self {
        let length = body.len();
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-api-key: sk-test\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.send(head).await
    }

    /// Reads one answer; `None` when the peer closed before its head was whole.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        let head = self.read_head().await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let lower = head.to_ascii_lowercase();
        let (body, whole) = if lower.contains("\r\ntransfer-encoding: chunked") {
            self.read_chunked().await
        } else if let Some(rest) = lower.split("\r\ncontent-length:").nth(1) {
            let length = rest.lines().next()?.trim().parse().ok()?;
            let body = self.take(length).await;
            let whole = body.len() == length;
            (body, whole)
        } else if status == 204 || status == 304 || status < 200 {
            (Vec::new(), true)
        } else {
            while self.more().await {}
            (std::mem::take(&mut self.buffer), true)
        };
        Some(RawAnswer { status, head, body, whole })
    }

    /// Reads only the head of an answer.
    pub async fn read_head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.drain(..at + 4).collect::<Vec<_>>();
                return String::from_utf8(head).ok();
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads until the bytes so far contain `wanted`; they stay unread.
    pub async fn until(&mut self, wanted: &str) -> bool {
        loop {
            if self.buffer.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
                return true;
            }
            if !self.more().await {
                return false;
            }
        }
    }

    /// The bytes that came and are not read yet, as text.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    async fn read_chunked(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.buffer.windows(2).position(|window| window == b"\r\n") {
                    Some(at) => break self.buffer.drain(..at + 2).collect::<Vec<_>>(),
                    None if !self.more().await => return (body, false),
                    None => {}
                }
            };
            let size = String::from_utf8_lossy(&line);
            let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return (body, false) };
            let chunk = self.take(size + 2).await;
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            if chunk.len() < size + 2 || size == 0 {
                return (body, chunk.len() == size + 2);
            }
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.more().await {}
        let length = length.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    async fn more(&mut self) -> bool {
        let read = self.socket.read_buf(&mut self.buffer);
        matches!(within("bytes of an answer", read).await, Ok(count) if count > 0)
    }
}
