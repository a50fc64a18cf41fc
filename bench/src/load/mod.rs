//! The load: bare sockets on one thread. It is told its work as JSON and prints what it found as JSON.

mod closed;
mod streams;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scenario::{Found, Shape};
use crate::{Outcome, cpu, stats};

/// A run that stands still this long is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to send, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// The target.
    pub(crate) port: u16,
    /// How.
    pub(crate) shape: Shape,
}

/// Does the work and prints one line.
pub(crate) fn run(work: &str) -> Outcome<()> {
    let work: Work = serde_json::from_str(work)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let samples = runtime.block_on(async {
        match work.shape {
            Shape::Closed { connections, millis, request_bytes } => {
                let time = Duration::from_millis(millis);
                Ok(closed::saturate(work.port, connections, time, request_bytes).await)
            }
            Shape::Open { rate, millis } => {
                closed::pace(work.port, rate, Duration::from_millis(millis)).await
            }
            Shape::Streams { streams, deltas, every, waves } => {
                Ok(streams::run(work.port, streams, deltas, every, waves).await)
            }
        }
    })?;
    let found = Found {
        units: samples.units,
        errors: samples.errors,
        first_error: samples.first_error,
        seconds: begun.elapsed().as_secs_f64(),
        p50_us: stats::percentile(&samples.micros, 50.0),
        p99_us: stats::percentile(&samples.micros, 99.0),
        load_cpu: cpu::of_tree(std::process::id()).as_secs_f64(),
    };
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("{}", serde_json::to_string(&found)?);
    }
    Ok(())
}

/// What one connection, or all of them, saw.
#[derive(Default)]
struct Samples {
    units: u64,
    errors: u64,
    first_error: Option<String>,
    micros: Vec<f64>,
}

impl Samples {
    fn fail(&mut self, error: impl ToString) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    fn add(&mut self, other: Samples) {
        self.units += other.units;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.micros.extend(other.micros);
    }
}

/// One keep-alive connection.
struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> std::io::Result<Connection> {
        let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        socket.set_nodelay(true)?;
        Ok(Connection { socket, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads an answer with `content-length`.
    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(head) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let Some(length) = content_length(&self.buffer[..head + 2]) else {
                    return Err(std::io::Error::other("the answer has no content-length"));
                };
                if !self.buffer.starts_with(b"HTTP/1.1 200") {
                    return Err(std::io::Error::other(first_line(&self.buffer)));
                }
                if self.buffer.len() >= head + 4 + length {
                    return Ok(());
                }
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The request as Claude Code sends it, with a body of `bytes`.
fn request(target: &str, bytes: usize) -> Vec<u8> {
    let padding = "lorem ipsum ".repeat(bytes.saturating_sub(110) / 12);
    let body = format!(
        "{{\"model\":\"claude-opus-5-5\",\"max_tokens\":1024,\"messages\":[{{\"role\":\"user\",\"content\":\"{padding}\"}}],\"stream\":{}}}",
        target.contains("deltas=")
    );
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\nUser-Agent: bench/1.0\r\nX-Stainless-Arch: x64\r\nX-Stainless-Lang: js\r\nX-Stainless-OS: Linux\r\nX-Stainless-Retry-Count: 0\r\nX-Stainless-Timeout: 600\r\nanthropic-beta: interleaved-thinking-2025-05-14,context-management-2025-06-27\r\nanthropic-version: 2023-06-01\r\nx-api-key: sk-bench\r\nx-team: blue\r\nx-app: bench\r\nConnection: keep-alive\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn content_length(head: &[u8]) -> Option<usize> {
    let key = b"\r\ncontent-length:";
    let found = head.windows(key.len()).position(|window| window.eq_ignore_ascii_case(key))?;
    let rest = head[found + key.len()..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).lines().next().unwrap_or_default().to_owned()
}
