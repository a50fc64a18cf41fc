//! Which header fields a script may see and set.

use ccproxy_core::redact;
use http::{HeaderName, HeaderValue};

/// Longest value a script may set, in bytes.
const MAX_VALUE: usize = 16 << 10;

/// Most fields of a message that a script may bring it to.
pub(crate) const MAX_FIELDS: usize = 200;

/// Framing, connection and addressing: seen, but the proxy's own to set (RFC 9110 7.6.1, RFC 9112 6).
const FRAMING: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
];

fn is_in(list: &[&str], name: &str) -> bool {
    list.iter().any(|known| known.len() == name.len() && known.eq_ignore_ascii_case(name))
}

/// Whether a field is out of sight: credentials are neither seen nor set.
#[inline]
pub(crate) fn is_hidden(name: &str) -> bool {
    redact::names_credential(name)
}

/// The name, if a script may set it.
pub(crate) fn settable(name: &str) -> Result<HeaderName, String> {
    if is_hidden(name) {
        return Err(format!("header `{name}` carries a credential: scripts neither see nor set it"));
    }
    if is_in(FRAMING, name) {
        return Err(format!("header `{name}` belongs to the connection: only the proxy sets it"));
    }
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("`{}` is no header name", crate::fault::clip(name.escape_debug().to_string())))
}

/// The value, if it can stand in a head: no CR, LF or NUL, not too long.
pub(crate) fn value(name: &str, bytes: &[u8]) -> Result<HeaderValue, String> {
    if bytes.len() > MAX_VALUE {
        return Err(format!("the value of header `{name}` is longer than {MAX_VALUE} bytes"));
    }
    HeaderValue::from_bytes(bytes)
        .map_err(|_| format!("the value of header `{name}` has a control character, such as a line break"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_framing_are_out_of_reach() {
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "set-cookie",
            "proxy-authorization",
            "proxy-authenticate",
            "api-key",
            "x-goog-api-key",
            "x-amz-security-token",
        ] {
            assert!(is_hidden(name) && is_hidden(&name.to_uppercase()), "{name}");
            assert!(settable(name).is_err());
        }
        for name in FRAMING.iter().copied().chain(["", ":authority", "a b", "x\r\ny"]) {
            assert!(settable(name).is_err(), "{name}");
        }
        assert!(settable("X-Team").is_ok());
        for bad in ["a\r\nb: c", "a\0b", "a\nb"] {
            assert!(value("x", bad.as_bytes()).is_err());
        }
        assert!(value("x", &vec![b'a'; MAX_VALUE + 1]).is_err());
        assert!(value("x", b"caf\xe9").is_ok());
    }
}
