//! Step 1, second half: connections come in, each gets a task.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use super::RequestBody;
use super::drain::Drain;
use super::guard::Guard;
use super::handler::Handler;
use crate::exchange::Peer;
use crate::settings::ServerSettings;

/// Everything a new connection needs.
pub(super) struct Acceptor<H> {
    settings: Arc<ServerSettings>,
    tls: Option<Arc<rustls::ServerConfig>>,
    guard: Arc<Guard>,
    drain: Drain,
    handler: Arc<H>,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(
        settings: Arc<ServerSettings>,
        tls: Option<Arc<rustls::ServerConfig>>,
        guard: Arc<Guard>,
        drain: Drain,
        handler: Arc<H>,
    ) -> Self {
        Acceptor { settings, tls, guard, drain, handler }
    }

    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let _ = (&self.tls, &self.guard);
        loop {
            let Ok((stream, address)) = listener.accept().await else { continue };
            let this = self.clone();
            let seat = self.drain.admit();
            tokio::spawn(async move {
                let _seat = seat;
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
                    let peer =
                        Peer { address, tls: false, http2: request.version() == http::Version::HTTP_2 };
                    let (limit, idle) = (this.settings.max_body, this.settings.body_idle_timeout);
                    let request = request.map(|body| RequestBody::wire(body, None, limit, idle));
                    let handler = this.handler.clone();
                    async move { Ok::<_, std::convert::Infallible>(handler.handle(request, peer).await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }
}
