//! Step 1, second half: connections come in, each gets a task.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::drain::{Drain, Phase, Seat};
use super::files::Room;
use super::guard::Guard;
use super::handler::Handler;
use super::line::Line;
use super::service::Service;
use super::upgrade::UpgradeLimits;
use super::wire::Wire;
use crate::patience::Patience;
use crate::settings::ServerSettings;
use crate::socket::Socket;

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// How long a refused client may take to read that.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Pauses after a failed accept, which mostly means that the process has no file left to open.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// HTTP/2: what a client may send of one body, and of all, before it is read.
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// HTTP/2: what is held of one answer that its client does not take.
const SEND_BUFFER: usize = 64 << 10;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// HTTP/2: streams a client may reset before we have seen them (CVE-2023-44487).
const PENDING_RESETS: usize = 20;

/// Everything a new connection needs.
pub(super) struct Acceptor<H> {
    settings: Arc<ServerSettings>,
    tls: Option<TlsAcceptor>,
    guard: Arc<Guard>,
    drain: Drain,
    handler: Arc<H>,
    http: auto::Builder<TokioExecutor>,
    room: Room,
    /// Clients that are told "full house" now; further ones are closed without a word.
    refusals: Arc<Semaphore>,
}

impl<H: Handler> Acceptor<H> {
    pub(super) fn new(
        settings: Arc<ServerSettings>,
        tls: Option<Arc<rustls::ServerConfig>>,
        guard: Arc<Guard>,
        drain: Drain,
        handler: Arc<H>,
        room: Room,
    ) -> Self {
        let http = builder(&settings);
        let refusals = Arc::new(Semaphore::new(room.refusals));
        Acceptor { settings, tls: tls.map(TlsAcceptor::from), guard, drain, handler, http, room, refusals }
    }

    /// Takes connections from one listener for as long as it is polled.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut pause = FIRST_PAUSE;
        loop {
            match listener.accept().await {
                Ok((stream, address)) => {
                    pause = FIRST_PAUSE;
                    self.welcome(stream, address);
                }
                Err(error) if is_about_the_client(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        if self.drain.connections() >= self.room.connections {
            self.refuse(stream);
            return;
        }
        let seat = self.drain.admit();
        tokio::spawn(self.clone().serve(stream, address, seat));
    }

    /// Full house: says so at once rather than letting the client wait for nobody knows how long.
    fn refuse(&self, mut stream: TcpStream) {
        tracing::warn!(limit = self.room.connections, "full house: refusing connections");
        let Ok(permit) = self.refusals.clone().try_acquire_owned() else { return };
        if self.tls.is_some() {
            return;
        }
        tokio::spawn(async move {
            let _permit = permit;
            let told = async {
                stream.write_all(REFUSAL).await?;
                stream.shutdown().await?;
                // Closing with unread bytes would reset the connection under the answer.
                let mut scratch = [0; 1024];
                while stream.read(&mut scratch).await? > 0 {}
                io::Result::Ok(())
            };
            // Whether the client got it is the client's business.
            let _ = tokio::time::timeout(REFUSAL_TIME, told).await;
        });
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, address: SocketAddr, mut seat: Seat) {
        // Answers are small and urgent; failing to say so only makes them slower.
        let _ = stream.set_nodelay(true);
        let Some((socket, http2)) = self.handshake(stream, address, &mut seat).await else { return };
        let tls = self.tls.is_some();
        let line = Line::new(self.settings.max_head.max(8 << 10));
        let seen = line.clone();
        let wire = Wire::new(socket, line.clone(), &self.settings, http2);
        let service = Service {
            handler: self.handler.clone(),
            guard: self.guard.clone(),
            line,
            address,
            tls,
            max_body: self.settings.max_body,
            upgrades: UpgradeLimits::of(&self.settings).map(|limits| (self.drain.clone(), limits)),
            body_idle: self.settings.body_idle_timeout,
        };
        let service = hyper::service::service_fn(move |request| service.call(request));
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(wire), service));
        let mut told = false;
        let most = self.settings.write_idle_timeout;
        let mut leaving = Patience::new(most);
        let end = poll_fn(|cx| {
            match seat.phase(cx.waker()) {
                Phase::Running => {}
                Phase::Draining if told => {}
                Phase::Draining => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                Phase::Now => return Poll::Ready(Ok(())),
            }
            let polled = connection.as_mut().poll(cx);
            // An HTTP/2 client has to confirm that it heard of the end. One that is gone never will.
            if polled.is_pending() && told && seen.is_http2() {
                if !seen.is_busy() {
                    return leaving.poll_expired(cx, most).map(Ok);
                }
                leaving.restart();
            }
            polled
        })
        .await;
        if let Err(error) = end {
            report(address, &*error);
        }
    }

    /// TLS, where it is on, in the time that a request head has. A failed handshake ends the connection.
    async fn handshake(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        seat: &mut Seat,
    ) -> Option<(Socket, bool)> {
        let Some(tls) = &self.tls else { return Some((Socket::Plain(stream), false)) };
        let mut accepting = pin!(tokio::time::timeout(self.settings.head_timeout, tls.accept(stream)));
        let accepted = poll_fn(|cx| match seat.phase(cx.waker()) {
            Phase::Now => Poll::Ready(None),
            _ => accepting.as_mut().poll(cx).map(Some),
        })
        .await?;
        match accepted {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Some((Socket::Tls(Box::new(TlsStream::Server(stream))), http2))
            }
            // A client that just left said nothing wrong.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::info!(peer = %address, "refused: a TLS handshake failed: {error}");
                None
            }
            Ok(Err(error)) => {
                tracing::debug!(peer = %address, %error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

/// The HTTP machine. It has no timers for HTTP/1.1: the socket side has them all.
fn builder(settings: &ServerSettings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        // A client that closes its sending side has left: that is how its going is noticed while nothing
        // is written. Clients that half-close and then wait for an answer get none.
        .half_close(false)
        .header_read_timeout(None)
        // hyper's smallest.
        .max_buf_size(settings.max_head.max(8 << 10));
    if settings.max_headers != 100 {
        // 100 is hyper's own limit, which needs no allocation.
        http1.max_headers(settings.max_headers);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(u32::try_from(settings.max_head).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// How a connection ended that did not end well: what its client did wrong is worth a line. hyper and
/// the socket side have answered it already, where that was possible.
fn report(peer: SocketAddr, error: &(dyn std::error::Error + Send + Sync + 'static)) {
    let http = error.downcast_ref::<hyper::Error>();
    if http.is_some_and(|error| error.is_parse() || error.is_parse_too_large()) {
        tracing::info!(%peer, "refused: not a valid HTTP message: {error}");
    } else if let Some(silent) = cause(error).filter(|cause| cause.kind() == io::ErrorKind::TimedOut) {
        tracing::info!(%peer, "gave up on a client: {silent}");
    } else {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    error.downcast_ref().or_else(|| error.source()?.downcast_ref())
}

/// Errors of `accept` that are about the one connection that did not come to be.
fn is_about_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
