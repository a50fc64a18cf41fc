//! Copilot's own token: what the exchange answered, and how long it is good for.

use std::time::{Duration, Instant};

use ccproxy_core::document::Json;
use http::HeaderValue;

use crate::base_url::BaseUrl;

/// A token is used no longer than this before its end.
const MARGIN: Duration = Duration::from_secs(60);
/// Without a word about it a token is taken to live so long.
const USUAL: Duration = Duration::from_secs(25 * 60);
/// Shortest and longest time that is believed.
const BOUNDS: (u64, u64) = (30, 24 * 60 * 60);

/// A token, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// `Bearer ...`, marked sensitive.
    pub(super) bearer: HeaderValue,
    /// The host that the exchange names for this account: business and enterprise have others.
    pub(super) host: Option<BaseUrl>,
    /// From here on another one is asked for.
    pub(super) renew: Instant,
    /// From here on it is not sent any more.
    pub(super) end: Instant,
}

impl Token {
    /// Reads the answer of the exchange. `unix` is the time by this machine's clock, which may be wrong: the
    /// lifetime that the answer tells counts before the end that it tells.
    pub(super) fn read(body: &[u8], now: Instant, unix: u64) -> Result<Self, String> {
        let json = Json::whole(body).ok_or("the answer is no JSON")?;
        let token = json.key("token").and_then(|token| token.as_str()).ok_or("the answer holds no token")?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut bearer = bearer.map_err(|_| "the token holds characters that no header can carry")?;
        bearer.set_sensitive(true);
        let bounded = |seconds: u64| Duration::from_secs(seconds.clamp(BOUNDS.0, BOUNDS.1));
        let told = json.key("refresh_in").and_then(|seconds| seconds.as_u64()).map(bounded);
        let end = json.key("expires_at").and_then(|end| end.as_u64());
        let end = end.filter(|end| *end > unix).map(|end| bounded(end - unix));
        let renew = told.or_else(|| end.map(|end| end.saturating_sub(MARGIN))).unwrap_or(USUAL);
        let end = end.unwrap_or(renew).max(renew + MARGIN);
        let named = json.key("endpoints").and_then(|hosts| hosts.key("api")?.as_str());
        let host = named.map(|url| BaseUrl::parse(&url)).transpose();
        let host = host.map_err(|_| "the host that the answer names is no URL")?;
        Ok(Token { bearer, host, renew: now + renew, end: now + end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, unix: u64) -> Result<(Token, Instant), String> {
        let now = Instant::now();
        Token::read(body.as_bytes(), now, unix).map(|token| (token, now))
    }

    #[test]
    fn times_and_host_are_those_of_the_answer() {
        let body = r#"{"token":"tid=1","expires_at":2800,"refresh_in":1500,"endpoints":{"api":"https://api.business.githubcopilot.com"}}"#;
        let (token, now) = read(body, 1000).expect("a token");
        assert_eq!((token.renew - now).as_secs(), 1500);
        assert_eq!((token.end - now).as_secs(), 1800);
        assert_eq!(token.host.expect("a host").origin.authority.as_str(), "api.business.githubcopilot.com");
        assert_eq!(format!("{:?}", token.bearer), "Sensitive");
    }

    #[test]
    fn a_clock_that_is_wrong_harms_nobody() {
        let body = r#"{"token":"t","expires_at":2800,"refresh_in":1500}"#;
        let (token, now) = read(body, 9_999_999).expect("a token");
        assert_eq!((token.renew - now).as_secs(), 1500);
        assert!(token.end > token.renew);
        let (token, now) = read(r#"{"token":"t","expires_at":2800}"#, 9_999_999).expect("a token");
        assert_eq!(token.renew - now, USUAL);
        let (token, now) = read(r#"{"token":"t","refresh_in":0}"#, 1).expect("a token");
        assert_eq!((token.renew - now).as_secs(), BOUNDS.0, "never asked for in a loop");
    }

    #[test]
    fn what_is_no_token_is_told_without_repeating_it() {
        for body in
            ["<html>", "{}", r#"{"token":"a\nb"}"#, r#"{"token":"secret","endpoints":{"api":"nowhere"}}"#]
        {
            let told = read(body, 1).expect_err(body);
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
