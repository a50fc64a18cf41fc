//! Header fields that end at this hop (RFC 9110 section 7.6.1).

use http::header::{self, HeaderMap, HeaderName};
use smallvec::SmallVec;

/// Takes out what a request may not carry on: hop-by-hop fields, and those that the client side writes
/// itself from the body and the origin.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    // The whole body is sent at once, so there is nothing to `expect`.
    strip(headers, |name| {
        ends_here(name) || matches!(name, "host" | "content-length" | "expect" | "http2-settings")
    });
}

/// Takes out what an answer may not carry on. Everything else passes.
pub(super) fn strip_answer(headers: &mut HeaderMap) {
    strip(headers, ends_here);
}

/// Fields that are about one connection only, whoever sends them.
fn ends_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// One look at each name costs less than a search for each field that might be there.
fn strip(headers: &mut HeaderMap, ends: impl Fn(&str) -> bool) {
    let found: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| ends(name.as_str())).cloned().collect();
    if found.contains(&header::CONNECTION) {
        strip_named(headers);
    }
    if found.contains(&header::TRANSFER_ENCODING) {
        // The coding tells where the body ends, whatever the length says (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in found {
        headers.remove(name);
    }
}

/// Takes out the fields that `connection` names.
fn strip_named(headers: &mut HeaderMap) {
    let named: SmallVec<[HeaderName; 4]> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        // These two tell the connection's own fate, they name no field worth looking for.
        .filter(|name| name.as_str() != "close" && name.as_str() != "keep-alive")
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_request_keeps_only_what_is_for_the_provider() {
        let mut headers = map(&[
            ("connection", "close, X-Mine"),
            ("connection", "keep-alive,,x-other , bad name"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("host", "localhost:8000"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-api-key", "k"),
        ]);
        strip_request(&mut headers);
        assert_eq!(names(&headers), ["anthropic-beta", "x-api-key"]);
        assert_eq!(headers.get_all("anthropic-beta").iter().count(), 2);
    }

    #[test]
    fn an_answer_keeps_rate_limits_and_length() {
        let mut headers = map(&[
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "3"),
            ("retry-after", "1"),
            ("request-id", "req_1"),
            ("anthropic-ratelimit-requests-remaining", "9"),
        ]);
        strip_answer(&mut headers);
        assert_eq!(
            names(&headers),
            ["anthropic-ratelimit-requests-remaining", "content-length", "request-id", "retry-after"]
        );
    }

    #[test]
    fn a_length_beside_a_coding_is_not_believed() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        strip_answer(&mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
