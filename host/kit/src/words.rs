//! The words of the contract for what can go wrong, as cases and reports write them.

use keyhole_core::{CallError, Outcome, StoreError, StoreErrorKind};

/// All kinds of error that a plugin can report, as in the contract.
pub const KINDS: [&str; 11] = [
    "not-found",
    "denied",
    "unauthenticated",
    "invalid",
    "throttled",
    "unavailable",
    "too-large",
    "unsupported",
    "ambiguous",
    "internal",
    "other",
];

/// The word for a kind of error. What the host itself refused or lost is `host`.
#[must_use]
pub fn kind(error: &StoreError) -> &'static str {
    match &error.kind {
        StoreErrorKind::NotFound => "not-found",
        StoreErrorKind::Denied => "denied",
        StoreErrorKind::Unauthenticated => "unauthenticated",
        StoreErrorKind::Invalid(_) => "invalid",
        StoreErrorKind::Throttled(_) => "throttled",
        StoreErrorKind::Unavailable(_) => "unavailable",
        StoreErrorKind::TooLarge => "too-large",
        StoreErrorKind::Unsupported => "unsupported",
        StoreErrorKind::Ambiguous => "ambiguous",
        StoreErrorKind::Internal => "internal",
        StoreErrorKind::Other(_) => "other",
        StoreErrorKind::Host(_) => "host",
    }
}

/// The host's own verdict behind an error, if there is one.
#[must_use]
pub fn verdict(error: &StoreError) -> Option<&CallError> {
    match &error.kind {
        StoreErrorKind::Host(verdict) => Some(verdict),
        _ => None,
    }
}

/// An outcome in a few words, without any value.
#[must_use]
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(value) => format!("a value of {}", bytes(value.bytes.len())),
        Outcome::Values(values) => format!("{} values", values.len()),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Failed(error) => format!("{} ({})", kind(error), error.message),
    }
}

/// The error of a whole call in a few words.
#[must_use]
pub fn call_error(error: &CallError) -> String {
    match error {
        CallError::Store(error) => format!("{} for the whole call ({})", kind(error), error.message),
        other => other.to_string(),
    }
}

/// A size as people say it.
#[must_use]
pub fn bytes(size: usize) -> String {
    match size {
        1 => "1 byte".to_owned(),
        0..=9_999 => format!("{size} bytes"),
        10_000..=999_999 => format!("{} KiB", size >> 10),
        _ => format!("{:.1} MiB", size as f64 / f64::from(1 << 20)),
    }
}

/// A plugin's text for one line of a terminal: whatever could break the line, move a cursor or turn the
/// direction of writing becomes a space.
#[must_use]
pub fn line(text: &str) -> String {
    let harmless = |character: char| {
        let harmful = character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if harmful { ' ' } else { character }
    };
    let text: String = text.chars().map(harmless).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_stays_on_its_line() {
        assert_eq!(line(" a\n\tb\x1b[31m\u{202e}c \r\n"), "a b [31m c");
    }

    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!(
            [1, 14, 20_480, 3 << 20].map(bytes),
            ["1 byte", "14 bytes", "20 KiB", "3.0 MiB"]
        );
    }
}
