//! A scripted upstream that speaks true HTTP/1.1 over bare sockets, so that every fault is exact to
//! the byte. It records what it was sent and when its peer left. `secure` is the TLS and HTTP/2 one.

pub mod anthropic;
mod connection;
pub mod openai;
mod recorded;
mod reply;
pub mod responses;
pub mod scenes;
pub mod secure;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::net::{TcpListener, TcpSocket};

pub use recorded::{Log, Recorded};
pub use reply::{Gate, Reply};

type Script = dyn Fn(&Recorded) -> Reply + Send + Sync;

/// A running upstream. Dropping it closes the listener and every connection.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

pub(crate) struct Shared {
    queue: Mutex<VecDeque<Reply>>,
    script: Mutex<Arc<Script>>,
    pub(crate) log: Log,
    connections: AtomicU64,
}

impl Upstream {
    /// Answers every request with a short Anthropic message, or its stream when the body asks for one.
    pub async fn start() -> Upstream {
        Self::with(anthropic::answer).await
    }

    /// Answers as the function says.
    pub async fn with(script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            script: Mutex::new(Arc::new(script)),
            log: Log::default(),
            connections: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Upstream { address, shared, task }
    }

    /// An address where nobody listens, and nobody will: its port stays taken until the tests end.
    pub async fn refused() -> String {
        static TAKEN: OnceLock<TcpSocket> = OnceLock::new();
        let taken = TAKEN.get_or_init(|| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            socket
        });
        format!("http://{}", taken.local_addr().unwrap())
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request without an answer of its own gets this one; then the script goes on.
    pub fn next(&self, reply: Reply) -> &Self {
        self.shared.queue.lock().unwrap().push_back(reply);
        self
    }

    /// What it was sent so far, oldest first.
    pub fn requests(&self) -> Vec<Arc<Recorded>> {
        self.shared.log.all()
    }

    /// The request with this number, counted from zero, when it has come.
    pub async fn request(&self, number: usize) -> Arc<Recorded> {
        super::eventually("a request at the upstream", async || self.requests().get(number).cloned()).await
    }

    /// How many connections it took.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    pub(crate) fn reply(&self, request: &Recorded) -> Reply {
        if let Some(reply) = self.queue.lock().unwrap().pop_front() {
            return reply;
        }
        let script = self.script.lock().unwrap().clone();
        script(request)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut open = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let _ = socket.set_nodelay(true);
        open.spawn(connection::serve(socket, shared.clone()));
        while open.try_join_next().is_some() {}
    }
}
