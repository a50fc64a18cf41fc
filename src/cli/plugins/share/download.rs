//! An archive from elsewhere: only because the user asked, only encrypted, only so much.

use std::time::Duration;

use reqwest::{Client, redirect};

use crate::cli::Failure;
use crate::config::Loaded;

/// Clocks: for a connection, and for everything.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(120);

/// Largest archive in bytes.
const LARGEST: u64 = 32 << 20;

const REDIRECTS: usize = 5;

/// The bytes behind a URL, by the proxy of the configuration or of the system.
pub(super) async fn read(url: &str, loaded: &Loaded) -> Result<Vec<u8>, Failure> {
    let failed = |error: reqwest::Error| Failure::new(format!("cannot load `{url}`: {}", cause(&error)));
    let mut answer = client(loaded)?.get(url).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(Failure::new(format!("`{url}` answered {}", answer.status())));
    }
    let too_much = || Failure::new(format!("`{url}` is larger than {LARGEST} bytes"));
    if answer.content_length().is_some_and(|length| length > LARGEST) {
        return Err(too_much());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if (bytes.len() + chunk.len()) as u64 > LARGEST {
            return Err(too_much());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn client(loaded: &Loaded) -> Result<Client, Failure> {
    let upstream = &loaded.settings.core.upstream;
    // Another provider may be installed already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Who may be asked without encryption is the user's word, not that of who answers.
    let safe = redirect::Policy::custom(|attempt| match attempt.url().scheme() {
        _ if attempt.previous().len() > REDIRECTS => attempt.error("too many redirects"),
        "https" => attempt.follow(),
        _ => attempt.error("it redirects to a place that is not `https`"),
    });
    let mut builder = Client::builder()
        .redirect(safe)
        .referer(false)
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .user_agent(concat!("ccproxy/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &upstream.proxy {
        let proxy = reqwest::Proxy::all(proxy);
        builder = builder.proxy(proxy.map_err(|_| Failure::new("`upstream.proxy` is no URL of a proxy"))?);
    }
    if let Some(file) = &upstream.ca_file {
        let wrong = || Failure::new("`upstream.ca_file` holds no certificates that can be read");
        let pem = std::fs::read(file).map_err(|_| wrong())?;
        for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| wrong())? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| Failure::new(format!("cannot make a client: {error}")))
}

/// What is at the bottom of it.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
