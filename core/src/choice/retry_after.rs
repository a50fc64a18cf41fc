//! How long a provider asks to be left alone.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

/// The wait that an answer's `retry-after-ms` or `retry-after` asks for (RFC 9110, 10.2.3: seconds or a date).
/// A date that is past is no wait; what cannot be read asks for nothing.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let text = text(header::RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let moment = Duration::from_secs(date.timestamp().as_second().try_into().ok()?);
    Some((SystemTime::UNIX_EPOCH + moment).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        for (name, value, expected) in [
            ("retry-after", "7", Some(7.0)),
            ("retry-after", " 0 ", Some(0.0)),
            ("retry-after", "1.5", Some(1.5)),
            ("retry-after-ms", "250", Some(0.25)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(30.0)),
            ("retry-after", "Sun, 06 Nov 1983 08:49:37 GMT", Some(0.0)),
            ("retry-after", "-3", None),
            ("retry-after", "soon", None),
            ("retry-after", "1e300", None),
            ("retry-after", "NaN", None),
            ("x-other", "3", None),
        ] {
            let headers: HeaderMap = [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            assert_eq!(
                retry_after(&headers, now).map(|wait| wait.as_secs_f64()),
                expected,
                "{name}: {value}"
            );
        }
    }
}
