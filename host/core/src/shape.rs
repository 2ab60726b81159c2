//! From answers of a store to the data of a Secret.
//!
//! Items are merged in their order, a later key wins, and nothing is dropped on the way: an item that
//! cannot be shaped is a [`Failure`], and one failure fails the whole object. A value that is malformed
//! for a moment, or a path that is empty by mistake, must never wipe keys that workloads live on. What
//! the API server would refuse (key names, size) is refused here, by name and with the place in the
//! object. Values are never part of a message. Who relies on KES's habit of passing over such values can
//! have it back with [`Leniency`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::base64_text;
use crate::failure::{Failure, Reason};
use crate::item::{Item, Mapping};
use crate::json::Json;
use crate::outcome::{NamedValue, Value};
use crate::property::{self, Found};
use crate::secret::SecretBytes;

/// What Kubernetes takes: the sum of all values of one Secret, in bytes.
pub const LARGEST_DATA: usize = 1 << 20;
/// The longest key of a Secret.
const LONGEST_KEY: usize = 253;

/// What a store answered to one item.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// To a key.
    Value(&'a Value),
    /// To a path.
    Values(&'a [NamedValue]),
}

/// Where values that are not what the object says they are get KES's treatment. The default is ours: they fail
/// the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leniency {
    /// An entry whose value cannot be shaped gives no key, and a Secret may have none at all. A text is
    /// spread over its UTF-16 units.
    pub drops_malformed: bool,
    /// Of two values of one name under a path the later one stays.
    pub last_of_path_wins: bool,
}

/// The data of a Secret, and what was left out of it.
#[derive(Debug)]
pub struct Shaped {
    /// The data.
    pub data: BTreeMap<String, SecretBytes>,
    /// Entries that gave no key, under [`Leniency::drops_malformed`] alone.
    pub dropped: Vec<Failure>,
}

/// The data of the Secret.
///
/// # Errors
/// Every failure, in the order of the items; those of the whole object last.
pub fn shape(items: &[Item], answers: &[Answer<'_>], leniency: Leniency) -> Result<Shaped, Vec<Failure>> {
    if items.len() != answers.len() {
        let message = format!("{} answers for {} items", answers.len(), items.len());
        return Err(vec![Failure::new(Reason::PluginFailed, message)]);
    }
    let mut shaped = Shaped {
        data: BTreeMap::new(),
        dropped: Vec::new(),
    };
    let mut failures = Vec::new();
    for (item, answer) in items.iter().zip(answers) {
        match shape_item(item, *answer, leniency) {
            Ok(keys) => shaped.data.extend(keys),
            Err(Flaw::Malformed(failure)) if leniency.drops_malformed => {
                shaped.dropped.push(failure.at(item.place.clone()));
            }
            Err(Flaw::Malformed(failure) | Flaw::Fatal(failure)) => failures.push(failure.at(item.place.clone())),
        }
    }
    if failures.is_empty() {
        failures.extend(whole(items, &shaped.data, leniency));
    }
    if failures.is_empty() { Ok(shaped) } else { Err(failures) }
}

/// What is wrong with one item.
enum Flaw {
    /// The value is not of the form that the item needs; KES passed over it.
    Malformed(Failure),
    /// Anything else; KES failed, too.
    Fatal(Failure),
}

impl From<Failure> for Flaw {
    fn from(failure: Failure) -> Self {
        Self::Fatal(failure)
    }
}

/// What is wrong with the data as a whole.
fn whole(items: &[Item], data: &BTreeMap<String, SecretBytes>, leniency: Leniency) -> Option<Failure> {
    if data.is_empty() && !leniency.drops_malformed {
        let places: Vec<_> = items
            .iter()
            .take(5)
            .map(|item| format!("{} ({})", item.place, item.request.selector.name()))
            .collect();
        let message = if places.is_empty() {
            "the object asks for nothing, so the Secret would have no key".to_owned()
        } else {
            format!(
                "nothing was found, so the Secret would have no key: {}",
                places.join(", ")
            )
        };
        return Some(
            Failure::new(Reason::InvalidValue, message)
                .remedy("check paths and values in the store; an empty Secret is never written"),
        );
    }
    let total: usize = data.values().map(SecretBytes::len).sum();
    if total <= LARGEST_DATA {
        return None;
    }
    let mut by_size: Vec<_> = data.iter().map(|(name, value)| (value.len(), name)).collect();
    by_size.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let largest: Vec<_> = by_size
        .iter()
        .take(3)
        .map(|(size, name)| format!("{name} ({size} bytes)"))
        .collect();
    let message = format!(
        "the data is {total} bytes, a Secret takes {LARGEST_DATA}; largest: {}",
        largest.join(", ")
    );
    Some(Failure::new(Reason::TooLarge, message).remedy("split it over several objects"))
}

fn shape_item(item: &Item, answer: Answer<'_>, leniency: Leniency) -> Result<BTreeMap<String, SecretBytes>, Flaw> {
    let key = item.request.selector.name();
    match (&item.mapping, answer) {
        (
            Mapping::Single {
                name,
                property,
                is_binary,
            },
            Answer::Value(value),
        ) => {
            check_name(name)
                .map_err(|why| Failure::new(Reason::InvalidSpec, format!("name {} {why}", quoted(name))))?;
            let value = match property {
                None => plain(value, *is_binary),
                Some(property) => member(value, key, property, *is_binary)?,
            };
            Ok(BTreeMap::from([(name.clone(), value)]))
        }
        (Mapping::Spread, Answer::Value(value)) => spread(value, key, leniency),
        (Mapping::Path, Answer::Values(values)) => Ok(path(values, leniency)?),
        (Mapping::Single { .. } | Mapping::Spread, Answer::Values(_)) => Err(Failure::new(
            Reason::PluginFailed,
            format!("several values came for key {}", quoted(key)),
        )
        .into()),
        (Mapping::Path, Answer::Value(_)) => Err(Failure::new(
            Reason::PluginFailed,
            format!("a single value came for path {}", quoted(key)),
        )
        .into()),
    }
}

/// A value without `property`: as it is, or decoded if it is text that was marked as binary. What the
/// store itself calls binary is never decoded again.
fn plain(value: &Value, is_binary: bool) -> SecretBytes {
    if is_binary && value.is_text {
        SecretBytes::new(base64_text::decode(value.bytes.expose()))
    } else {
        value.bytes.clone()
    }
}

fn member(value: &Value, key: &str, property: &str, is_binary: bool) -> Result<SecretBytes, Flaw> {
    let json = Json::read(value.bytes.expose()).map_err(|why| {
        let message = format!(
            "the value of {} is {why}, so it has no property {}",
            quoted(key),
            quoted(property)
        );
        Flaw::Malformed(
            Failure::new(Reason::InvalidValue, message)
                .remedy("store JSON, or leave property out to take the value as it is"),
        )
    })?;
    let Some(found) = property::find(&json, property) else {
        let message = format!("Could not find property {property} in {key}");
        return Err(Failure::kes(Reason::InvalidValue, message).into());
    };
    Ok(match found {
        Found::Json(Json::Text(text)) if is_binary => decoded(&text.utf8()),
        Found::Json(json) => encoded(json, value.bytes.len()),
        Found::Length(length) => SecretBytes::from(length.to_string()),
        Found::Unit(unit) if is_binary => decoded(text_of(unit).as_bytes()),
        Found::Unit(unit) => SecretBytes::from(text_of(unit)),
    })
}

/// One UTF-16 unit as text; half a surrogate pair is U+FFFD, as JavaScript writes it.
fn text_of(unit: u16) -> String {
    char::from_u32(u32::from(unit))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
        .to_string()
}

fn decoded(base64: &[u8]) -> SecretBytes {
    SecretBytes::new(base64_text::decode(base64))
}

/// A JSON value as a Secret holds it: text without quotes, everything else as compact JSON, which is
/// never longer than the text it was read from (`longest`).
fn encoded(json: &Json<'_>, longest: usize) -> SecretBytes {
    match json {
        Json::Text(text) => SecretBytes::new(text.utf8()),
        Json::Number(digits) => SecretBytes::new(digits.as_bytes().to_vec()),
        _ => {
            let mut bytes = Vec::with_capacity(longest.min(LARGEST_DATA));
            json.write(&mut bytes);
            SecretBytes::new(bytes)
        }
    }
}

fn spread(value: &Value, key: &str, leniency: Leniency) -> Result<BTreeMap<String, SecretBytes>, Flaw> {
    let wrong = |what: &str| {
        let message = format!(
            "the value of {} is {what}, so it cannot be spread over keys",
            quoted(key)
        );
        Flaw::Malformed(
            Failure::new(Reason::InvalidValue, message).remedy("store a JSON object, or use data with key and name"),
        )
    };
    let bytes = value.bytes.expose();
    let mut keys = BTreeMap::new();
    match Json::read(bytes).map_err(|why| wrong(&why.to_string()))? {
        Json::Object(members) => {
            for (name, member) in &members {
                // A name that is no text in UTF-8 cannot be a key either.
                let name = String::from_utf8(name.utf8()).map_err(|_| wrong("JSON with a broken member name"))?;
                check_name(&name).map_err(|why| {
                    Failure::new(
                        Reason::InvalidValue,
                        format!("member {} of {} {why}", quoted(&name), quoted(key)),
                    )
                })?;
                keys.insert(name, encoded(member, bytes.len()));
            }
        }
        Json::Array(items) => {
            keys.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (index.to_string(), encoded(item, bytes.len()))),
            );
        }
        Json::Text(text) if leniency.drops_malformed => {
            let units = text.utf16();
            keys.extend(
                units
                    .iter()
                    .enumerate()
                    .map(|(index, unit)| (index.to_string(), SecretBytes::from(text_of(*unit)))),
            );
        }
        Json::Text(_) => return Err(wrong("a JSON text")),
        Json::Number(_) => return Err(wrong("a number")),
        Json::Bool(_) => return Err(wrong("a boolean")),
        Json::Null => return Err(wrong("null")),
    }
    Ok(keys)
}

fn path(values: &[NamedValue], leniency: Leniency) -> Result<BTreeMap<String, SecretBytes>, Failure> {
    let mut keys: BTreeMap<String, SecretBytes> = BTreeMap::new();
    let mut full_names: BTreeMap<&str, &str> = BTreeMap::new();
    for NamedValue { name, full_name, value } in values {
        check_name(name).map_err(|why| {
            Failure::new(
                Reason::InvalidValue,
                format!("{} gives key {}, which {why}", quoted(full_name), quoted(name)),
            )
        })?;
        match full_names.entry(name) {
            Entry::Occupied(entry) if !leniency.last_of_path_wins => {
                let message = format!(
                    "{} and {} both give key {}",
                    quoted(entry.get()),
                    quoted(full_name),
                    quoted(name)
                );
                return Err(Failure::new(Reason::InvalidValue, message)
                    .remedy("rename one of them, or take them by key and name"));
            }
            entry => {
                entry.insert_entry(full_name);
                keys.insert(name.clone(), value.bytes.clone());
            }
        }
    }
    Ok(keys)
}

/// What the API server demands of the keys of a Secret.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty, which no key of a Secret may be");
    }
    if name.len() > LONGEST_KEY {
        return Err("is longer than 253 characters, the most that a key of a Secret may have");
    }
    if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err("is no legal key of a Secret: only letters, digits, dashes, dots and underscores are");
    }
    if name == "." || name.starts_with("..") {
        return Err("is no legal key of a Secret: it may not be a dot or start with two");
    }
    Ok(())
}

/// A name for a message: quoted, control characters escaped, cut.
fn quoted(name: &str) -> String {
    const LONGEST: usize = 128;
    let mut shown: String = name.chars().take(LONGEST).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests;
