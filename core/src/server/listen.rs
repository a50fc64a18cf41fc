//! Step 1, first half: sockets that listen, TLS or not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpSocket};

use crate::error::{Error, Result};
use crate::settings::{ServerSettings, TlsSettings};

/// Connections the kernel holds for us while we are busy.
const BACKLOG: u32 = 1024;

/// Refuses to listen nowhere, and on an address that others can reach while no client key is asked for.
pub(super) fn check_listen(settings: &ServerSettings) -> Result<()> {
    if settings.listen.is_empty() {
        return Err(Error::internal("no address to listen on: set `server.host` and `server.port`"));
    }
    if settings.asks_for_a_key() {
        return Ok(());
    }
    match settings.listen.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Error::internal(format!(
            "`{address}` can be reached from other machines and no client key is asked for: \
             set `server.auth_token`, make a key with `ccproxy keys create`, or listen on `127.0.0.1`"
        ))),
    }
}

/// Listens on `address`; port 0 takes a free one.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let open = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Without it a restart waits for the connections of the last run to be forgotten.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is in use: stop the program that holds it, or set another `server.port`"
            }
            io::ErrorKind::PermissionDenied => {
                "not permitted: ports below 1024 need rights that this user does not have, set a higher `server.port`"
            }
            io::ErrorKind::AddrNotAvailable => {
                "no interface of this machine has this address: correct `server.host`"
            }
            _ => "check `server.host` and `server.port`",
        };
        Error::internal(format!("cannot listen on `{address}`: {remedy} ({error})"))
    })
}

/// Reads certificate and key.
pub(super) fn tls(settings: &TlsSettings) -> Result<Arc<ServerConfig>> {
    let (certificate, key) = (settings.certificate.display(), settings.key.display());
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&settings.certificate).and_then(Iterator::collect).map_err(
            |error| Error::internal(format!("cannot read the certificate file `{certificate}`: {error}")),
        )?;
    if chain.is_empty() {
        return Err(Error::internal(format!("the certificate file `{certificate}` holds no certificate")));
    }
    let private = PrivateKeyDer::from_pem_file(&settings.key)
        .map_err(|error| Error::internal(format!("cannot read a private key from `{key}`: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS is not available: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), private)
        .map_err(|error| {
            Error::internal(format!("certificate `{certificate}` and key `{key}` cannot be used: {error}"))
        })?;
    check_dates(&chain, &provider, &certificate)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A certificate that every client will refuse is better told now. rustls itself only looks at those of others,
/// so it is asked whether it would believe this one; any objection but the date's is the clients' business.
fn check_dates(
    chain: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
    shown: &std::path::Display<'_>,
) -> Result<()> {
    let Some((leaf, rest)) = chain.split_first() else { return Ok(()) };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain.last().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from("localhost")) else { return Ok(()) };
    let what = match verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now()) {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "has expired",
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => "is not valid yet",
        _ => return Ok(()),
    };
    Err(Error::internal(format!(
        "the certificate `{shown}` {what}: renew it, or correct the clock of this machine"
    )))
}
