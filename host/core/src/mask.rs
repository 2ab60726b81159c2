//! Replaces secret values in what a guest says: log lines, standard output, error messages.
//!
//! A text may be shown to people only after every value of the call has been replaced in it: as it is,
//! in base64 (both alphabets), and escaped as in JSON; of values that are JSON, every member too, since
//! that is what a guest would print. Values under [`SHORTEST`] bytes stay: replacing them would spoil
//! ordinary words and tell which words are secret. A text is cut *before* it is searched, so the
//! beginning of a value at its end is replaced as well; otherwise the cut would leave half a secret.
//!
//! The work is bounded whatever a hostile plugin returns: a mask with too many values, or a text that
//! takes too many comparisons, gives `***` in place of the whole text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

use crate::json::Json;
use crate::secret::SecretBytes;

/// What stands in place of a value.
pub const HIDDEN: &str = "***";
/// The shortest value, in bytes, that is replaced.
pub const SHORTEST: usize = 6;
/// The longest text that comes out, in bytes.
pub const LONGEST_TEXT: usize = 1024;

/// Texts are cut to this many bytes before they are searched.
const SEARCHED: usize = 4096;
/// Values of one mask, members of JSON values included.
const MOST_VALUES: usize = 16_384;
/// Byte comparisons for one text: a few milliseconds.
const MOST_COMPARISONS: usize = 16 << 20;
/// JSON inside JSON text inside JSON.
const DEEPEST_JSON: usize = 3;

type Head = [u8; SHORTEST];

/// The values to replace. Holds references to the values, no copies of them except of JSON members.
#[derive(Default)]
pub struct Mask {
    values: Vec<SecretBytes>,
    /// The first bytes of each form of each value: a text is searched by looking up its own windows.
    heads: HashMap<Head, Vec<(usize, Form)>>,
    too_many: bool,
}

/// How a value may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Raw,
    Base64,
    Base64Url,
    Json,
    JsonAscii,
}

impl Form {
    const ALL: [Self; 5] = [Self::Raw, Self::Base64, Self::Base64Url, Self::Json, Self::JsonAscii];

    /// Whether this form of the value differs from the raw one, as far as that is seen at a glance.
    fn is_of_its_own(self, value: &[u8]) -> bool {
        let escaped = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
        match self {
            Self::Raw | Self::Base64 | Self::Base64Url => true,
            Self::Json => value.iter().any(escaped),
            Self::JsonAscii => !value.is_ascii(),
        }
    }

    /// The value in this form; nothing for a JSON form of what is no text.
    fn write(self, value: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Raw => Some(Cow::Borrowed(value)),
            Self::Base64 => Some(Cow::Owned(STANDARD_NO_PAD.encode(value).into_bytes())),
            Self::Base64Url => Some(Cow::Owned(URL_SAFE_NO_PAD.encode(value).into_bytes())),
            Self::Json => json_escaped(value, false).map(Cow::Owned),
            Self::JsonAscii => json_escaped(value, true).map(Cow::Owned),
        }
    }

    /// The first bytes of the value in this form, written out from no more of it than that takes.
    fn head(self, value: &[u8]) -> Option<Head> {
        let part = value.get(..self.enough(value, SHORTEST)).unwrap_or(value);
        let written = Zeroizing::new(self.write(part)?.into_owned());
        written.get(..SHORTEST)?.try_into().ok()
    }

    /// How much of `value` has to be written to get `wanted` bytes. No form is shorter than the value,
    /// and what is written of a part is a beginning of what is written of the whole: base64 takes three
    /// bytes at a time, JSON whole characters.
    fn enough(self, value: &[u8], wanted: usize) -> usize {
        let end = match self {
            Self::Raw => wanted,
            Self::Base64 | Self::Base64Url => wanted.next_multiple_of(3),
            Self::Json | Self::JsonAscii => {
                let continues = |byte: &&u8| (0x80..0xC0).contains(*byte);
                wanted
                    + value
                        .get(wanted..)
                        .unwrap_or_default()
                        .iter()
                        .take_while(continues)
                        .count()
            }
        };
        end.min(value.len())
    }

    /// Comparisons that one byte of the value is worth.
    const fn cost(self) -> usize {
        match self {
            Self::Raw => 1,
            _ => 4,
        }
    }
}

/// As inside a JSON text, without the quotes; nothing for what is not UTF-8.
fn json_escaped(value: &[u8], ascii: bool) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let quoted = serde_json::to_string(text).ok()?;
    let inner = quoted.get(1..quoted.len().saturating_sub(1))?;
    if !ascii {
        return Some(inner.as_bytes().to_vec());
    }
    let mut escaped = String::with_capacity(inner.len() * 2);
    for character in inner.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Some(escaped.into_bytes())
}

impl Mask {
    /// Adds a value and, if it is JSON, what is in it.
    pub fn add(&mut self, value: &SecretBytes) {
        self.add_value(value, DEEPEST_JSON);
    }

    fn add_value(&mut self, value: &SecretBytes, depth: usize) {
        if value.len() < SHORTEST || self.too_many {
            return;
        }
        if self.values.len() >= MOST_VALUES {
            self.too_many = true;
            return;
        }
        let position = self.values.len();
        let mut heads: Vec<(Head, Form)> = Vec::with_capacity(Form::ALL.len());
        for form in Form::ALL {
            if form.is_of_its_own(value.expose())
                && let Some(head) = form.head(value.expose())
            {
                heads.push((head, form));
            }
        }
        for (head, form) in heads {
            self.heads.entry(head).or_default().push((position, form));
        }
        self.values.push(value.clone());
        if depth > 0
            && let Ok(json) = Json::read(value.expose())
        {
            self.add_members(&json, depth - 1);
        }
        self.add_lines(value);
    }

    /// A key in PEM that a guest prints arrives line by line.
    fn add_lines(&mut self, value: &SecretBytes) {
        if value.expose().contains(&b'\n') {
            for line in value.expose().split(|byte| *byte == b'\n') {
                self.add_value(&SecretBytes::new(line.trim_ascii().to_vec()), 0);
            }
        }
    }

    fn add_members(&mut self, json: &Json<'_>, depth: usize) {
        match json {
            Json::Text(text) => self.add_value(&SecretBytes::new(text.utf8()), depth),
            Json::Number(digits) => self.add_value(&SecretBytes::new(digits.as_bytes().to_vec()), 0),
            Json::Array(items) => items.iter().for_each(|item| self.add_members(item, depth)),
            Json::Object(members) => members.iter().for_each(|(_, member)| self.add_members(member, depth)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// `text` with every value replaced, at most [`LONGEST_TEXT`] bytes of it.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        if self.too_many {
            return HIDDEN.to_owned();
        }
        let searched = cut(text, SEARCHED);
        match self.find(searched.as_bytes()) {
            Some(found) => cut(&replaced(searched, &found), LONGEST_TEXT).to_owned(),
            None => HIDDEN.to_owned(),
        }
    }

    /// Where values are, as (start, end), in order of start; nothing when the search takes too long.
    fn find(&self, text: &[u8]) -> Option<Vec<(usize, usize)>> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut budget = MOST_COMPARISONS;
        for (start, window) in text.windows(SHORTEST).enumerate() {
            let Some(candidates) = <&Head>::try_from(window).ok().and_then(|head| self.heads.get(head)) else {
                continue;
            };
            let rest = text.get(start..).unwrap_or_default();
            let mut longest = 0;
            for &(position, form) in candidates {
                let value = self.values.get(position).map(SecretBytes::expose).unwrap_or_default();
                let shown = value.get(..form.enough(value, rest.len())).unwrap_or(value);
                budget = budget.checked_sub(shown.len() * form.cost())?;
                let Some(mut written) = form.write(shown) else { continue };
                let same = written.iter().zip(rest).take_while(|(a, b)| a == b).count();
                let complete = same == written.len() && shown.len() == value.len();
                if complete || same == rest.len() {
                    longest = longest.max(same);
                }
                if let Cow::Owned(bytes) = &mut written {
                    bytes.zeroize();
                }
            }
            if longest > 0 {
                found.push((start, start + longest));
            }
        }
        Some(found)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

/// `text` with one [`HIDDEN`] for each run of overlapping or touching finds.
fn replaced(text: &str, found: &[(usize, usize)]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    let mut finds = found.iter().copied().peekable();
    while let Some((start, mut end)) = finds.next() {
        while let Some((_, later)) = finds.next_if(|(start, _)| *start <= end) {
            end = end.max(later);
        }
        // A find may end inside a character when the value is binary: hide the whole character.
        shown.push_str(text.get(rest..floor_boundary(text, start)).unwrap_or_default());
        shown.push_str(HIDDEN);
        rest = ceil_boundary(text, end);
    }
    shown.push_str(text.get(rest..).unwrap_or_default());
    shown
}

/// The longest beginning of `text` with at most `longest` bytes and no character cut in two.
#[must_use]
pub fn cut(text: &str, longest: usize) -> &str {
    text.get(..floor_boundary(text, longest)).unwrap_or(text)
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..=text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
