//! Header fields that are between the client and this proxy, and no provider's business.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// Takes them out. Hop-by-hop fields go when the request is sent.
pub(crate) fn take_local(headers: &mut HeaderMap) {
    let local: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| is_local(name.as_str())).cloned().collect();
    for name in local {
        headers.remove(name);
    }
}

/// Fields that a browser or a proxy in front wrote about the way here, and cookies, which are for us.
fn is_local(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'a') => name.starts_with("access-control-request-"),
        Some(b'c') => name == "content-length" || name.starts_with("cookie"),
        Some(b'f') => name == "forwarded",
        Some(b'h') => name == "host",
        Some(b'o') => name == "origin",
        Some(b'p') => name == "proxy-authorization",
        Some(b'r') => name == "referer",
        Some(b's') => name.starts_with("sec-fetch-"),
        Some(b'v') => name == "via",
        Some(b'x') => name.starts_with("x-forwarded-") || name == "x-real-ip",
        _ => false,
    }
}
