//! A string of JSON, decoded only as far as somebody needs it.
//!
//! JavaScript's strings are UTF-16 and may hold half a surrogate pair; JSON can carry it as an escape.
//! Such a string has no UTF-8, but it must compare, count and be written again as it was.

use std::borrow::Cow;

use zeroize::{Zeroize as _, Zeroizing};

/// A JSON string as written between its quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    raw: &'a str,
}

impl<'a> Text<'a> {
    /// What stands between the quotes. Its escapes are well-formed, the reader has seen to that.
    pub(super) const fn new(raw: &'a str) -> Self {
        Self { raw }
    }

    /// Whether this is the text `other`.
    pub(crate) fn is(&self, other: &str) -> bool {
        if !self.raw.contains('\\') {
            return self.raw == other;
        }
        let mut decoded = self.decoded();
        let same = *decoded == *other.as_bytes();
        if let Cow::Owned(bytes) = &mut decoded {
            bytes.zeroize();
        }
        same
    }

    /// The text in UTF-8; a lone surrogate becomes U+FFFD, as JavaScript writes it.
    pub(crate) fn utf8(&self) -> Vec<u8> {
        let mut bytes = self.decoded().into_owned();
        // A lone surrogate is ED A0..BF xx; it and U+FFFD (EF BF BD) both take three bytes.
        let mut rest = bytes.as_mut_slice();
        while let [first, tail @ ..] = rest {
            match tail {
                [second @ 0xA0..=0xBF, third, ..] if *first == 0xED => (*first, *second, *third) = (0xEF, 0xBF, 0xBD),
                _ => {}
            }
            rest = tail;
        }
        bytes
    }

    /// The text as UTF-16, in which JavaScript counts and indexes.
    pub(crate) fn utf16(&self) -> Zeroizing<Vec<u16>> {
        let mut units = Zeroizing::new(Vec::with_capacity(self.raw.len()));
        self.for_each_unit(|unit| units.push(unit));
        units
    }

    /// The text in UTF-8, with lone surrogates in three bytes as well: two texts are the same exactly if
    /// these bytes are.
    pub(crate) fn decoded(&self) -> Cow<'a, [u8]> {
        if !self.raw.contains('\\') {
            return Cow::Borrowed(self.raw.as_bytes());
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        let mut high: Option<u16> = None;
        self.for_each_unit(|unit| {
            match (high.take(), unit) {
                (Some(first), 0xDC00..=0xDFFF) => {
                    let code = 0x1_0000 + ((u32::from(first) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                    push_code(&mut bytes, code);
                    return;
                }
                (Some(first), _) => push_code(&mut bytes, u32::from(first)),
                (None, _) => {}
            }
            match unit {
                0xD800..=0xDBFF => high = Some(unit),
                _ => push_code(&mut bytes, u32::from(unit)),
            }
        });
        if let Some(first) = high {
            push_code(&mut bytes, u32::from(first));
        }
        Cow::Owned(bytes)
    }

    /// Calls `push` with each UTF-16 unit. The raw text was checked by the reader.
    fn for_each_unit(&self, mut push: impl FnMut(u16)) {
        let mut characters = self.raw.chars();
        while let Some(character) = characters.next() {
            if character != '\\' {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    push(*unit);
                }
                continue;
            }
            let unit = match characters.next() {
                Some('b') => 0x08,
                Some('f') => 0x0C,
                Some('n') => 0x0A,
                Some('r') => 0x0D,
                Some('t') => 0x09,
                Some('u') => (0..4).fold(0, |unit, _| {
                    let digit = characters
                        .next()
                        .and_then(|c| c.to_digit(16))
                        .and_then(|d| u16::try_from(d).ok());
                    (unit << 4) | digit.unwrap_or(0)
                }),
                Some(itself) => u16::try_from(u32::from(itself)).unwrap_or(0xFFFD),
                None => return,
            };
            push(unit);
        }
    }

    /// Appends the text with quotes and the escapes that JavaScript writes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        let mut decoded = self.decoded();
        let mut rest: &[u8] = &decoded;
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0C => out.extend_from_slice(b"\\f"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x00..=0x1F => push_escape(out, u32::from(*first)),
                0xED => match tail {
                    [second @ 0xA0..=0xBF, third, beyond @ ..] => {
                        push_escape(out, 0xD000 | (u32::from(second & 0x3F) << 6) | u32::from(third & 0x3F));
                        rest = beyond;
                    }
                    _ => out.push(*first),
                },
                _ => out.push(*first),
            }
        }
        out.push(b'"');
        if let Cow::Owned(bytes) = &mut decoded {
            bytes.zeroize();
        }
    }
}

fn push_escape(out: &mut Vec<u8>, unit: u32) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(char::from_digit((unit >> shift) & 0xF, 16).map_or(b'0', |digit| u8::try_from(digit).unwrap_or(b'0')));
    }
}

/// UTF-8 of a code point, of a lone surrogate too.
fn push_code(bytes: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let part = |shift: u32, mask: u32, mark: u32| u8::try_from(mark | ((code >> shift) & mask)).unwrap_or(b'?');
            bytes.extend_from_slice(&[part(12, 0x0F, 0xE0), part(6, 0x3F, 0x80), part(0, 0x3F, 0x80)]);
        }
    }
}
