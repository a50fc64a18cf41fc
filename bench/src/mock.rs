//! The upstream: bare sockets on one thread, as cheap as it can be. The query of the target says
//! what to answer: `?deltas=50&every=20` is a stream, nothing is 1 KB of JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};

use crate::Outcome;

/// Deltas of an unpaced stream that go out in one write: about what a TLS record or a kernel buffer holds.
const BATCH: usize = 64;

/// Serves until it is killed.
pub(crate) fn run(port: u16) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(async move {
                // The peer may leave at any time; that is its business.
                let _ = serve(socket).await;
            });
        }
    })
}

async fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    let answer = small_answer();
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let head = loop {
            if let Some(at) = memmem::find(&buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let length = content_length(&buffer[..head]);
        let deltas = query(&buffer[..head], b"deltas=");
        let every = query(&buffer[..head], b"every=");
        let mut left = (head + length).saturating_sub(buffer.len());
        while left > 0 {
            buffer.clear();
            let count = socket.read_buf(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            left = left.saturating_sub(count);
        }
        buffer.clear();
        match deltas {
            0 => socket.write_all(&answer).await?,
            deltas if every == 0 => burst(&mut socket, deltas).await?,
            deltas => paced(&mut socket, deltas, Duration::from_millis(every as u64)).await?,
        }
    }
}

async fn burst(socket: &mut TcpStream, deltas: usize) -> std::io::Result<()> {
    socket.write_all(STREAM_HEAD).await?;
    let mut out = Vec::new();
    for number in 0..deltas {
        delta(&mut out);
        if number % BATCH == BATCH - 1 {
            socket.write_all(&out).await?;
            out.clear();
        }
    }
    end(&mut out);
    socket.write_all(&out).await
}

async fn paced(socket: &mut TcpStream, deltas: usize, every: Duration) -> std::io::Result<()> {
    socket.write_all(STREAM_HEAD).await?;
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut out = Vec::new();
    for _ in 0..deltas {
        ticks.tick().await;
        out.clear();
        delta(&mut out);
        socket.write_all(&out).await?;
    }
    out.clear();
    end(&mut out);
    socket.write_all(&out).await
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";

/// One chunk with one event that carries the time it was written.
fn delta(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let event = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"ts\":{now:020},\"delta\":{{\"type\":\"text_delta\",\"text\":\"a few words \"}}}}\n\n"
    );
    chunk(out, &event);
}

fn end(out: &mut Vec<u8>) {
    chunk(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    out.extend_from_slice(b"0\r\n\r\n");
}

fn chunk(out: &mut Vec<u8>, event: &str) {
    out.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
}

fn small_answer() -> Vec<u8> {
    let text = "x".repeat(800);
    let body = format!(
        "{{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"stop_reason\":\"end_turn\",\"usage\":{{\"input_tokens\":10,\"output_tokens\":200}}}}"
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\nanthropic-ratelimit-unified-status: allowed\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn content_length(head: &[u8]) -> usize {
    let lower = head.to_ascii_lowercase();
    number_after(&lower, b"\r\ncontent-length: ")
}

fn query(head: &[u8], key: &[u8]) -> usize {
    let line = memchr::memchr(b'\r', head).map_or(head, |end| &head[..end]);
    number_after(line, key)
}

/// The number after `key`; zero when it is not there.
fn number_after(bytes: &[u8], key: &[u8]) -> usize {
    let Some(at) = memmem::find(bytes, key) else { return 0 };
    let digits = bytes[at + key.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}
