//! What the host says about an object.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::condition::Condition;

/// `status` of an `ExternalSecret`: the three fields of KES and ours. All may be absent, since an older
/// CustomResourceDefinition drops those that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[schemars(rename = "ExternalSecretStatus")]
pub struct ExternalSecretStatus {
    /// Time of the last attempt, successful or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<String>,
    /// SUCCESS, or ERROR followed by what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Generation of the spec at the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_number")]
    #[schemars(extend("type" = "number"))]
    pub observed_generation: Option<i64>,
    /// Whether the Secret is what the object asks for, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last value of the refresh annotation that led to a sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_refresh: Option<String>,
    /// The revision of the Secret's data that workloads were last restarted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_revision: Option<i64>,
}

impl ExternalSecretStatus {
    /// `status.status` after a success.
    pub const SUCCESS: &'static str = "SUCCESS";

    /// The `Ready` condition.
    #[must_use]
    pub fn ready(&self) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == Condition::READY)
    }
}

/// The schema says `number` as KES's does, so the API server may hand out `3.0` for 3.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[expect(clippy::cast_possible_truncation, reason = "a generation is far below 2^53")]
    Ok(Option::<serde_json::Number>::deserialize(deserializer)?
        .and_then(|number| number.as_i64().or_else(|| number.as_f64().map(|float| float as i64))))
}

/// A status that cannot be read counts as none: it is written anew at the next sync.
impl<'de> Deserialize<'de> for ExternalSecretStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Option::<Json>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self::deserialize(stored).unwrap_or_default())
    }
}

impl Serialize for ExternalSecretStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}
