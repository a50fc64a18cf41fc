//! What of a message may be shown: headers and queries without their credentials.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Header fields that carry credentials, beside those whose names contain a word that gives one away.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "cookie",
    "set-cookie",
    "x-api-key",
    "proxy-authenticate",
    PROTOCOLS,
];

/// Where pages carry credentials to websockets, since they can set no other field there: `name.<credential>`.
const PROTOCOLS: &str = "sec-websocket-protocol";

const REDACTED: &str = "[redacted]";

/// Whether a field's value is a credential: hidden from logs, events and plugins.
pub fn is_credential(name: &HeaderName) -> bool {
    names_credential(name.as_str())
}

/// The same of a name in any case.
pub fn names_credential(name: &str) -> bool {
    let name = name.as_bytes();
    CREDENTIALS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        || (0..name.len()).any(|at| begins_with_word(&name[at..]))
        || is_token(name)
}

/// `x-csrf-token`, `token`. Rate limits count `tokens`, and some providers tell times: `...-time-to-first-token`,
/// `x-time-per-token`.
fn is_token(name: &[u8]) -> bool {
    let ends = |end: &str| {
        let at = name.len().checked_sub(end.len());
        at.is_some_and(|at| name[at..].eq_ignore_ascii_case(end.as_bytes()))
    };
    let figures = ["first-token", "per-token", "per-input-token", "per-output-token"];
    ends("token") && !figures.iter().any(|figure| ends(figure))
}

/// Parts of names that give a credential away. `token` alone is none, but at the end of a name ([`is_token`]). One look
/// at each byte: scripts ask for every field that they read.
fn begins_with_word(rest: &[u8]) -> bool {
    let words: &[&str] = match rest[0] | 0x20 {
        b's' => &["secret", "session-token", "security-token"],
        b'p' => &["password"],
        b'a' => &["api-key", "apikey", "auth-token", "access-token"],
        b'r' => &["refresh-token"],
        _ => return false,
    };
    words
        .iter()
        .any(|word| rest.get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes())))
}

/// Header fields as an object of lower-case names; repeated fields are lists; credentials read `[redacted]`.
pub fn headers(map: &HeaderMap) -> Map<String, Value> {
    let mut object = Map::new();
    for name in map.keys() {
        let texts = map.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        // What the settings put there may be one under any name.
        let sensitive = map.get_all(name).iter().any(HeaderValue::is_sensitive);
        let value = match name.as_str() {
            _ if sensitive => Value::from(REDACTED),
            PROTOCOLS => Value::from(protocols(&texts.collect::<Vec<_>>().join(","))),
            _ if is_credential(name) => Value::from(REDACTED),
            _ => {
                let mut values: Vec<Value> = texts.map(Value::from).collect();
                if values.len() == 1 { values.remove(0) } else { Value::from(values) }
            }
        };
        object.insert(name.as_str().to_owned(), value);
    }
    object
}

/// The subprotocols of a websocket: what follows a name that gives a credential away reads `[redacted]`, in the same
/// subprotocol (`a-api-key.<key>`) or, where the name stands alone (`access_token, <token>`), in all that come after it.
fn protocols(value: &str) -> String {
    let mut follows = false;
    let shown = |item: &str| {
        if follows {
            return REDACTED.to_owned();
        }
        let mut end = 0;
        for part in item.split_inclusive('.') {
            end += part.len();
            if carries(part.trim_end_matches('.')) {
                follows = end == item.len();
                return if follows { item.to_owned() } else { format!("{}{REDACTED}", &item[..end]) };
            }
        }
        item.to_owned()
    };
    value.split(',').map(str::trim).map(shown).collect::<Vec<_>>().join(", ")
}

/// Whether what comes after this part of a subprotocol is a credential.
fn carries(part: &str) -> bool {
    ["bearer", "jwt", "basic"].iter().any(|scheme| scheme.eq_ignore_ascii_case(part))
        || names_credential(&part.replace('_', "-"))
}

/// A query string whose credential values read `[redacted]`.
pub fn query(query: &str) -> String {
    const SECRET: [&str; 8] =
        ["key", "api_key", "apikey", "token", "access_token", "code", "state", "secret"];
    query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRET.contains(&name.to_ascii_lowercase().as_str()) => {
                format!("{name}={REDACTED}")
            }
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

/// A URL whose query's credential values read `[redacted]`.
pub fn url(url: &str) -> String {
    match url.split_once('?') {
        Some((place, rest)) => format!("{place}?{}", query(rest)),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_the_rest_is_kept() {
        let mut map = HeaderMap::new();
        map.insert("x-api-key", HeaderValue::from_static("sk-1"));
        map.insert("accept", HeaderValue::from_static("a"));
        map.append("accept", HeaderValue::from_static("b"));
        map.insert("x-my-secret-thing", HeaderValue::from_static("s"));
        map.insert("x-amz-security-token", HeaderValue::from_static("sk-2"));
        map.insert("anthropic-ratelimit-tokens-limit", HeaderValue::from_static("80000"));
        let shown = serde_json::to_string(&headers(&map)).expect("json");
        assert!(!shown.contains("sk-") && shown.contains("80000") && !shown.contains("\"s\""), "{shown}");
        assert!(shown.contains(r#""accept":["a","b"]"#), "{shown}");
        for name in [
            "Api-Key",
            "X-Goog-Api-Key",
            "cookie",
            "X-Refresh-Token-2",
            "clientsecret",
            "x-github-token",
            "X-Custom-Token",
            "x-csrf-token",
            "X-CSRFToken",
            "Token",
            "Sec-WebSocket-Protocol",
        ] {
            assert!(names_credential(name), "{name}");
        }
        for name in [
            "",
            "oken",
            "accept",
            "x-tokens-left",
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-input-tokens-remaining",
            "x-custom-tokens-remaining",
            "x-token-count",
            "server-time-to-first-token",
            "x-time-per-token",
            "x-time-per-output-token",
            "idempotency-key",
            "sec-fetch-site",
            "sec-websocket-version",
            "x-request-id",
        ] {
            assert!(!names_credential(name), "{name}");
        }
        assert_eq!(query("beta=true&api_key=abc"), "beta=true&api_key=[redacted]");
        assert_eq!(url("http://a/b?token=abc"), "http://a/b?token=[redacted]");
    }

    #[test]
    fn subprotocols_are_kept_without_the_credentials_in_them() {
        for (value, kept) in [
            ("realtime", "realtime"),
            ("realtime,v1.json", "realtime, v1.json"),
            (
                "realtime, openai-insecure-api-key.sk-proj-a.b, openai-beta.realtime-v1",
                "realtime, openai-insecure-api-key.[redacted], openai-beta.realtime-v1",
            ),
            ("OPENAI-INSECURE-API-KEY.sk-1", "OPENAI-INSECURE-API-KEY.[redacted]"),
            ("base64url.bearer.authorization.k8s.io.sk-2, v4.k8s", "base64url.bearer.[redacted], v4.k8s"),
            ("access_token, sk-3, v1", "access_token, [redacted], [redacted]"),
            ("Bearer, sk-4", "Bearer, [redacted]"),
            ("", ""),
        ] {
            let mut map = HeaderMap::new();
            map.insert(PROTOCOLS, HeaderValue::from_static(value));
            assert_eq!(headers(&map)[PROTOCOLS], kept, "{value}");
        }
        let mut map = HeaderMap::new();
        map.append(PROTOCOLS, HeaderValue::from_static("access_token"));
        map.append(PROTOCOLS, HeaderValue::from_static("sk-5"));
        assert!(!serde_json::to_string(&headers(&map)).expect("json").contains("sk-5"));
    }
}
