//! What an object may say of one entry.

use keyhole_sdk::Error;
use schemars::JsonSchema;
use serde::Deserialize;

/// Options of one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Options {
    /// Which version of the entry; the latest when absent, 0 or `latest`. For version 2 of the key-value engine.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub version: Option<Version>,
    /// Another spelling of `version`.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub version_id: Option<Version>,
}

/// A version as manifests write it: as a number or as text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Version {
    #[schemars(schema_with = "any_scalar")]
    Number(u64),
    #[schemars(schema_with = "any_scalar")]
    Text(String),
}

fn any_scalar(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["integer", "string"] })
}

impl Options {
    /// The version that is asked for; none for the latest.
    ///
    /// # Errors
    /// When it is no number, or given twice with different meanings.
    pub fn version(&self) -> Result<Option<u64>, Error> {
        let read = |version: &Option<Version>, pointer: &str| match version {
            None => Ok(None),
            Some(version) => number(version).map(Some).ok_or_else(|| {
                Error::invalid(
                    pointer,
                    "a version of an entry is a number; write one like 3, or latest",
                )
            }),
        };
        let version = read(&self.version, "/options/version")?;
        let version_id = read(&self.version_id, "/options/versionId")?;
        match (version, version_id) {
            (Some(one), Some(other)) if one != other => {
                let message = "version and versionId disagree; set one of them";
                Err(Error::invalid("/options/versionId", message))
            }
            (version, version_id) => Ok(version.or(version_id).filter(|version| *version != 0)),
        }
    }
}

/// 0 is the latest, as in Vault.
fn number(version: &Version) -> Option<u64> {
    match version {
        Version::Number(number) => Some(*number),
        Version::Text(text) if text == "latest" => Some(0),
        Version::Text(text) => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version(options: serde_json::Value) -> Result<Option<u64>, Error> {
        serde_json::from_value::<Options>(options).unwrap().version()
    }

    #[test]
    fn a_version_may_be_a_number_or_text() {
        for (options, wanted) in [
            (json!({}), None),
            (json!({"version": 3}), Some(3)),
            (json!({"version": "3"}), Some(3)),
            (json!({"versionId": "4"}), Some(4)),
            (json!({"version": "latest"}), None),
            (json!({"version": 0}), None),
            (json!({"version": "5", "versionId": 5}), Some(5)),
        ] {
            assert_eq!(version(options.clone()).unwrap(), wanted, "{options}");
        }
    }

    #[test]
    fn what_is_no_version_is_told_where_it_stands() {
        for (options, pointer) in [
            (json!({"version": "AWSCURRENT"}), "/options/version"),
            (json!({"versionId": "-1"}), "/options/versionId"),
            (json!({"version": 1, "versionId": 2}), "/options/versionId"),
        ] {
            let error = version(options).unwrap_err();
            assert_eq!(error.kind, keyhole_sdk::ErrorKind::Invalid(pointer.to_owned()));
        }
    }
}
