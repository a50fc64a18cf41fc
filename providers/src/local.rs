//! Header fields that are between the client and this proxy, or between it and another provider.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// What OpenAI's clients tell about accounts and sessions there.
pub(crate) const OF_OPENAI: &[&str] = &["originator", "openai-", "chatgpt-", "x-codex-", "x-openai-"];
/// What Anthropic's clients tell about versions and sessions there.
pub(crate) const OF_ANTHROPIC: &[&str] = &["anthropic-", "x-claude-"];

/// Takes out what ends at this proxy. Hop-by-hop fields go when the request is sent.
pub(crate) fn take_local(headers: &mut HeaderMap) {
    take(headers, is_local);
}

/// Takes out the fields whose names begin so: none of this provider's business.
pub(crate) fn take_foreign(headers: &mut HeaderMap, prefixes: &[&str]) {
    take(headers, |name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
}

fn take(headers: &mut HeaderMap, which: impl Fn(&str) -> bool) {
    let names: SmallVec<[HeaderName; 4]> =
        headers.keys().filter(|name| which(name.as_str())).cloned().collect();
    for name in names {
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
