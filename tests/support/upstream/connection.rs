//! One connection of the upstream: read a request, do what the reply says, watch for the peer leaving.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::reply::Act;
use super::{Recorded, Shared};

/// Serves until either side closes.
pub(crate) async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Ok(Some((head, body))) = read_request(&mut socket, &mut buffer).await {
        let request = shared.log.add(Recorded::new(head, body));
        let (acts, keep) = shared.reply(&request).acts();
        let ended = perform(&mut socket, &mut buffer, acts).await;
        match ended {
            Ok(true) if keep => {}
            Ok(true) => break,
            Ok(false) => return,
            Err(_) => {
                request.close();
                return;
            }
        }
    }
    let _ = socket.shutdown().await;
}

/// Does everything; false when the reply itself ended the connection, an error when the peer left.
async fn perform(socket: &mut TcpStream, buffer: &mut Vec<u8>, acts: Vec<Act>) -> io::Result<bool> {
    for act in acts {
        match act {
            Act::Write(bytes) => write(socket, buffer, &bytes).await?,
            Act::Pause(time) => watched(socket, buffer, tokio::time::sleep(time)).await?,
            Act::Wait(gate) => watched(socket, buffer, gate.pass()).await?,
            Act::Stall => watched(socket, buffer, std::future::pending()).await?,
            Act::Cut => {
                socket.shutdown().await?;
                return Ok(false);
            }
            Act::Reset => {
                socket.set_zero_linger()?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Waits for `future`; an error as soon as the peer leaves. Pipelined bytes are kept.
async fn watched<F: Future<Output = ()>>(
    socket: &TcpStream,
    buffer: &mut Vec<u8>,
    future: F,
) -> io::Result<()> {
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            () = &mut future => return Ok(()),
            more = more(socket, buffer) => more?,
        }
    }
}

async fn write(socket: &TcpStream, buffer: &mut Vec<u8>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        tokio::select! {
            biased;
            more = more(socket, buffer) => more?,
            ready = socket.writable() => {
                ready?;
                match socket.try_write(bytes) {
                    Ok(count) => bytes = &bytes[count..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

/// Reads what is there; an error at the end.
async fn more(socket: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    loop {
        socket.readable().await?;
        match socket.try_read_buf(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The next request, byte-exact; `None` when the peer closed between requests.
async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if let Err(error) = more(socket, buffer).await {
            return if buffer.is_empty() { Ok(None) } else { Err(error) };
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let body = if text.contains("\r\ntransfer-encoding: chunked") {
        read_chunked(socket, buffer).await?
    } else {
        let length = text.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.lines().next());
        let length = length.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        take(socket, buffer, length).await?
    };
    Ok(Some((head, body)))
}

async fn read_chunked(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            match find(buffer, b"\r\n") {
                Some(at) => break buffer.drain(..at + 2).collect::<Vec<_>>(),
                None => more(socket, buffer).await?,
            }
        };
        let size = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        let chunk = take(socket, buffer, size + 2).await?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn take(socket: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while buffer.len() < length {
        more(socket, buffer).await?;
    }
    Ok(buffer.drain(..length).collect())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
