//! Step 1: listen, accept, run. One task per connection.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use super::accept::Acceptor;
use super::drain::{Drain, Phase};
use super::files;
use super::guard::Guard;
use super::handler::Handler;
use super::listen;
use crate::error::Result;
use crate::settings::ServerSettings;
use tokio::net::TcpListener;

/// Sockets that listen, and the rules for who may speak to them.
pub struct Server {
    settings: Arc<ServerSettings>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    tls: Option<Arc<rustls::ServerConfig>>,
    guard: Arc<Guard>,
    drain: Drain,
}

impl Server {
    /// Opens all addresses of `listen` and reads the TLS files. Must be called inside a tokio runtime.
    pub fn bind(settings: &ServerSettings) -> Result<Self> {
        listen::check_listen(settings)?;
        let tls = settings.tls.as_ref().map(listen::tls).transpose()?;
        let listeners =
            settings.listen.iter().map(|address| listen::listen(*address)).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .zip(&settings.listen)
            .map(|(listener, asked)| listener.local_addr().unwrap_or(*asked))
            .collect();
        let guard = Arc::new(Guard::new(settings, &addresses));
        Ok(Server {
            settings: Arc::new(settings.clone()),
            listeners,
            addresses,
            tls,
            guard,
            drain: Drain::default(),
        })
    }

    /// Where it listens: the real port where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether it speaks TLS.
    pub fn tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The rules of step 3, which know the ports.
    pub fn guard(&self) -> Arc<Guard> {
        self.guard.clone()
    }

    /// A handle on its end, and on the count of its connections.
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// Serves until `shutdown` is done (or [`Drain::begin`] was called), then lets exchanges in flight
    /// finish within `drain_timeout`. Returns when the last connection is gone.
    pub async fn run<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()>) {
        let drain = self.drain;
        let room = files::room(self.settings.max_connections);
        let acceptor = Arc::new(Acceptor::new(
            self.settings.clone(),
            self.tls,
            self.guard,
            drain.clone(),
            handler,
            room,
        ));
        let accepting = self.listeners.into_iter().map(|listener| acceptor.clone().accept(listener));
        tokio::select! {
            _ = futures_util::future::join_all(accepting) => {}
            () = shutdown => {}
            () = drain.reached(Phase::Draining) => {}
        }
        drain.begin();
        tokio::select! {
            () = drain.empty() => return,
            () = drain.reached(Phase::Now) => {}
            () = tokio::time::sleep(self.settings.drain_timeout) => {
                let left = drain.connections();
                tracing::warn!(connections = left, "drain timeout: cutting what is still running");
            }
        }
        drain.now();
        drain.empty().await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({:?}, tls {})", self.addresses, self.tls.is_some())
    }
}
