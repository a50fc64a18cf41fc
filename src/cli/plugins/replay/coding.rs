//! Compressed answers: recorded as they came, but a proxy that reads answers asks for them plain.

use bytes::Bytes;
use ccproxy_core::decode;
use http::{HeaderMap, header};

/// Most bytes of an answer that was recorded whole.
const LIMIT: usize = 64 << 20;

/// The recorded answer as a provider gives it to who asks with these `accept-encoding` fields. `Err` says why it cannot.
pub(super) async fn negotiate(
    asked: &HeaderMap,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<(HeaderMap, Bytes), String> {
    let codings = codings(&headers);
    if codings.iter().all(|coding| takes(asked, coding)) {
        return Ok((headers, body));
    }
    let plain = decode::plain(&headers, body.clone(), LIMIT).await.map_err(|_| {
        let codings = codings.join(", ");
        format!(
            "the plugin reads answers, and the recorded one (`content-encoding: {codings}`) cannot be decoded"
        )
    })?;
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Ok((headers, plain.unwrap_or(body)))
}

/// The bytes that a client reads: decoded where they can be.
pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Bytes {
    decode::plain(headers, body.clone(), LIMIT).await.ok().flatten().unwrap_or(body)
}

/// The codings of a body; `identity` is none.
fn codings(headers: &HeaderMap) -> Vec<String> {
    let names = items(headers, &header::CONTENT_ENCODING).into_iter();
    names.filter(|name| !name.is_empty() && name != "identity").collect()
}

/// Whether a coding may come back (RFC 9110 section 12.5.3). Without the field, any may.
fn takes(asked: &HeaderMap, coding: &str) -> bool {
    if !asked.contains_key(header::ACCEPT_ENCODING) {
        return true;
    }
    let items = items(asked, &header::ACCEPT_ENCODING);
    let weighed = |wanted: &str| {
        items.iter().find_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight =
                weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
            (name.trim() == wanted).then(|| weight.unwrap_or(1.0) > 0.0)
        })
    };
    // A name of old (RFC 9110 section 8.4.1.3).
    let other = if coding == "x-gzip" { "gzip" } else { coding };
    weighed(coding).or_else(|| weighed(other)).or_else(|| weighed("*")).unwrap_or(false)
}

/// The items of a list field, in lower case.
fn items(headers: &HeaderMap, name: &header::HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values
        .flat_map(|value| value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_coding_is_sent_to_who_takes_it() {
        for (asked, coding, taken) in [
            ("identity", "gzip", false),
            ("", "gzip", false),
            ("deflate, GZIP, br, zstd", "gzip", true),
            ("deflate, gzip;q=0, *", "gzip", false),
            ("gzip ; q=0.5", "gzip", true),
            ("gzip", "x-gzip", true),
            ("*", "br", true),
            ("*;q=0", "br", false),
            ("gzip", "br", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(takes(&headers, coding), taken, "{asked}: {coding}");
        }
        assert!(takes(&HeaderMap::new(), "gzip"));
    }
}
