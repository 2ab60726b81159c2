//! Which expressions of JavaScript mean the same to the `regex` crate.
//!
//! KES judges with JavaScript's backtracking engine. Almost every expression that people write in an
//! annotation (`^team-a/.*`, `arn:aws:iam::\d+:role/(a|b)`) is plain enough to mean the same in an
//! engine that takes linear time, and needs no sandbox. This module reads such an expression by
//! JavaScript's grammar and writes it anew in a form that leaves the other engine nothing to interpret:
//! every character by its number, every class as ranges. What it does not know for certain it does not
//! accept, and what it does not accept goes to JavaScript itself, malformed expressions included. A test
//! compares both engines on random expressions.
//!
//! Only whether there is a match counts, so greedy and lazy are the same, and groups capture nothing.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

/// Longest expression in bytes. With [`PROGRAM`], [`TEXT`] and an engine of linear time, an evaluation takes
/// milliseconds at worst.
const EXPRESSION: usize = 1024;
/// Longest text in bytes.
const TEXT: usize = 8 << 10;
/// Bytes of a compiled expression, and again of what it remembers while it runs; a larger one goes to
/// JavaScript.
const PROGRAM: usize = 256 << 10;
/// Groups within groups.
const DEPTH: usize = 32;
/// Largest number in braces.
const REPEATS: u32 = 1000;

/// JavaScript's `.`: everything but ends of lines.
const DOT: &str = r"[^\x{a}\x{d}\x{2028}\x{2029}]";
const DIGIT: &str = r"\x{30}-\x{39}";
const WORD: &str = r"\x{30}-\x{39}\x{41}-\x{5a}\x{5f}\x{61}-\x{7a}";

/// The expression for the `regex` crate, if it is certain to mean the same there.
#[must_use]
pub fn compile(expression: &str, anchored: bool) -> Option<Regex> {
    let translated = translate(expression)?;
    let pattern = match anchored {
        true => format!(r"\A(?:{translated})\z"),
        false => translated,
    };
    RegexBuilder::new(&pattern)
        .size_limit(PROGRAM)
        .dfa_size_limit(PROGRAM)
        .build()
        .ok()
}

/// Whether a text is one that both engines read alike. JavaScript without flags counts UTF-16 code
/// units: a character beyond the first 65,536 is two of them there and one here.
#[must_use]
pub fn reads_alike(text: &str) -> bool {
    text.len() <= TEXT && text.chars().all(|character| character <= '\u{ffff}')
}

fn translate(expression: &str) -> Option<String> {
    let printable = expression.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if expression.len() > EXPRESSION || !printable {
        return None;
    }
    let mut reader = Reader {
        rest: expression.as_bytes(),
        written: String::with_capacity(expression.len() * 6),
    };
    reader.alternatives(0)?;
    reader.rest.is_empty().then_some(reader.written)
}

/// What of the expression is still to be read, and what was written for the rest.
struct Reader<'a> {
    rest: &'a [u8],
    written: String,
}

impl Reader<'_> {
    /// Everything up to the end, or to the parenthesis that closes the group.
    fn alternatives(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        loop {
            match self.rest {
                [] | [b')', ..] => return Some(()),
                [b'|', rest @ ..] => {
                    self.rest = rest;
                    self.written.push('|');
                }
                _ => self.term(depth)?,
            }
        }
    }

    /// An assertion, or an atom with its quantifier.
    fn term(&mut self, depth: usize) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'^' | b'$' => {
                self.written.push_str(if *first == b'^' { r"\A" } else { r"\z" });
                // To repeat an assertion is malformed in JavaScript.
                return (!self.at_quantifier()).then_some(());
            }
            b'(' => self.group(depth)?,
            b'[' => self.class()?,
            b'.' => self.written.push_str(DOT),
            b'\\' => match self.escape()? {
                Escape::Character(character) => self.character(character),
                Escape::Class { ranges, negated } => {
                    let not = if negated { "^" } else { "" };
                    let _ = write!(self.written, "[{not}{ranges}]");
                }
            },
            // Malformed, or literal by the leniency of browsers.
            b')' | b']' | b'{' | b'}' | b'*' | b'+' | b'?' | b'|' => return None,
            literal => self.character(*literal),
        }
        self.quantifier()
    }

    fn group(&mut self, depth: usize) -> Option<()> {
        self.rest = match self.rest {
            [b'?', b':', rest @ ..] => rest,
            // Assertions, names, flags.
            [b'?', ..] => return None,
            rest => rest,
        };
        self.written.push_str("(?:");
        self.alternatives(depth + 1)?;
        let (closing, rest) = self.rest.split_first()?;
        if *closing != b')' {
            return None;
        }
        self.rest = rest;
        self.written.push(')');
        Some(())
    }

    fn at_quantifier(&self) -> bool {
        matches!(self.rest, [b'*' | b'+' | b'?' | b'{', ..])
    }

    fn quantifier(&mut self) -> Option<()> {
        match self.rest {
            [sign @ (b'*' | b'+' | b'?'), rest @ ..] => {
                self.rest = rest;
                self.written.push(char::from(*sign));
            }
            [b'{', rest @ ..] => {
                self.rest = rest;
                self.repeats()?;
            }
            _ => return Some(()),
        }
        if let [b'?', rest @ ..] = self.rest {
            self.rest = rest; // Lazy.
        }
        (!self.at_quantifier()).then_some(())
    }

    /// `n}`, `n,}` or `n,m}`.
    fn repeats(&mut self) -> Option<()> {
        let least = self.number()?;
        let most = match self.rest {
            [b',', b'}', ..] => {
                self.rest = self.rest.get(1..)?;
                None
            }
            [b',', rest @ ..] => {
                self.rest = rest;
                Some(self.number()?)
            }
            _ => Some(least),
        };
        let (closing, rest) = self.rest.split_first()?;
        if *closing != b'}' || most.is_some_and(|most| most < least) {
            return None;
        }
        self.rest = rest;
        let _ = match most {
            None => write!(self.written, "{{{least},}}"),
            Some(most) => write!(self.written, "{{{least},{most}}}"),
        };
        Some(())
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        (number <= REPEATS).then_some(number)
    }

    /// What stands after a backslash, in a class or outside.
    fn escape(&mut self) -> Option<Escape> {
        let (escaped, rest) = self.rest.split_first()?;
        self.rest = rest;
        let class = |ranges, negated| Some(Escape::Class { ranges, negated });
        match escaped {
            b'd' => class(DIGIT, false),
            b'D' => class(DIGIT, true),
            b'w' => class(WORD, false),
            b'W' => class(WORD, true),
            punctuation if punctuation.is_ascii_punctuation() => Some(Escape::Character(*punctuation)),
            // Boundaries, white space, control characters, references to groups.
            _ => None,
        }
    }

    /// A class, after its opening bracket. An empty one is not accepted.
    fn class(&mut self) -> Option<()> {
        let mut ranges = String::new();
        let mut negated = false;
        if let [b'^', rest @ ..] = self.rest {
            self.rest = rest;
            negated = true;
        }
        loop {
            let from = match self.member()? {
                None => break,
                Some(Escape::Class { negated: true, .. }) => return None,
                Some(Escape::Class { ranges: more, .. }) => {
                    // What a dash means after a class differs between grammars, except at the end.
                    if matches!(self.rest, [b'-', next, ..] if *next != b']') {
                        return None;
                    }
                    ranges.push_str(more);
                    continue;
                }
                Some(Escape::Character(from)) => from,
            };
            let mut to = from;
            if let [b'-', next, ..] = self.rest
                && *next != b']'
            {
                self.rest = self.rest.get(1..)?;
                match self.member()? {
                    Some(Escape::Character(last)) if last >= from => to = last,
                    _ => return None,
                }
            }
            let _ = write!(ranges, r"\x{{{from:x}}}-\x{{{to:x}}}");
        }
        if ranges.is_empty() {
            return None;
        }
        let not = if negated { "^" } else { "" };
        let _ = write!(self.written, "[{not}{ranges}]");
        Some(())
    }

    /// One member of a class; the inner nothing is the closing bracket.
    fn member(&mut self) -> Option<Option<Escape>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b']' => Some(None),
            b'\\' => self.escape().map(Some),
            literal => Some(Some(Escape::Character(*literal))),
        }
    }

    fn character(&mut self, character: u8) {
        let _ = write!(self.written, r"\x{{{character:x}}}");
    }
}

enum Escape {
    Character(u8),
    Class { ranges: &'static str, negated: bool },
}

#[cfg(test)]
mod tests;
