//! `property`: a path into a JSON value, as KES's users write it.
//!
//! KES resolved properties with lodash, so its rules are what manifests rely on: a name that the value
//! has as a member is that member, dots and all; otherwise the text is a path of names, indexes and
//! quoted names. Texts and arrays have a `length`, and both can be indexed. Unlike there, only what the
//! value itself contains can be reached.

use std::borrow::Cow;

use crate::json::{Json, Text, array_index};

/// What a property leads to.
pub(crate) enum Found<'v, 'a> {
    Json(&'v Json<'a>),
    /// One UTF-16 unit of a text.
    Unit(u16),
    /// The length of a text or array.
    Length(usize),
}

/// The part of `value` that `property` names.
pub(crate) fn find<'v, 'a>(value: &'v Json<'a>, property: &str) -> Option<Found<'v, 'a>> {
    if let Some(found) = step(value, property) {
        return Some(found);
    }
    if !is_path(property) {
        return None;
    }
    let steps = steps(property);
    let (last, earlier) = steps.split_last()?;
    let mut current = value;
    for (position, name) in earlier.iter().enumerate() {
        match step(current, name)? {
            Found::Json(json) => current = json,
            // A unit is a text of its own: it has a length of 1 and itself at 0, however often asked.
            Found::Unit(unit) => return of_unit(unit, steps.get(position + 1..)?),
            Found::Length(_) => return None,
        }
    }
    step(current, last)
}

fn step<'v, 'a>(value: &'v Json<'a>, name: &str) -> Option<Found<'v, 'a>> {
    match value {
        Json::Object(_) => value.member(name).map(Found::Json),
        Json::Array(items) if name == "length" => Some(Found::Length(items.len())),
        Json::Array(items) => items
            .get(usize::try_from(array_index(name.as_bytes())?).ok()?)
            .map(Found::Json),
        Json::Text(text) => of_text(*text, name),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

fn of_text<'v, 'a>(text: Text<'a>, name: &str) -> Option<Found<'v, 'a>> {
    if name == "length" {
        return Some(Found::Length(text.utf16().len()));
    }
    let index = usize::try_from(array_index(name.as_bytes())?).ok()?;
    text.utf16().get(index).copied().map(Found::Unit)
}

fn of_unit<'v, 'a>(unit: u16, steps: &[Cow<'_, str>]) -> Option<Found<'v, 'a>> {
    let (last, earlier) = steps.split_last()?;
    if earlier.iter().any(|name| name != "0") {
        return None;
    }
    match last.as_ref() {
        "0" => Some(Found::Unit(unit)),
        "length" => Some(Found::Length(1)),
        _ => None,
    }
}

/// Whether a text that is no member can be a path: it has a dot or something in brackets.
fn is_path(property: &str) -> bool {
    if property.contains('.') {
        return true;
    }
    property.match_indices('[').any(|(at, _)| {
        let inner = property.get(at + 1..).unwrap_or_default();
        let plain = inner
            .find(['[', ']'])
            .is_some_and(|end| inner.as_bytes().get(end) == Some(&b']'));
        plain || quoted(inner).is_some_and(|(_, rest)| rest.starts_with(']'))
    })
}

/// The names of a path. `a.b`, `a[0].b`, `a["b.c"]`; an empty name stands between two dots and at the ends.
fn steps(path: &str) -> Vec<Cow<'_, str>> {
    let mut names = Vec::new();
    if path.starts_with('.') {
        names.push(Cow::Borrowed(""));
    }
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        if !matches!(first, '.' | '[' | ']') {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            let (name, beyond) = rest.split_at(end);
            names.push(Cow::Borrowed(name));
            rest = beyond;
            continue;
        }
        if let Some((name, beyond)) = bracketed(rest) {
            names.push(name);
            rest = beyond;
            continue;
        }
        let separator = |text: &str| text.starts_with('.') || text.starts_with("[]");
        let beyond = rest.strip_prefix('.').or_else(|| rest.strip_prefix("[]"));
        if beyond.is_some_and(|beyond| beyond.is_empty() || separator(beyond)) {
            names.push(Cow::Borrowed(""));
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    names
}

/// A number or a quoted name in brackets at the start of `text`, and what follows.
fn bracketed(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('[')?;
    if let Some((name, rest)) = quoted(inner) {
        return Some((name, rest.strip_prefix(']')?));
    }
    let (number, rest) = inner.split_once(']')?;
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then_some((Cow::Borrowed(number), rest))
}

/// A quoted text at the start of `text`, its escapes removed, and what follows.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.get(1..)?;
    let mut name = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            _ if character == quote => return Some((Cow::Owned(name), inner.get(at + 1..)?)),
            _ => name.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests;
