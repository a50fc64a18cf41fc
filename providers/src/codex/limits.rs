//! When a plan's limit ends: the backend says it in the body, clients look for `retry-after`.

use ccproxy_core::document::Json;
use http::HeaderValue;

/// The seconds to wait, told by a 429's body. `now` is in seconds since 1970.
pub(super) fn retry_after(body: &[u8], now: u64) -> Option<HeaderValue> {
    let error = Json::whole(body)?.key("error")?;
    let seconds = |key: &str| error.key(key).and_then(|value| value.as_f64()).filter(|value| *value >= 0.0);
    let wait = seconds("resets_in_seconds")
        .or_else(|| Some((seconds("resets_at")? - now as f64).max(0.0)))
        .filter(|wait| *wait < 1e9)?;
    Some(HeaderValue::from((wait.ceil() as u64).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_tells_the_wait() {
        let wait = |body: &str| {
            retry_after(body.as_bytes(), 1000).map(|value| value.to_str().unwrap_or("").to_owned())
        };
        assert_eq!(wait(r#"{"error":{"resets_in_seconds":90}}"#).as_deref(), Some("90"));
        assert_eq!(wait(r#"{"error":{"resets_in_seconds":0.2}}"#).as_deref(), Some("1"));
        assert_eq!(wait(r#"{"error":{"resets_at":1060}}"#).as_deref(), Some("60"));
        assert_eq!(wait(r#"{"error":{"resets_at":10}}"#).as_deref(), Some("1"));
        for body in [
            "",
            "{}",
            r#"{"detail":"x"}"#,
            r#"{"error":{"resets_at":"soon"}}"#,
            r#"{"error":{"resets_at":1e300}}"#,
        ] {
            assert_eq!(wait(body), None, "{body}");
        }
    }
}
