//! Durations as people write them in manifests: `10s`, `1h30m`, `500ms`, `0`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration; write a number with a unit, e.g. 30s, 5m or 1h30m, or 0")]
pub struct InvalidDuration(String);

/// Parses a sequence of numbers with the units `h`, `m`, `s` and `ms`, or `0`. A number may have a
/// fraction.
///
/// # Errors
/// For everything else: no unit, unknown unit, sign, space, overflow.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    parse(text).ok_or_else(|| InvalidDuration(text.chars().take(64).collect()))
}

fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() || total.is_zero() && text.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let (milliseconds, beyond) = if let Some(beyond) = unit.strip_prefix("ms") {
            (1, beyond)
        } else if let Some(beyond) = unit.strip_prefix('s') {
            (1_000, beyond)
        } else if let Some(beyond) = unit.strip_prefix('m') {
            (60_000, beyond)
        } else {
            (3_600_000, unit.strip_prefix('h')?)
        };
        total = total.checked_add(amount(number, milliseconds)?)?;
        rest = beyond;
    }
    Some(total)
}

/// `number` times `milliseconds`, exact to the nanosecond.
fn amount(number: &str, milliseconds: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut duration = Duration::from_millis(whole.checked_mul(milliseconds)?);
    if !fraction.is_empty() {
        let parts: u64 = format!("{fraction:0<9}").parse().ok()?;
        let nanos = u128::from(parts) * u128::from(milliseconds) * 1_000_000 / 1_000_000_000;
        duration = duration.checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))?;
    }
    Some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("10s", 10_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1h0m0s", 3_600_000),
            ("1m500ms", 60_500),
            ("1.5s", 1_500),
            ("0.5h", 1_800_000),
            (".5s", 500),
        ] {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "10",
            "s",
            ".s",
            "-1s",
            "+1s",
            "1 s",
            "1d",
            "1sec",
            "1s ",
            "1h30",
            "1..5s",
            "1.5.5s",
            "00",
            "١s",
            "99999999999999999999s",
            "18446744073709551615h",
            "ms",
            "1µs",
            "1.1234567891s",
            "∞",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        let message = parse_duration("10").unwrap_err().to_string();
        assert_eq!(
            message,
            "\"10\" is no duration; write a number with a unit, e.g. 30s, 5m or 1h30m, or 0"
        );
    }
}
