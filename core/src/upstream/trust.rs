//! Whom we believe to be a provider: the authorities of the system, and those of `ca_file`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::error::{Error, Kind, Result};

/// The TLS settings, made at the first need: reading the system's authorities takes longer than the
/// whole start of the proxy.
pub(super) struct Trust {
    extra: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Reads `ca_file`; the system's authorities wait.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self> {
        let extra = match ca_file {
            None => Vec::new(),
            Some(path) => read(path)?,
        };
        Ok(Trust { extra, config: OnceCell::new() })
    }

    /// The TLS settings, with HTTP/2 and HTTP/1.1 offered by ALPN.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>> {
        self.config
            .get_or_try_init(|| async {
                let extra = self.extra.clone();
                tokio::task::spawn_blocking(move || build(extra)).await.map_err(|error| {
                    Error::internal(format!("reading trusted authorities failed: {error}"))
                })?
            })
            .await
            .cloned()
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let shown = path.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| Error::internal(format!("cannot read `upstream.ca_file` `{shown}`: {error}")))?;
    if certificates.is_empty() {
        return Err(Error::internal(format!("`upstream.ca_file` `{shown}` holds no certificate")));
    }
    Ok(certificates)
}

fn build(extra: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Single files that cannot be read are usual in system stores; only an empty store matters.
    roots.add_parsable_certificates(found.certs);
    for certificate in extra {
        roots.add(certificate).map_err(|error| {
            Error::internal(format!("a certificate of `upstream.ca_file` cannot be used: {error}"))
        })?;
    }
    if roots.is_empty() {
        return Err(Error::upstream(Kind::BadGateway, "no trusted certificate authorities were found")
            .with_log("install the system's `ca-certificates`, or set `upstream.ca_file`"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS is not available: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
