//! A wire between a client and the proxy that keeps every byte: what a program really sent and got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One connection's bytes in one direction.
type Bytes = Arc<Mutex<Vec<u8>>>;

/// A listening wire. Dropping it closes the listener; connections end with their peers.
pub struct Tap {
    address: SocketAddr,
    wires: Arc<Mutex<Vec<Wire>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Wire {
    up: Bytes,
    down: Bytes,
    cut: Arc<Notify>,
}

impl Tap {
    /// Listens, and hands everything on to `target`.
    pub async fn to(target: SocketAddr) -> Tap {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wires: Arc<Mutex<Vec<Wire>>> = Arc::default();
        let log = wires.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let wire = Wire::default();
                log.lock().unwrap().push(wire.clone());
                tokio::spawn(connect(client, target, wire));
            }
        });
        Tap { address, wires, task }
    }

    /// Where a client finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections that are open; new ones may come.
    pub fn cut(&self) {
        for wire in self.wires.lock().unwrap().iter() {
            wire.cut.notify_one();
        }
    }

    /// Whether some client sent exactly these bytes, one after the other.
    pub fn sent(&self, bytes: &[u8]) -> bool {
        self.wires.lock().unwrap().iter().any(|wire| contains(&wire.up.lock().unwrap(), bytes))
    }

    /// Whether some client got exactly these bytes, one after the other.
    pub fn got(&self, bytes: &[u8]) -> bool {
        self.wires.lock().unwrap().iter().any(|wire| contains(&wire.down.lock().unwrap(), bytes))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, wire: Wire) {
    let Ok(proxy) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_proxy, to_proxy) = proxy.into_split();
    // A client that leaves altogether takes its answer's direction with it, as without the wire.
    tokio::select! {
        () = copy(from_client, to_proxy, wire.up) => {}
        () = copy(from_proxy, to_client, wire.down) => {}
        () = wire.cut.notified() => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, kept: Bytes) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted)
}
