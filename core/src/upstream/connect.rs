//! Opens connections: directly, through a proxy, with TLS. Runs under the first clock.

use std::error::Error as StdError;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::service::Service as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::fault;
use super::proxy::Way;
use super::trust::Trust;
use crate::error::{Error, Kind, Result};
use crate::provider::Origin;
use crate::socket::Socket;

/// After this silence the kernel asks whether the other end is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(45);

/// Opens connections.
pub(super) struct Connector {
    tcp: HttpConnector,
    trust: Trust,
    timeout: Duration,
}

/// A fresh connection.
pub(super) struct Opened {
    pub(super) socket: Socket,
    /// ALPN chose HTTP/2.
    pub(super) http2: bool,
}

impl Connector {
    pub(super) fn new(trust: Trust, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        Connector { tcp, trust, timeout }
    }

    /// Opens one, within the connect clock.
    pub(super) async fn open(&self, origin: &Origin, way: &Way) -> Result<Opened> {
        match tokio::time::timeout(self.timeout, self.open_now(origin, way)).await {
            Ok(opened) => opened,
            Err(_) => Err(fault::connect_timeout(origin, self.timeout)),
        }
    }

    async fn open_now(&self, origin: &Origin, way: &Way) -> Result<Opened> {
        let tls = origin.scheme == Scheme::HTTPS;
        let port = origin.authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let target = Uri::builder()
            .scheme(origin.scheme.clone())
            .authority(format!("{}:{port}", origin.authority.host()))
            .path_and_query("/")
            .build()
            .map_err(|error| Error::internal(format!("the upstream address is not a URL: {error}")))?;
        let stream =
            self.tcp(target, way).await.map_err(|error| fault::connect(origin, way, error.as_ref()))?;
        if !tls {
            return Ok(Opened { socket: Socket::Plain(stream), http2: false });
        }
        let config = self.trust.config().await?;
        let host = origin.authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Error::upstream(Kind::BadGateway, format!("`{host}` is not a name that a certificate can be for"))
        })?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| fault::tls(origin, &error))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Opened { socket: Socket::Tls(Box::new(TlsStream::Client(stream))), http2 })
    }

    async fn tcp(&self, target: Uri, way: &Way) -> Result<TcpStream, Box<dyn StdError + Send + Sync>> {
        let tcp = self.tcp.clone();
        let stream = match way {
            Way::Direct => TowerToHyperService::new(tcp).call(target).await?,
            Way::Forward { proxy, .. } => TowerToHyperService::new(tcp).call(proxy.clone()).await?,
            Way::Tunnel { proxy, authorization } => {
                let mut tunnel = Tunnel::new(proxy.clone(), tcp);
                if let Some(authorization) = authorization {
                    tunnel = tunnel.with_auth(authorization.clone());
                }
                TowerToHyperService::new(tunnel).call(target).await?
            }
            Way::Socks { proxy, login, remote_dns } => {
                let mut socks = SocksV5::new(proxy.clone(), tcp).local_dns(!remote_dns);
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user.clone(), password.clone());
                }
                TowerToHyperService::new(socks).call(target).await?
            }
        };
        Ok(stream.into_inner())
    }
}
