//! Replaces secret values in what a guest says: log lines, standard output, error messages.
//!
//! A text may be shown to people only after every value of the call has been replaced in it: as it is,
//! in base64 (both alphabets), and escaped as in JSON; of values that are JSON, every member too, since
//! that is what a guest would print. Values under [`SHORTEST`] bytes stay: replacing them would spoil
//! ordinary words and tell which words are secret. A text is cut *before* it is searched, so the
//! beginning of a value at its end is replaced as well; otherwise the cut would leave half a secret.
//!
//! The work is bounded whatever a hostile plugin returns, and so is what a mask holds: 9 MiB of `[1,1,..`
//! were once 150 MiB, 9 MiB of line breaks 9.4 million allocations. A mask that meets more than it may
//! look at lets go of everything and stops reading; from then on it gives `***` in place of any text. So
//! does a text that takes too many comparisons.

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
/// Values of one mask, members of JSON values and lines included.
const MOST_VALUES: usize = 16_384;
/// Members and lines that one mask looks at, those that are too short to be replaced included. While a
/// value is read, each member takes about 32 bytes.
const MOST_PARTS: usize = 64 << 10;
/// Bytes of members and lines that one mask holds. The values themselves are shared, not copied.
const MOST_COPIED: usize = 16 << 20;
/// Byte comparisons for one text: a few milliseconds.
const MOST_COMPARISONS: usize = 16 << 20;
/// JSON inside JSON text inside JSON.
const DEEPEST_JSON: usize = 3;

type Head = [u8; SHORTEST];

/// The values to replace. Holds references to the values, no copies of them except of JSON members and
/// lines.
#[derive(Default)]
pub struct Mask {
    values: Vec<SecretBytes>,
    /// The first bytes of each form of each value, in lower case: a text is searched by looking up its own
    /// windows.
    heads: HashMap<Head, Vec<(usize, Form)>>,
    /// Members and lines that were looked at.
    parts: usize,
    /// Bytes of those that were copied.
    copied: usize,
    /// There was more than a mask may hold, so that no text is known to be free of secrets.
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
            return self.give_up();
        }
        let position = self.values.len();
        for form in Form::ALL {
            if form.is_of_its_own(value.expose())
                && let Some(head) = form.head(value.expose())
            {
                self.heads
                    .entry(head.map(|byte| byte.to_ascii_lowercase()))
                    .or_default()
                    .push((position, form));
            }
        }
        self.values.push(value.clone());
        if depth > 0 {
            self.add_json(value.expose(), depth - 1);
        }
        self.add_lines(value.expose());
    }

    fn add_json(&mut self, text: &[u8], depth: usize) {
        // The reader makes something of each member, so they are counted before it is let at them.
        if self.may_look_at(most_members(text))
            && let Ok(json) = Json::read(text)
        {
            self.add_members(&json, depth);
        }
    }

    fn add_members(&mut self, json: &Json<'_>, depth: usize) {
        if self.too_many {
            return;
        }
        match json {
            Json::Text(text) => self.add_part(text.utf8(), depth),
            Json::Number(digits) => self.add_part(digits.as_bytes().to_vec(), 0),
            Json::Array(items) => items.iter().for_each(|item| self.add_members(item, depth)),
            Json::Object(members) => members.iter().for_each(|(_, member)| self.add_members(member, depth)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// A key in PEM that a guest prints arrives line by line.
    fn add_lines(&mut self, text: &[u8]) {
        if !text.contains(&b'\n') {
            return;
        }
        for line in text.split(|byte| *byte == b'\n') {
            if !self.may_look_at(1) {
                return;
            }
            let line = line.trim_ascii();
            if line.len() >= SHORTEST {
                self.add_part(line.to_vec(), 0);
            }
        }
    }

    fn add_part(&mut self, part: Vec<u8>, depth: usize) {
        let part = SecretBytes::new(part);
        match self.copied.checked_add(part.len()) {
            Some(copied) if copied <= MOST_COPIED => {
                self.copied = copied;
                self.add_value(&part, depth);
            }
            _ => self.give_up(),
        }
    }

    /// Whether there is room for looking at so many more members or lines. Gives up where there is none.
    fn may_look_at(&mut self, parts: usize) -> bool {
        match self.parts.checked_add(parts) {
            Some(parts) if parts <= MOST_PARTS => self.parts = parts,
            _ => self.give_up(),
        }
        !self.too_many
    }

    /// Hides every text from now on, which takes nothing that is held.
    fn give_up(&mut self) {
        self.too_many = true;
        self.values = Vec::new();
        self.heads = HashMap::new();
    }

    /// `text` with every value replaced, at most [`LONGEST_TEXT`] bytes of it.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        self.replaced(text, |a, b| a == b)
    }

    /// The same, with values replaced in upper and lower case too: for names of hosts and headers, which
    /// are in lower case whatever a guest wrote.
    #[must_use]
    pub fn apply_in_any_case(&self, text: &str) -> String {
        self.replaced(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    fn replaced(&self, text: &str, is_same: fn(u8, u8) -> bool) -> String {
        if self.too_many {
            return HIDDEN.to_owned();
        }
        let searched = cut(text, SEARCHED);
        match self.find(searched.as_bytes(), is_same) {
            Some(found) => cut(&replaced(searched, &found), LONGEST_TEXT).to_owned(),
            None => HIDDEN.to_owned(),
        }
    }

    /// Where values are, as (start, end), in order of start; nothing when the search takes too long.
    fn find(&self, text: &[u8], is_same: fn(u8, u8) -> bool) -> Option<Vec<(usize, usize)>> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut budget = MOST_COMPARISONS;
        for (start, window) in text.to_ascii_lowercase().windows(SHORTEST).enumerate() {
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
                let same = written.iter().zip(rest).take_while(|(a, b)| is_same(**a, **b)).count();
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

/// No fewer than the members that a reader of JSON meets in `text` before it ends or gives up: one for
/// each comma and each opening bracket outside of texts.
fn most_members(text: &[u8]) -> usize {
    let text = text.trim_ascii_start();
    if !matches!(text, [b'[' | b'{', ..]) {
        return 1;
    }
    let (mut members, mut in_text, mut is_escaped) = (1_usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => members += 1,
            _ => {}
        }
    }
    members
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
