//! A Kubernetes Secret as this host reads and writes it.
//!
//! The client library's own `Secret` prints its data with `Debug`, and its generic requests log the
//! whole answer when it cannot be read. Here the data is [`SecretBytes`] from the first byte, and
//! [`Target::parse`] never repeats any part of what it was given, so that neither a log line nor an
//! error text can hold a value.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use keyhole_core::SecretBytes;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// A Secret. Kubernetes knows no further fields, so replacing one by this type loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Name, owners, labels and the rest.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// `type`; absent is `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether the API server refuses every change of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// The data, decoded.
    #[serde(default, serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub data: BTreeMap<String, SecretBytes>,
}

/// An answer of the API server that is no Secret. Says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server's answer is no Secret (line {line}, column {column})")]
pub struct Unreadable {
    line: usize,
    column: usize,
}

impl Target {
    /// Reads an answer of the API server.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        serde_json::from_str(text).map_err(|error| Unreadable {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The body of a POST or PUT.
    pub fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            api_version: &'static str,
            kind: &'static str,
            #[serde(flatten)]
            target: &'a Target,
        }
        serde_json::to_vec(&Body {
            api_version: "v1",
            kind: "Secret",
            target: self,
        })
    }

    /// `type` with Kubernetes's default.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self.kind.as_deref() {
            None | Some("") => "Opaque",
            Some(name) => name,
        }
    }

    /// The version that the API server gave this state.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
}

fn to_base64<S: Serializer>(data: &BTreeMap<String, SecretBytes>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(data.len()))?;
    for (key, bytes) in data {
        map.serialize_entry(key, &STANDARD.encode(bytes.expose()))?;
    }
    map.end()
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretBytes>, D::Error> {
    struct Data;

    impl<'de> Visitor<'de> for Data {
        type Value = BTreeMap<String, SecretBytes>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of base64 texts")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut data = BTreeMap::new();
            // The API server writes an empty value as `null` or as an empty text.
            while let Some((key, text)) = map.next_entry::<String, Option<String>>()? {
                let bytes = STANDARD
                    .decode(text.unwrap_or_default())
                    .map_err(|_| de::Error::custom("not base64"))?;
                data.insert(key, SecretBytes::new(bytes));
            }
            Ok(data)
        }
    }

    deserializer.deserialize_any(Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_the_round_trip() {
        let text = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","resourceVersion":"7","finalizers":["x/y"]},
            "type":"kubernetes.io/tls","immutable":true,"data":{"k":"aHVudGVyMg==","empty":null,"blank":""}}"#;
        let target = Target::parse(text).unwrap();
        assert_eq!(target.data["k"].expose(), b"hunter2");
        assert!(target.data["empty"].is_empty() && target.data["blank"].is_empty());
        assert_eq!(
            (target.resource_version(), target.type_name()),
            ("7", "kubernetes.io/tls")
        );
        let body = String::from_utf8(target.body().unwrap()).unwrap();
        assert!(
            body.starts_with(r#"{"apiVersion":"v1","kind":"Secret","metadata":{"#),
            "{body}"
        );
        assert_eq!(Target::parse(&body).unwrap(), target);
    }

    #[test]
    fn a_secret_without_data_or_type_is_empty_and_opaque() {
        let target = Target::parse(r#"{"metadata":{"name":"a"},"data":null}"#).unwrap();
        assert!(target.data.is_empty());
        assert_eq!(target.type_name(), "Opaque");
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        for text in [
            r#"{"data":"hunter2"}"#,
            r#"{"data":{"k":"hunter2!"}}"#,
            "hunter2",
            r#"{"type":["hunter2"]}"#,
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let target = Target::parse(r#"{"data":{"k":"aHVudGVyMg=="}}"#).unwrap();
        let text = format!("{target:?}");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
    }
}
