//! Time spans and sizes as people write them: `"90s"`, `"5m"`, `"16MiB"`.

use std::time::Duration;

use mlua::Value;

/// Longest time span that is accepted: a hundred years.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

/// A time span from a Lua value: seconds, or text. `None` when it is neither.
pub(crate) fn duration_of(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Integer(number) => *number as f64,
        Value::Number(number) => *number,
        Value::String(text) => seconds(&text.to_str().ok()?)?,
        _ => return None,
    };
    (0.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Seconds from text: numbers with `ms`, `s`, `m`, `h`, `d`, one or several (`1h30m`), or a bare number.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let (value, unit, after) = piece(rest)?;
        total += value
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = after.trim_start();
    }
    (!text.is_empty() && total <= LONGEST).then_some(total)
}

/// Bytes from text: a number with `B`, `KB`, `MB`, `GB` (thousands), `KiB`, `MiB`, `GiB` (1024), or a bare number.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (value, unit) = match number(text) {
        Some(value) => (value, "B"),
        None => {
            let (value, unit, after) = piece(text)?;
            if !after.is_empty() {
                return None;
            }
            (value, unit)
        }
    };
    let factor = match unit.to_ascii_lowercase().as_str() {
        "b" => 1u64,
        "kb" | "k" => 1_000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    let bytes = value * factor as f64;
    (bytes.fract() == 0.0 && bytes <= (1u64 << 53) as f64).then_some(bytes as u64)
}

/// A number, the unit behind it, and what follows.
fn piece(text: &str) -> Option<(f64, &str, &str)> {
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (digits, rest) = text.split_at(unit_at);
    let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    Some((number(digits.trim_end())?, unit, after))
}

/// Plain decimals only: no sign, exponent, `inf` or `nan`.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_and_sizes() {
        for (text, expected) in [
            ("5", Some(5.0)),
            ("250ms", Some(0.25)),
            ("1.5m", Some(90.0)),
            ("1h30m", Some(5_400.0)),
            ("2 d", Some(172_800.0)),
            ("", None),
            ("-1s", None),
            ("1e3s", None),
            ("5 minutes", None),
            ("inf", None),
            ("99999999999d", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("16MiB", Some(16 << 20)),
            ("1.5 KiB", Some(1536)),
            ("2MB", Some(2_000_000)),
            ("1.5B", None),
            ("MiB", None),
            ("1KiB2", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
        assert_eq!(duration_of(&Value::Number(f64::NAN)), None);
        assert_eq!(duration_of(&Value::Integer(-1)), None);
    }
}
