//! Points in time as KES writes them into `status.lastSync`: UTC with milliseconds.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// E.g. `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn timestamp(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&time)
}

/// The time that a status holds; nothing if it is none.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_three_digits_and_read_with_any() {
        let time = Timestamp::from_millisecond(1_700_000_000_120).unwrap();
        assert_eq!(timestamp(time), "2023-11-14T22:13:20.120Z");
        assert_eq!(parse_timestamp("2023-11-14T22:13:20.120Z"), Some(time));
        assert_eq!(parse_timestamp("2023-11-14T23:13:20.12+01:00"), Some(time));
        assert_eq!(
            parse_timestamp("2023-11-14T22:13:20Z").map(timestamp).as_deref(),
            Some("2023-11-14T22:13:20.000Z")
        );
        assert_eq!(parse_timestamp("yesterday"), None);
    }
}
