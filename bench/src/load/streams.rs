//! Event streams: counts the deltas of streams that came whole, and how old each delta was.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{Connection, PATIENCE, Samples, first_line, request};

/// Starts all streams of a wave within one interval, and waits for them.
pub(super) async fn run(port: u16, streams: usize, deltas: usize, every: u64, waves: usize) -> Samples {
    let mut all = Samples::default();
    let target = format!("/claude/v1/messages?deltas={deltas}&every={every}");
    let request: std::sync::Arc<[u8]> = request(&target, 1024).into();
    for _ in 0..waves {
        let mut tasks = JoinSet::new();
        for number in 0..streams {
            let spread = Duration::from_millis(every) * 10 * number as u32 / streams as u32;
            let request = request.clone();
            tasks.spawn(async move {
                tokio::time::sleep(spread).await;
                let stream = tokio::time::timeout(PATIENCE, one(port, &request, deltas)).await;
                let mut samples = Samples::default();
                match stream {
                    Ok(Ok(whole)) => samples = whole,
                    Ok(Err(error)) => samples.fail(error),
                    Err(_) => samples.fail("the stream did not end"),
                }
                samples
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(samples) => all.add(samples),
                Err(error) => all.fail(error),
            }
        }
    }
    all
}

async fn one(port: u16, request: &[u8], deltas: usize) -> std::io::Result<Samples> {
    let mut samples = Samples::default();
    let mut connection = Connection::open(port).await?;
    connection.socket.write_all(request).await?;
    let mut last = Vec::new();
    let mut first = true;
    loop {
        connection.buffer.clear();
        if connection.socket.read_buf(&mut connection.buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = &connection.buffer;
        if first && !bytes.starts_with(b"HTTP/1.1 200") {
            return Err(std::io::Error::other(first_line(bytes)));
        }
        first = false;
        ages(bytes, &mut samples.micros);
        // The end may be cut anywhere, so the last bytes of the stream are kept together.
        last.extend_from_slice(&bytes[bytes.len().saturating_sub(64)..]);
        last.drain(..last.len().saturating_sub(128));
        if last.ends_with(b"\r\n0\r\n\r\n") && memmem::find(&last, b"message_stop").is_some() {
            samples.units = deltas as u64;
            return Ok(samples);
        }
    }
}

/// How old the first delta of a read is, in microseconds.
fn ages(bytes: &[u8], micros: &mut Vec<f64>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let Some(at) = memmem::find(bytes, b"\"ts\":") else { return };
    let Some(digits) = bytes.get(at + 5..at + 25) else { return };
    let Some(written) = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok()) else {
        return;
    };
    micros.push(now.saturating_sub(written) as f64 / 1000.0);
}
