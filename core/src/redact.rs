//! What of a message may be shown: headers and queries without their credentials.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Header fields that carry credentials, beside those whose names contain a word that gives one away.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "cookie",
    "set-cookie",
    "x-api-key",
    "proxy-authenticate",
];

/// Whether a field's value is a credential: hidden from logs, events and plugins.
pub fn is_credential(name: &HeaderName) -> bool {
    names_credential(name.as_str())
}

/// The same of a name in any case.
pub fn names_credential(name: &str) -> bool {
    let name = name.as_bytes();
    CREDENTIALS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        || (0..name.len()).any(|at| begins_with_word(&name[at..]))
}

/// Parts of names that give a credential away. `token` alone is no such word: rate limits count tokens. One look at
/// each byte: scripts ask for every field that they read.
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
        // What the settings put there may be one under any name.
        if is_credential(name) || map.get_all(name).iter().any(HeaderValue::is_sensitive) {
            object.insert(name.as_str().to_owned(), Value::from("[redacted]"));
            continue;
        }
        let mut values: Vec<Value> = map
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::from(values) };
        object.insert(name.as_str().to_owned(), value);
    }
    object
}

/// A query string whose credential values read `[redacted]`.
pub fn query(query: &str) -> String {
    const SECRET: [&str; 8] =
        ["key", "api_key", "apikey", "token", "access_token", "code", "state", "secret"];
    query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRET.contains(&name.to_ascii_lowercase().as_str()) => {
                format!("{name}=[redacted]")
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
        for name in ["Api-Key", "X-Goog-Api-Key", "cookie", "X-Refresh-Token-2", "clientsecret"] {
            assert!(names_credential(name), "{name}");
        }
        for name in ["", "accept", "x-tokens-left", "idempotency-key", "sec-fetch-site", "x-request-id"] {
            assert!(!names_credential(name), "{name}");
        }
        assert_eq!(query("beta=true&api_key=abc"), "beta=true&api_key=[redacted]");
        assert_eq!(url("http://a/b?token=abc"), "http://a/b?token=[redacted]");
    }
}
