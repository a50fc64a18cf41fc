//! What of a message may be shown: headers and queries without their credentials.

use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value};

/// Header fields that carry credentials, beside those whose names contain one of [`WORDS`].
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "cookie",
    "set-cookie",
    "x-api-key",
    "proxy-authenticate",
];

/// Parts of names that give a credential away. `token` alone is no such word: rate limits count tokens.
const WORDS: [&str; 9] = [
    "secret",
    "password",
    "api-key",
    "apikey",
    "auth-token",
    "access-token",
    "session-token",
    "security-token",
    "refresh-token",
];

/// Whether a field's value is a credential: hidden from logs, events and plugins.
pub fn is_credential(name: &HeaderName) -> bool {
    let name = name.as_str();
    CREDENTIALS.contains(&name) || WORDS.iter().any(|word| name.contains(word))
}

/// Header fields as an object of lower-case names; repeated fields are lists; credentials read `[redacted]`.
pub fn headers(map: &HeaderMap) -> Map<String, Value> {
    let mut object = Map::new();
    for name in map.keys() {
        if is_credential(name) {
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
    use http::HeaderValue;

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
        assert_eq!(query("beta=true&api_key=abc"), "beta=true&api_key=[redacted]");
        assert_eq!(url("http://a/b?token=abc"), "http://a/b?token=[redacted]");
    }
}
