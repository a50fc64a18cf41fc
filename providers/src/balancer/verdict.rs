//! What the head of an answer says about the credential that the request had. Pure.
//!
//! Limits are told by `retry-after`; else by `anthropic-ratelimit-*` (<https://docs.anthropic.com/en/api/rate-limits>; the
//! `unified` ones are those of subscriptions), by `x-ratelimit-*` (<https://platform.openai.com/docs/guides/rate-limits>)
//! or, of ChatGPT's plans, by `x-codex-*`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ccproxy_core::choice::retry_after;
use http::{HeaderMap, StatusCode};

/// Why a credential rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Unauthorized,
    Forbidden,
    PaymentRequired,
    RateLimited,
    Overloaded,
    Quota,
    RefreshFailed,
    NeedsLogin,
    Unreachable,
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) why: Why,
    /// How long it is to be left alone, when anything said so.
    pub(super) wait: Option<Duration>,
    /// The provider refused, and said how long; otherwise it is a guess, or advice.
    pub(super) firm: bool,
    /// It is about every model.
    pub(super) whole: bool,
}

impl Why {
    const WORDS: [(Why, &str, &str); 9] = [
        (Why::Unauthorized, "unauthorized", "it was refused (401)"),
        (Why::Forbidden, "forbidden", "it was refused (403)"),
        (Why::PaymentRequired, "payment_required", "there is nothing left to pay with (402)"),
        (Why::RateLimited, "rate_limited", "its limit was reached (429)"),
        (Why::Overloaded, "overloaded", "the provider was overloaded (529)"),
        (Why::Quota, "quota", "its quota is used up, as the last answer said"),
        (Why::RefreshFailed, "refresh_failed", "no fresh token could be had"),
        (Why::NeedsLogin, "needs_login", "its login is of no use"),
        (Why::Unreachable, "unreachable", "its host could not be reached"),
    ];

    /// One word.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS[self as usize].1
    }

    /// For people.
    pub(super) fn told(self) -> &'static str {
        Self::WORDS[self as usize].2
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known, _)| *known == word).map(|(why, ..)| *why)
    }
}

/// What an answer that was refused says; `None` when the credential is not to blame.
pub(super) fn refused(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Verdict> {
    let why = match status.as_u16() {
        401 => Why::Unauthorized,
        402 => Why::PaymentRequired,
        403 => Why::Forbidden,
        429 => Why::RateLimited,
        529 => Why::Overloaded,
        _ => return None,
    };
    let exhausted = (why == Why::RateLimited).then(|| exhausted(headers, now)).flatten();
    let whole = match why {
        // Limits are mostly those of a model, and so is an overload.
        Why::RateLimited => exhausted.is_some_and(|(_, whole)| whole),
        Why::Overloaded => false,
        _ => true,
    };
    let wait = retry_after(headers, now).or(exhausted.map(|(wait, _)| wait));
    Some(Verdict { why, wait, firm: wait.is_some(), whole })
}

/// What a good answer says about the next request: others may go first, but nobody has to wait.
pub(super) fn used_up(headers: &HeaderMap, now: SystemTime) -> Option<Verdict> {
    let (wait, whole) = exhausted(headers, now).filter(|(wait, _)| !wait.is_zero())?;
    Some(Verdict { why: Why::Quota, wait: Some(wait), firm: false, whole })
}

/// The longest time until a limit that is used up begins anew, and whether it is about all models.
fn exhausted(headers: &HeaderMap, now: SystemTime) -> Option<(Duration, bool)> {
    // Most answers have none of these.
    let any = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("anthropic-ratelimit-")
            || name.starts_with("x-ratelimit-")
            || name.starts_with("x-codex-")
    });
    if !any {
        return None;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let gone =
        |name: &str| text(name).and_then(|text| text.parse::<f64>().ok()).is_some_and(|left| left <= 0.0);
    let mut found: Vec<(Duration, bool)> = Vec::new();
    if text("anthropic-ratelimit-unified-status") == Some("rejected")
        && let Some(wait) = text("anthropic-ratelimit-unified-reset").and_then(|at| until(at, now))
    {
        let claim = text("anthropic-ratelimit-unified-representative-claim");
        let shared = ["5h", "7d"]
            .iter()
            .any(|window| text(&format!("anthropic-ratelimit-unified-{window}-status")) == Some("rejected"));
        found.push((wait, shared || matches!(claim, Some("five_hour" | "seven_day"))));
    }
    for what in ["requests", "tokens", "input-tokens", "output-tokens"] {
        if gone(&format!("anthropic-ratelimit-{what}-remaining"))
            && let Some(wait) =
                text(&format!("anthropic-ratelimit-{what}-reset")).and_then(|at| until(at, now))
        {
            found.push((wait, false));
        }
        if gone(&format!("x-ratelimit-remaining-{what}"))
            && let Some(wait) = text(&format!("x-ratelimit-reset-{what}")).and_then(|at| until(at, now))
        {
            found.push((wait, false));
        }
    }
    if gone("x-ratelimit-remaining")
        && let Some(wait) = text("x-ratelimit-reset").and_then(|at| until(at, now))
    {
        found.push((wait, false));
    }
    for window in ["primary", "secondary"] {
        let used = text(&format!("x-codex-{window}-used-percent")).and_then(|used| used.parse::<f64>().ok());
        let after = || text(&format!("x-codex-{window}-reset-after-seconds")).and_then(span);
        let at = || text(&format!("x-codex-{window}-reset-at")).and_then(|at| until(at, now));
        if used.is_some_and(|used| used >= 100.0)
            && let Some(wait) = after().or_else(at)
        {
            found.push((wait, true));
        }
    }
    found.into_iter().max()
}

/// From now to a moment: seconds or milliseconds since 1970, a date (RFC 3339), or a time such as `6m0s`.
fn until(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        let seconds = match number {
            _ if number >= 1e11 => number / 1000.0,
            _ if number >= 1e9 => number,
            // Too small for a moment: some servers say how long.
            _ => return span(text),
        };
        let moment = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        return Some(moment.duration_since(now).unwrap_or_default());
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => {
            let since = Duration::from_millis(moment.as_millisecond().try_into().ok()?);
            Some((UNIX_EPOCH + since).duration_since(now).unwrap_or_default())
        }
        Err(_) => span(text),
    }
}

/// `1.5`, `20ms`, `7.66s`, `2m59.56s`, `1h0m3s`, `1d`.
fn span(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        seconds += number
            * match &rest[digits..unit_end] {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    const NOW: u64 = 1_767_225_600;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn limited(fields: &[(&str, &str)]) -> (Option<f64>, bool, bool) {
        let verdict = refused(StatusCode::TOO_MANY_REQUESTS, &headers(fields), now()).unwrap();
        (verdict.wait.map(|wait| wait.as_secs_f64()), verdict.firm, verdict.whole)
    }

    #[test]
    fn words_stand_in_order() {
        for (number, (why, word, _)) in Why::WORDS.into_iter().enumerate() {
            assert_eq!((why as usize, why.word(), Why::of(word)), (number, word, Some(why)));
        }
    }

    #[test]
    fn a_refusal_is_whose_it_is() {
        let of = |status: u16| refused(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), now());
        for status in [200, 400, 404, 408, 413, 500, 502, 503, 504] {
            assert_eq!(of(status), None, "{status}");
        }
        for (status, why, whole) in [
            (401, Why::Unauthorized, true),
            (402, Why::PaymentRequired, true),
            (403, Why::Forbidden, true),
            (429, Why::RateLimited, false),
            (529, Why::Overloaded, false),
        ] {
            assert_eq!(of(status), Some(Verdict { why, wait: None, firm: false, whole }), "{status}");
        }
    }

    #[test]
    fn limits_are_read_in_every_spelling() {
        assert_eq!(limited(&[]), (None, false, false));
        assert_eq!(limited(&[("retry-after", "7")]), (Some(7.0), true, false));
        assert_eq!(limited(&[("retry-after-ms", "250"), ("retry-after", "7")]), (Some(0.25), true, false));
        let reset = (NOW + 90).to_string();
        let unified = [
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", &*reset),
        ];
        assert_eq!(limited(&unified), (Some(90.0), true, false));
        let claim = ("anthropic-ratelimit-unified-representative-claim", "five_hour");
        assert_eq!(limited(&[unified[0], unified[1], claim]), (Some(90.0), true, true));
        let week = ("anthropic-ratelimit-unified-7d-status", "rejected");
        assert_eq!(limited(&[unified[0], unified[1], week, ("retry-after", "5")]), (Some(5.0), true, true));
        let allowed = ("anthropic-ratelimit-unified-status", "allowed_warning");
        assert_eq!(limited(&[allowed, unified[1]]), (None, false, false));
        let requests = [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:01:00Z"),
        ];
        let tokens = [
            ("anthropic-ratelimit-tokens-remaining", "12"),
            ("anthropic-ratelimit-tokens-reset", "2026-01-01T01:00:00Z"),
        ];
        assert_eq!(limited(&[requests[0], requests[1], tokens[0], tokens[1]]), (Some(60.0), true, false));
        let openai = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0.5s")];
        assert_eq!(limited(&openai), (Some(360.5), true, false));
        let any = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225610000")];
        assert_eq!(limited(&any), (Some(10.0), true, false));
        let codex = [("x-codex-primary-used-percent", "100"), ("x-codex-primary-reset-after-seconds", "600")];
        assert_eq!(limited(&codex), (Some(600.0), true, true));
        let both = [
            codex[0],
            codex[1],
            ("x-codex-secondary-used-percent", "100.0"),
            ("x-codex-secondary-reset-at", &*reset),
        ];
        assert_eq!(limited(&both), (Some(600.0), true, true), "the later one");
        let nonsense = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "soon")];
        assert_eq!(limited(&nonsense), (None, false, false));
        assert_eq!(
            limited(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1e300")]),
            (None, false, false)
        );
    }

    #[test]
    fn a_good_answer_gives_advice_only() {
        assert_eq!(used_up(&HeaderMap::new(), now()), None);
        let left = [("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "1s")];
        assert_eq!(used_up(&headers(&left), now()), None);
        let none = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "20ms")];
        let verdict = used_up(&headers(&none), now()).unwrap();
        assert_eq!(
            (verdict.why, verdict.firm, verdict.wait),
            (Why::Quota, false, Some(Duration::from_millis(20)))
        );
        let past =
            [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "2025-01-01T00:00:00Z")];
        assert_eq!(used_up(&headers(&past), now()), None);
    }
}
