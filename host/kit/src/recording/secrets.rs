//! Secrets and what stands for them in a recording.
//!
//! The same secret gets the same placeholder everywhere, so that a login's token is still the one that the
//! next request carries. A secret is looked for as it is, escaped as in JSON (once, and once more for
//! JSON inside JSON), percent-encoded and in base64; what is JSON itself is replaced leaf by leaf, so it keeps
//! its shape. Digits become digits: a number stays one.
//!
//! Short secrets occur by accident everywhere. Those under [`ANYWHERE`] bytes are replaced only where they
//! stand alone, and those under [`ALONE`] only as a whole JSON text or a whole body. The search for what is
//! left ([`Secrets::left_in`]) covers everything from [`ANYWHERE`] bytes on, in more forms than were replaced.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use keyhole_core::SecretBytes;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use serde_json::Value as Json;

use crate::kit_error::KitError;

/// Bytes from which on a secret is replaced wherever it stands.
const ANYWHERE: usize = 6;
/// Bytes from which on a secret is replaced where it stands alone.
const ALONE: usize = 4;
/// JSON in JSON text in JSON.
const DEEPEST: usize = 3;

/// What encoders of path segments and queries leave as it is differs; these are the usual two.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const LENIENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'#')
    .add(b'?')
    .add(b'%')
    .add(b'&')
    .add(b'+');

/// Secrets, each with its placeholder.
#[derive(Default)]
pub struct Secrets {
    /// In the order in which they were met, so that a recording made again reads the same.
    known: Vec<(SecretBytes, String)>,
    /// What is JSON itself: replaced leaf by leaf, but in base64 as a whole.
    whole: Vec<SecretBytes>,
    /// What is no secret, because whoever asked wrote it down: keys, paths, settings.
    named: Vec<String>,
}

impl Secrets {
    /// A text that the request itself names is no secret, and must stay as it is for the replay to find it.
    pub fn is_public(&mut self, text: impl Into<String>) {
        self.named.push(text.into());
    }

    /// Adds a secret.
    pub fn add(&mut self, secret: &SecretBytes) {
        self.add_nested(secret, DEEPEST);
    }

    /// Whether whoever asked wrote this down, so that it is not replaced.
    #[must_use]
    pub fn is_named(&self, secret: &SecretBytes) -> bool {
        let text = std::str::from_utf8(secret.expose());
        text.is_ok_and(|text| !text.is_empty() && self.named.iter().any(|named| named.contains(text)))
    }

    fn add_nested(&mut self, secret: &SecretBytes, depth: usize) {
        let bytes = secret.expose();
        let parsed = serde_json::from_slice::<Json>(bytes).ok();
        match parsed {
            Some(container @ (Json::Object(_) | Json::Array(_))) if depth > 0 => {
                self.add_leaves(&container, depth - 1);
                self.whole.push(secret.clone());
            }
            _ => self.add_one(secret),
        }
    }

    fn add_leaves(&mut self, json: &Json, depth: usize) {
        match json {
            Json::Object(members) => members.values().for_each(|member| self.add_leaves(member, depth)),
            Json::Array(items) => items.iter().for_each(|item| self.add_leaves(item, depth)),
            Json::String(text) => self.add_nested(&SecretBytes::from(text.clone()), depth),
            Json::Number(number) => self.add_one(&SecretBytes::from(number.to_string())),
            Json::Null | Json::Bool(_) => {}
        }
    }

    fn add_one(&mut self, secret: &SecretBytes) {
        let bytes = secret.expose();
        if bytes.is_empty() || self.is_named(secret) || self.known.iter().any(|(known, _)| known == secret) {
            return;
        }
        let number = self.known.len() + 1;
        let placeholder = if bytes.iter().all(u8::is_ascii_digit) {
            format!("9{number:0width$}", width = bytes.len().saturating_sub(1).clamp(3, 18))
        } else {
            // 18 bytes, so that its base64 needs no padding where the secret's had none.
            format!("replaced-secret-{number:02}")
        };
        self.known.push((secret.clone(), placeholder));
    }

    /// How many distinct secrets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// `text` with every secret replaced.
    ///
    /// # Errors
    ///
    /// When there are too many secrets to look for.
    pub fn replace(&self, text: &[u8]) -> Result<Vec<u8>, KitError> {
        if let Some((_, placeholder)) = self.known.iter().find(|(secret, _)| secret.expose() == text) {
            return Ok(placeholder.clone().into_bytes());
        }
        let mut forms: BTreeMap<Vec<u8>, (Vec<u8>, usize)> = BTreeMap::new();
        for (secret, placeholder) in &self.known {
            for (form, stand_in) in forms_of(secret.expose(), placeholder.as_bytes()) {
                forms.entry(form).or_insert((stand_in, secret.len()));
            }
        }
        // Documents first: base64 of a leaf may by chance be a part of base64 of its document.
        let mut encoded: BTreeMap<Vec<u8>, (Vec<u8>, usize)> = BTreeMap::new();
        for whole in &self.whole {
            let stand_in = replace_forms(whole.expose(), &forms)?;
            for (form, stand_in) in encodings_of(whole.expose(), &stand_in) {
                encoded.entry(form).or_insert((stand_in, whole.len()));
            }
        }
        replace_forms(&replace_forms(text, &encoded)?, &forms)
    }

    /// What form of a secret is left in a text, if one is.
    #[must_use]
    pub fn left_in(&self, text: &[u8]) -> Option<&'static str> {
        let long = self
            .known
            .iter()
            .map(|(secret, _)| secret)
            .filter(|secret| secret.len() >= ANYWHERE);
        for secret in long.chain(&self.whole) {
            let bytes = secret.expose();
            let unshaped = self.whole.contains(secret);
            let texts = forms_of(bytes, b"")
                .into_iter()
                .map(|(form, _)| (form, "in the clear or escaped"));
            let base64 = unaligned(bytes).into_iter().map(|form| (form, "in base64"));
            let found = texts
                // The whole of a JSON document cannot be there when none of its leaves is.
                .filter(|_| !unshaped)
                .chain(base64)
                .find(|(form, _)| !form.is_empty() && contains(text, form));
            if let Some((_, how)) = found {
                return Some(how);
            }
        }
        None
    }
}

/// The text forms of a secret and its encodings, each with what stands in its place.
fn forms_of(secret: &[u8], placeholder: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut forms = vec![(secret.to_vec(), placeholder.to_vec())];
    if let Ok(text) = std::str::from_utf8(secret) {
        let once = escaped(text);
        let twice = escaped(&once);
        let ascii = escaped_to_ascii(&once);
        for form in [once, twice, ascii] {
            forms.push((form.into_bytes(), placeholder.to_vec()));
        }
    }
    for set in [SEGMENT, LENIENT] {
        let encoded = percent_encode(secret, set).to_string();
        let stand_in = percent_encode(placeholder, set).to_string();
        forms.push((
            encoded.to_ascii_lowercase_escapes().into_bytes(),
            stand_in.clone().into_bytes(),
        ));
        forms.push((encoded.replace("%20", "+").into_bytes(), stand_in.clone().into_bytes()));
        forms.push((encoded.into_bytes(), stand_in.into_bytes()));
    }
    if secret.len() >= ALONE {
        forms.extend(encodings_of(secret, placeholder));
    }
    forms
}

trait LowerEscapes {
    fn to_ascii_lowercase_escapes(&self) -> String;
}

impl LowerEscapes for String {
    /// `%2F` as `%2f`.
    fn to_ascii_lowercase_escapes(&self) -> String {
        let mut out = Self::with_capacity(self.len());
        let mut escape = 0;
        for character in self.chars() {
            if escape > 0 {
                escape -= 1;
                out.push(character.to_ascii_lowercase());
            } else {
                if character == '%' {
                    escape = 2;
                }
                out.push(character);
            }
        }
        out
    }
}

/// Base64 of a secret and of what stands in its place.
fn encodings_of(secret: &[u8], placeholder: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .map(|engine| {
            (
                engine.encode(secret).into_bytes(),
                engine.encode(placeholder).into_bytes(),
            )
        })
        .collect()
}

/// What base64 of any text around the secret must contain, for each of the three places in which it may begin.
fn unaligned(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for shift in 0..3_usize {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(secret);
        // Only whole groups belong to the secret alone.
        let first = if shift == 0 { 0 } else { 3 };
        let last = shifted.len() / 3 * 3;
        let Some(inner) = shifted.get(first..last).filter(|inner| inner.len() >= ANYWHERE) else {
            continue;
        };
        forms.push(STANDARD_NO_PAD.encode(inner).into_bytes());
        forms.push(URL_SAFE_NO_PAD.encode(inner).into_bytes());
    }
    forms
}

fn escaped(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}

fn escaped_to_ascii(escaped: &str) -> String {
    let mut ascii = String::with_capacity(escaped.len());
    for character in escaped.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Replaces each form by its stand-in, the longest first; `forms` also says how long the secret is.
fn replace_forms(text: &[u8], forms: &BTreeMap<Vec<u8>, (Vec<u8>, usize)>) -> Result<Vec<u8>, KitError> {
    let list: Vec<_> = forms.iter().filter(|(form, _)| !form.is_empty()).collect();
    let search = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(list.iter().map(|(form, _)| form.as_slice()))
        .map_err(|_| KitError::Leak("there are too many secrets in it to look for".to_owned()))?;
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = 0;
    for found in search.find_iter(text) {
        let Some((_, (stand_in, length))) = list.get(found.pattern().as_usize()) else {
            continue;
        };
        let (before, after) = (
            found.start().checked_sub(1).and_then(|at| text.get(at)).copied(),
            text.get(found.end()).copied(),
        );
        let fits = match *length {
            ANYWHERE.. => true,
            ALONE.. => !is_word(before) && !is_word(after),
            _ => before == Some(b'"') && after == Some(b'"'),
        };
        if fits {
            replaced.extend_from_slice(text.get(rest..found.start()).unwrap_or_default());
            replaced.extend_from_slice(stand_in);
            rest = found.end();
        }
    }
    replaced.extend_from_slice(text.get(rest..).unwrap_or_default());
    Ok(replaced)
}

fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || !byte.is_ascii())
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.known.len())
    }
}

#[cfg(test)]
mod tests;
