//! From an answer to a value.
//!
//! The value is the whole entry as compact JSON, as in KES, with the digits that the store has. The two
//! versions of the key-value engine differ in where it stands, and which is which is the user's to say; the
//! plugin says so when the answer looks like the other one.

use keyhole_sdk::{Error, Value, log};
use serde_json::Value as Json;

use crate::entry::Entry;
use crate::settings::Kv;

/// The value in the body of a success.
///
/// # Errors
/// When the answer is not one of this version of the engine.
pub fn value(body: &Json, entry: &Entry, kv: Kv) -> Result<Value, Error> {
    let Some(data) = body.get("data").filter(|data| data.is_object()) else {
        let message = format!(
            "what Vault answers to {:?} has no data; it is no entry of a secrets engine",
            entry.name
        );
        return Err(Error::invalid("/key", message));
    };
    match kv {
        Kv::One => {
            if is_versioned(data) {
                let message = "the answer looks like one of a key-value engine of version 2, but kvVersion is 1: its data is in the member data";
                log::warn(message, &[("key", entry.name.as_str())]);
            }
            Ok(Value::text(data.to_string()))
        }
        Kv::Two if !is_versioned(data) => {
            let message = format!(
                "what Vault answers to {:?} has no versions, so it is not from a key-value engine of version 2; set kvVersion to 1",
                entry.name
            );
            Err(Error::invalid("/settings/kvVersion", message))
        }
        Kv::Two => {
            let content = data.get("data").map(Json::to_string).unwrap_or_default();
            let value = Value::text(content);
            Ok(match version(data) {
                Some(version) => value.version(version),
                None => value,
            })
        }
    }
}

/// Whether this is the answer of an engine of version 2.
fn is_versioned(data: &Json) -> bool {
    let metadata = data.get("metadata");
    let has = |member: &str| metadata.is_some_and(|metadata| metadata.get(member).is_some());
    data.get("data").is_some_and(Json::is_object) && has("version") && has("created_time")
}

/// Numbers start anew when an entry is deleted with its history and written again, so the time belongs to it.
fn version(data: &Json) -> Option<String> {
    let metadata = data.get("metadata")?;
    let number = metadata.get("version")?.as_u64()?;
    let time = metadata.get("created_time")?.as_str()?;
    Some(format!("{number}@{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sdk::{Content, ErrorKind};
    use serde_json::json;

    fn entry() -> Entry {
        Entry::new("secret/data/app", &crate::options::Options::default()).unwrap()
    }

    fn read(body: &str, kv: Kv) -> Result<(String, Option<String>), Error> {
        let body: Json = serde_json::from_str(body).unwrap();
        value(&body, &entry(), kv).map(|value| match value.content {
            Content::Text(text) => (text, value.version),
            other => panic!("{other:?}"),
        })
    }

    const TWO: &str = r#"{"data":{"data":{"n":12345678901234567890123,"p":"a\u003cb"},
        "metadata":{"created_time":"2026-01-02T03:04:05Z","version":7}}}"#;

    #[test]
    fn the_value_is_the_whole_entry_as_json_with_its_digits() {
        let (text, version) = read(TWO, Kv::Two).unwrap();
        assert_eq!(text, r#"{"n":12345678901234567890123,"p":"a<b"}"#);
        assert_eq!(version.as_deref(), Some("7@2026-01-02T03:04:05Z"));
        let (text, version) = read(r#"{"data":{"b":1.50,"a":"x"},"lease_duration":2764800}"#, Kv::One).unwrap();
        assert_eq!((text.as_str(), version), (r#"{"a":"x","b":1.50}"#, None));
    }

    #[test]
    fn an_entry_that_was_written_anew_has_another_version_though_its_number_is_the_same() {
        let version = |time: &str| read(&TWO.replace("2026-01-02T03:04:05Z", time), Kv::Two).unwrap().1;
        assert_ne!(version("2026-01-02T03:04:05Z"), version("2026-01-02T03:04:06Z"));
    }

    #[test]
    fn plain_data_is_no_answer_of_version_2() {
        for body in [
            json!({"data": {"p": "hunter2"}}),
            json!({"data": {"data": "hunter2", "metadata": {}}}),
        ] {
            let error = read(&body.to_string(), Kv::Two).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid("/settings/kvVersion".to_owned()));
            assert!(error.message.contains("set kvVersion to 1") && !error.message.contains("hunter2"));
        }
    }

    #[test]
    fn an_answer_of_version_2_read_as_version_1_stays_what_kes_made_of_it_and_is_told_in_the_log() {
        let _ = log::take();
        let (text, _) = read(TWO, Kv::One).unwrap();
        assert!(text.starts_with(r#"{"data":{"#), "{text}");
        let lines = log::take();
        assert!(lines.len() == 1 && lines[0].1.contains("secret/data/app"), "{lines:?}");
        read(r#"{"data":{"data":{"a":1},"metadata":{"x":1}}}"#, Kv::One).unwrap();
        assert!(log::take().is_empty());
    }

    #[test]
    fn an_answer_without_data_is_no_entry() {
        for body in ["{}", r#"{"data":null}"#, r#"{"data":[1]}"#] {
            assert_eq!(
                read(body, Kv::One).unwrap_err().kind,
                ErrorKind::Invalid("/key".to_owned())
            );
        }
    }
}
