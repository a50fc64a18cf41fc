//! The upgrade to a websocket (RFC 6455 section 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::error::{Error, Kind, Result};

/// What a server adds to the client's key, so that it cannot be one that just repeats things.
const SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Whether a request asks for a websocket.
pub(crate) fn asked(parts: &Parts) -> bool {
    parts.method == Method::GET && names(&parts.headers, &header::UPGRADE, b"websocket")
}

/// Whether it asks rightly.
pub(crate) fn check(headers: &HeaderMap) -> Result<()> {
    let bad = |message: &'static str| Err(Error::client(Kind::InvalidRequest, message));
    if !names(headers, &header::CONNECTION, b"upgrade") {
        return bad("a websocket needs `connection: upgrade`");
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        let message = "only version 13 of the websocket protocol is spoken here";
        return Err(Error::client(Kind::InvalidRequest, message)
            .with_status(StatusCode::UPGRADE_REQUIRED)
            .with_header(header::SEC_WEBSOCKET_VERSION, VERSION));
    }
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).and_then(|key| BASE64.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return bad("a websocket needs one `sec-websocket-key` of 16 bytes in base64");
    }
    Ok(())
}

/// The head of the answer to a request that was checked. No extension is taken: events are small, and
/// compressing each costs more than it saves on a loopback.
pub(super) fn answer(headers: &HeaderMap) -> HeaderMap {
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, SALT].concat());
    let mut answer = HeaderMap::with_capacity(4);
    answer.insert(header::CONNECTION, UPGRADE);
    answer.insert(header::UPGRADE, WEBSOCKET);
    if let Ok(accept) = HeaderValue::from_str(&BASE64.encode(digest)) {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    answer
}

/// Whether a field that lists tokens names this one.
fn names(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|found| found.trim_ascii().eq_ignore_ascii_case(token))
}

/// The value of a field that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    const GOOD: [(&str, &str); 3] = [
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn the_answer_proves_that_it_was_read() {
        assert!(check(&headers(&GOOD)).is_ok());
        assert_eq!(answer(&headers(&GOOD))["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_asked_wrongly_is_told() {
        for (name, value, status) in [
            ("connection", "keep-alive", 400),
            ("sec-websocket-version", "8", 426),
            ("sec-websocket-key", "c2hvcnQ=", 400),
            ("sec-websocket-key", "not base64 at all, it is", 400),
        ] {
            let mut fields = headers(&GOOD);
            fields.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            assert_eq!(check(&fields).expect_err("refused").status().as_u16(), status, "{name}: {value}");
            fields.remove(name);
            assert!(check(&fields).is_err(), "{name}");
        }
    }
}
