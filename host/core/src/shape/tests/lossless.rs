//! Whatever a store holds comes out whole: over documents and bytes that nobody thought of.
//!
//! What comes out is read back by `serde_json`, so that reader and writer of this crate cannot agree on a
//! mistake.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// A JSON value that keeps what matters: numbers as written.
#[derive(Clone, Debug, PartialEq)]
enum Document {
    Word(&'static str),
    Number(String),
    Text(String),
    Array(Vec<Document>),
    Object(BTreeMap<String, Document>),
}

/// How a document is written down.
#[derive(Clone, Copy, Debug)]
struct Style {
    escaped: bool,
    space: &'static str,
}

impl Document {
    fn write(&self, style: Style) -> String {
        let Style { space, .. } = style;
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Number(digits) => digits.clone(),
            Self::Text(text) => quote(text, style),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.write(style)).collect();
                format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))
            }
            Self::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{}{space}:{space}{}", quote(name, style), value.write(style)))
                    .collect();
                format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
            }
        }
    }

    fn read(text: &str) -> Self {
        let inner = |raw: &RawValue| Self::read(raw.get());
        match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
                Self::Object(members.iter().map(|(name, raw)| (name.clone(), inner(raw))).collect())
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
                Self::Array(items.iter().map(|raw| inner(raw)).collect())
            }
            Some(b'"') => Self::Text(serde_json::from_str(text).unwrap()),
            _ => match ["null", "true", "false"].iter().find(|word| **word == text) {
                Some(word) => Self::Word(word),
                None => Self::Number(text.to_owned()),
            },
        }
    }

    /// What a key of the Secret holds of this.
    fn is_held_by(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Text(text) => text.as_bytes() == bytes,
            other => *other == Self::read(std::str::from_utf8(bytes).unwrap()),
        }
    }

    /// Every part that is no object and no array, with the property that leads to it.
    fn leaves<'d>(&'d self, property: &str, found: &mut Vec<(String, &'d Document)>) {
        match self {
            Self::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.leaves(&format!("{property}[{index}]"), found);
                }
            }
            Self::Object(members) => {
                for (name, value) in members {
                    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
                    value.leaves(&format!("{property}[\"{quoted}\"]"), found);
                }
            }
            leaf => found.push((property.to_owned(), leaf)),
        }
    }
}

fn quote(text: &str, style: Style) -> String {
    if !style.escaped {
        return serde_json::to_string(text).unwrap();
    }
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

fn documents() -> impl Strategy<Value = Document> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false"]).prop_map(Document::Word),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?".prop_map(Document::Number),
        any::<String>().prop_map(Document::Text),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Document::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Document::Object),
        ]
    })
}

fn styles() -> impl Strategy<Value = Style> {
    let space = prop::sample::select(vec!["", " ", "\r\n\t"]);
    (any::<bool>(), space).prop_map(|(escaped, space)| Style { escaped, space })
}

/// What the API server takes as a key.
fn names() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,30}"
}

/// No file is left behind; a failure prints the document that it shrank to.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn v1_an_object_that_is_spread_can_be_read_back_whole(
        members in prop::collection::btree_map(names(), documents(), 1..6),
        style in styles(),
    ) {
        let value = text(Document::Object(members.clone()).write(style));
        let data = shape(&[spread()], &[Answer::Value(&value)]).unwrap();
        prop_assert_eq!(data.keys().collect::<Vec<_>>(), members.keys().collect::<Vec<_>>());
        for (name, member) in &members {
            prop_assert!(member.is_held_by(data[name].expose()), "{}", name);
        }
    }

    #[test]
    fn v1_an_array_that_is_spread_can_be_read_back_whole(
        items in prop::collection::vec(documents(), 1..6),
        style in styles(),
    ) {
        let value = text(Document::Array(items.clone()).write(style));
        let data = shape(&[spread()], &[Answer::Value(&value)]).unwrap();
        prop_assert_eq!(data.len(), items.len());
        for (index, item) in items.iter().enumerate() {
            prop_assert!(item.is_held_by(data[&index.to_string()].expose()), "{}", index);
        }
    }

    #[test]
    fn v1_every_leaf_of_a_document_can_be_reached_and_is_whole(document in documents(), style in styles()) {
        let value = text(document.write(style));
        let mut leaves = Vec::new();
        document.leaves("", &mut leaves);
        for (property, leaf) in leaves.iter().filter(|(property, _)| !property.is_empty()) {
            let held = one(single("n", Some(property), false), &value);
            prop_assert!(leaf.is_held_by(&held), "{} is {:?}", property, String::from_utf8_lossy(&held));
        }
    }

    #[test]
    fn v1_any_bytes_are_stored_as_they_are_and_nothing_panics(
        bytes in prop_oneof![any::<Vec<u8>>(), documents().prop_map(|document| {
            document.write(Style { escaped: false, space: " " }).into_bytes()
        })],
        property in any::<String>(),
        is_text in any::<bool>(),
        is_binary in any::<bool>(),
    ) {
        let value = Value { bytes: SecretBytes::new(bytes.clone()), is_text, version: None };
        prop_assert_eq!(one(single("n", None, false), &value), bytes.clone());
        if !is_text {
            prop_assert_eq!(one(single("n", None, true), &value), bytes);
        }
        for item in [single("n", Some(&property), is_binary), single("n", None, is_binary), spread()] {
            let _ = shape(&[item], &[Answer::Value(&value)]);
        }
    }

    #[test]
    fn v1_bytes_in_any_form_of_base64_are_decoded(bytes in any::<Vec<u8>>(), broken in 1_usize..80) {
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let lines: Vec<String> = engine
                .encode(&bytes)
                .as_bytes()
                .chunks(broken)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            let encoded = text(lines.join("\n"));
            prop_assert_eq!(one(single("n", None, true), &encoded), bytes.clone());
        }
    }
}
