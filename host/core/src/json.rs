//! JSON as KES's users see it: read once, keep every digit, write compactly.
//!
//! Values of a store often are JSON whose members become keys of a Secret. They must come out as they
//! went in: a number keeps its digits (`serde_json` would round `12345678901234567890` or `1.50`), a
//! lone surrogate survives, and an object that is written again has its members in the order in which
//! JavaScript writes them, because that is the text that workloads have had so far. The reader borrows
//! from its input and copies nothing; what has to be decoded is overwritten with zeros afterwards.

use std::borrow::Cow;
use std::collections::HashMap;

use zeroize::{Zeroize as _, Zeroizing};

/// Arrays and objects inside each other. Bounds the recursion of reader and writer.
const DEEPEST: usize = 128;

/// A JSON value that borrows from the text it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(&'a str),
    Text(Text<'a>),
    Array(Vec<Json<'a>>),
    /// In the order of the text, repeated names included.
    Object(Vec<(Text<'a>, Json<'a>)>),
}

/// A JSON string as written between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    raw: &'a str,
}

/// Why a text could not be read. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotJson {
    #[error("not UTF-8")]
    Encoding,
    #[error("not JSON from byte {0} on")]
    Syntax(usize),
    #[error("JSON that nests deeper than 128 levels")]
    Depth,
}

impl<'a> Json<'a> {
    /// Reads one JSON document.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, NotJson> {
        let text = std::str::from_utf8(bytes).map_err(|_| NotJson::Encoding)?;
        let mut reader = Reader { text, at: 0 };
        reader.skip_space();
        let value = reader.value(DEEPEST)?;
        reader.skip_space();
        if reader.at == text.len() {
            Ok(value)
        } else {
            Err(NotJson::Syntax(reader.at))
        }
    }

    /// The member of an object; the last one when the name is repeated.
    pub(crate) fn member(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().rev().find(|(n, _)| n.is(name)).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Appends the value as compact JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Text(text) => text.write(out),
            Self::Array(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (position, (name, value)) in in_javascript_order(members).into_iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    name.write(out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Index-like names first and ascending, then the rest as they first appeared; the last value of a
/// repeated name counts.
fn in_javascript_order<'m, 'a>(members: &'m [(Text<'a>, Json<'a>)]) -> Vec<(Text<'a>, &'m Json<'a>)> {
    let mut ordered: Vec<(Option<u32>, Text<'a>, &Json<'a>)> = Vec::with_capacity(members.len());
    let mut places: HashMap<Cow<'a, [u8]>, usize> = HashMap::with_capacity(members.len());
    for (name, value) in members {
        let decoded = name.decoded();
        match places.get(&decoded).and_then(|&place| ordered.get_mut(place)) {
            Some(earlier) => earlier.2 = value,
            None => {
                ordered.push((array_index(&decoded), *name, value));
                places.insert(decoded, ordered.len() - 1);
            }
        }
    }
    for (name, _) in places {
        if let Cow::Owned(mut name) = name {
            name.zeroize();
        }
    }
    ordered.sort_by_key(|(index, ..)| (index.is_none(), *index));
    ordered.into_iter().map(|(_, name, value)| (name, value)).collect()
}

/// What JavaScript calls an array index: a number below 2^32 - 1 in its only spelling.
pub(crate) fn array_index(name: &[u8]) -> Option<u32> {
    let canonical = matches!(name, [b'0'] | [b'1'..=b'9', ..]) && name.iter().all(u8::is_ascii_digit);
    if !canonical {
        return None;
    }
    std::str::from_utf8(name)
        .ok()?
        .parse()
        .ok()
        .filter(|&index| index != u32::MAX)
}

impl<'a> Text<'a> {
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
    fn write(&self, out: &mut Vec<u8>) {
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

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson::Syntax(self.at))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, expected: u8) -> Result<(), NotJson> {
        if self.take(expected) { Ok(()) } else { self.fail() }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        match self.peek() {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.array(depth.checked_sub(1).ok_or(NotJson::Depth)?),
            Some(b'{') => self.object(depth.checked_sub(1).ok_or(NotJson::Depth)?),
            _ => self.fail(),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, NotJson> {
        if self
            .text
            .as_bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            self.at += word.len();
            return Ok(value);
        }
        self.fail()
    }

    fn number(&mut self) -> Result<Json<'a>, NotJson> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        self.text
            .get(start..self.at)
            .map(Json::Number)
            .ok_or(NotJson::Syntax(start))
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.fail() }
    }

    fn string(&mut self) -> Result<Text<'a>, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                match self.peek() {
                                    Some(digit) if digit.is_ascii_hexdigit() => self.at += 1,
                                    _ => return self.fail(),
                                }
                            }
                        }
                        _ => return self.fail(),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return self.fail(),
            }
        }
        let raw = self.text.get(start..self.at).ok_or(NotJson::Syntax(start))?;
        self.at += 1;
        Ok(Text { raw })
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        self.expect(b'[')?;
        self.skip_space();
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, NotJson> {
        self.expect(b'{')?;
        self.skip_space();
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            self.expect(b',')?;
        }
    }
}

#[cfg(test)]
mod tests;
