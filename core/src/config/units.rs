//! Durations and sizes as people write them.

const SECONDS: [(&str, f64); 6] =
    [("ms", 0.001), ("us", 0.000_001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

const BYTES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A hundred years: longer durations are mistakes, and would overflow clocks.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

/// Seconds in `"5m"`, `"250ms"`, `"1h30m"`, `"1.5"`; `None` when it is not a duration.
pub fn parse_duration(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    if let Some(seconds) = number(rest) {
        return seconds_in_range(seconds);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let (_, factor) = SECONDS.iter().find(|(name, _)| *name == unit)?;
        total += number(amount)? * factor;
        rest = next.trim_start();
    }
    if text.trim().is_empty() { None } else { seconds_in_range(total) }
}

/// The number of seconds, when it is one that a clock can take.
pub(super) fn seconds_in_range(seconds: f64) -> Option<f64> {
    (0.0..=LONGEST).contains(&seconds).then_some(seconds)
}

/// Bytes in `"16MiB"`, `"64 KiB"`, `"1000"`; `None` when it is not a size.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let unit = if unit.is_empty() { "B" } else { unit.trim_start() };
    let (_, factor) = BYTES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    match amount.parse::<u64>() {
        Ok(whole) => whole.checked_mul(*factor),
        Err(_) => {
            let bytes = number(amount)? * *factor as f64;
            (bytes.fract() == 0.0 && bytes < 9e15).then_some(bytes as u64)
        }
    }
}

/// Digits with at most one point in them; no sign, no exponent, no `inf`.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

/// The shortest way to write a number of seconds that reads back the same.
pub fn duration_text(seconds: f64) -> String {
    for (unit, factor) in [("d", 86_400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)] {
        let amount = seconds / factor;
        if amount >= 1.0 && (amount - amount.round()).abs() < 1e-9 {
            return format!("{}{unit}", amount.round());
        }
    }
    format!("{seconds}s")
}

/// The shortest way to write a number of bytes that reads back the same.
pub fn size_text(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds() {
        let good = [
            ("5m", 300.0),
            ("250ms", 0.25),
            ("1.5", 1.5),
            ("90", 90.0),
            ("1h30m", 5400.0),
            ("2d", 172_800.0),
        ];
        for (text, seconds) in good {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
        for text in ["", " ", "m", "5 parsecs", "-1s", "1e9", "inf", "NaN", "5m3", "1..5s", "9999999d", "5M"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        let good = [
            ("16MiB", 16 << 20),
            ("64 KiB", 64 << 10),
            ("1000", 1000),
            ("1.5KiB", 1536),
            ("2gb", 2_000_000_000),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "16M", "-1", "1.5", "0.1B", "99999999999GiB", "1e3"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for seconds in [0.25, 1.0, 1.5, 10.0, 60.0, 90.0, 600.0, 86_400.0, 0.0] {
            assert_eq!(parse_duration(&duration_text(seconds)), Some(seconds), "{seconds}");
        }
        for bytes in [0, 1, 1000, 1 << 10, 64 << 20, 3 << 30] {
            assert_eq!(parse_size(&size_text(bytes)), Some(bytes), "{bytes}");
        }
    }
}
