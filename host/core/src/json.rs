//! JSON as KES's users see it: read once, keep every digit, write compactly.
//!
//! Values of a store often are JSON whose members become keys of a Secret. They must come out as they
//! went in: a number keeps its digits (`serde_json` would round `12345678901234567890` or `1.50`), a
//! lone surrogate survives, and an object that is written again has its members in the order in which
//! JavaScript writes them, because that is the text that workloads have had so far. The reader borrows
//! from its input and copies nothing; what has to be decoded is overwritten with zeros afterwards.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroize as _;

mod text;

pub(crate) use text::Text;

/// Arrays and objects inside each other. Bounds the recursion of reader and writer.
const DEEPEST: usize = 128;

/// A JSON value that borrows from the text it was read from.
#[derive(Clone, PartialEq)]
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

/// Values are secret: no content.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
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
        Ok(Text::new(raw))
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
pub(crate) mod tests;
