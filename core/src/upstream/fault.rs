//! What went wrong between us and a provider, as the house's error: the client learns which provider
//! and what to do, the log learns the details. Neither ever holds a query or a credential.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::header::RETRY_AFTER;

use super::clock::{Limits, Wait};
use super::proxy::Way;
use crate::error::{Error, Kind, Reach};
use crate::provider::Origin;

/// Longest chain of causes that is written out.
const CAUSES: usize = 8;

/// The first clock.
pub(super) fn connect_timeout(origin: &Origin, limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    Error::upstream(
        Kind::GatewayTimeout,
        format!("connecting to `{}` took longer than {seconds} s (`upstream.connect_timeout`)", show(origin)),
    )
    .with_reach(Reach::Unsent)
}

/// The other three clocks.
pub(super) fn expired(origin: &Origin, wait: Wait, limits: &Limits) -> Error {
    let seconds = limits.of(wait).as_secs_f64();
    let origin = show(origin);
    let text = match wait {
        Wait::Head => format!("`{origin}` sent no answer within {seconds} s (`upstream.head_timeout`)"),
        Wait::FirstData => {
            format!(
                "`{origin}` began an answer but sent no data within {seconds} s (`upstream.first_data_timeout`)"
            )
        }
        Wait::DataIdle => {
            format!("`{origin}` sent no data for {seconds} s (`upstream.data_idle_timeout`)")
        }
    };
    Error::upstream(Kind::GatewayTimeout, text).with_reach(Reach::Unanswered)
}

/// No connection.
pub(super) fn connect(origin: &Origin, way: &Way, error: &(dyn StdError + 'static)) -> Error {
    let (origin, through) = (show(origin), through(way));
    let causes = causes(error);
    let what = match io_kind(error) {
        Some(io::ErrorKind::ConnectionRefused) => "the connection was refused",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => "the connection was reset",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "the network is unreachable"
        }
        Some(io::ErrorKind::TimedOut) => "the connection timed out",
        _ if causes.contains("dns error") => "the host name was not found",
        _ if causes.contains("proxy authorization required") => "the proxy asks for a login",
        _ if causes.contains("tunnel error") => "the proxy opened no tunnel",
        _ => "no connection",
    };
    Error::upstream(Kind::BadGateway, format!("cannot reach `{origin}`{through}: {what}"))
        .with_log(causes)
        .with_reach(Reach::Unsent)
}

/// No TLS.
pub(super) fn tls(origin: &Origin, error: &io::Error) -> Error {
    let origin = show(origin);
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let what = match reason {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another host name"
            }
            rustls::CertificateError::UnknownIssuer => {
                "its certificate is from an authority that is not trusted (`upstream.ca_file` adds one)"
            }
            _ => "its certificate is not valid",
        },
        Some(rustls::Error::AlertReceived(_)) => "it refused the TLS handshake",
        Some(rustls::Error::PeerIncompatible(_)) => "it speaks no TLS version or cipher in common",
        Some(_) => "it does not speak TLS properly",
        None => "the connection ended during the TLS handshake",
    };
    Error::upstream(Kind::BadGateway, format!("no secure connection to `{origin}`: {what}"))
        .with_log(error.to_string())
        .with_reach(Reach::Unsent)
}

/// A connection that failed between request and head.
pub(super) fn no_head(origin: &Origin, error: &hyper::Error) -> Error {
    let what = if error.is_parse() {
        "sent something that is not an HTTP answer"
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "closed the connection before it answered"
    } else if matches!(io_kind(error), Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)) {
        "reset the connection before it answered"
    } else {
        "broke off before it answered"
    };
    Error::upstream(Kind::BadGateway, format!("`{}` {what}", show(origin))).with_log(causes(error))
}

/// An answer that broke off.
pub(super) fn broken_body(origin: &Origin, error: &hyper::Error, received: u64) -> Error {
    Error::upstream(Kind::BadGateway, format!("`{}` broke its answer off", show(origin)))
        .with_log(format!("after {received} bytes: {}", causes(error)))
        .with_retry(false)
}

/// An answer that only a tunnel could go on with.
pub(super) fn upgraded(origin: &Origin) -> Error {
    Error::upstream(Kind::BadGateway, format!("`{}` switched protocols without being asked to", show(origin)))
}

/// The connection's own task ended without a word.
pub(super) fn vanished(origin: &Origin) -> Error {
    Error::upstream(Kind::BadGateway, format!("the connection to `{}` ended", show(origin)))
}

/// The proxy on the way refuses us. Its own answer is no business of the client's.
pub(super) fn proxy_login(origin: &Origin, way: &Way) -> Error {
    let text = format!("cannot reach `{}`{}: the proxy asks for a login", show(origin), through(way));
    Error::upstream(Kind::BadGateway, text).with_reach(Reach::Unsent)
}

/// The proxy that is configured is of no use. The address may hold a password and is not repeated.
pub(super) fn unusable_proxy(origin: &Origin, scheme: &str) -> Error {
    Error::upstream(
        Kind::BadGateway,
        format!(
            "cannot reach `{}`: a proxy with `{scheme}://` cannot be used: set `HTTPS_PROXY`, `HTTP_PROXY` or \
             `upstream.proxy` to an `http://` or `socks5h://` URL",
            show(origin)
        ),
    )
    .with_reach(Reach::Unsent)
}

/// Too many origins: a sign of addresses made up per request.
pub(super) fn too_many_origins() -> Error {
    Error::upstream(Kind::Unavailable, "too many different upstream addresses are in use")
        .with_header(RETRY_AFTER, http::HeaderValue::from_static("1"))
        .with_reach(Reach::Unsent)
}

fn through(way: &Way) -> String {
    match way {
        Way::Direct => String::new(),
        Way::Forward { proxy, .. } | Way::Tunnel { proxy, .. } | Way::Socks { proxy, .. } => {
            // Its userinfo was taken out when the URL was read.
            proxy.authority().map(|proxy| format!(" through the proxy `{proxy}`")).unwrap_or_default()
        }
    }
}

/// Scheme and authority, without userinfo.
fn show(origin: &Origin) -> String {
    let authority = origin.authority.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}", origin.scheme)
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    for _ in 0..CAUSES {
        let error = next?;
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // An io error may only wrap the one that tells.
            if error.kind() != io::ErrorKind::Other {
                return Some(error.kind());
            }
        }
        next = error.source();
    }
    None
}

fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    for _ in 0..CAUSES {
        let Some(cause) = next else { break };
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
