//! What the host says about a plugin.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::condition::Condition;

/// What the host says about a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
#[schemars(rename = "BackendPluginStatus")]
pub struct BackendPluginStatus {
    /// Generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether this spec serves, and why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The backend types that it serves now, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_types: Option<String>,
    /// Where the file comes from, in one word and a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Digest of the component that the spec leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of the component that serves. Differs from `digest` while a newer one is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_digest: Option<String>,
    /// What the registry's reference resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// The key that the signature was made with: the first 16 digits of the SHA-256 of the key in DER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// The plugin's name and version, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Version of the contract that it was built against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Hosts that the plugin wants and that are not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_hosts: Vec<String>,
    /// Hosts that the plugin wants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted_hosts: Vec<String>,
    /// Hosts that are granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub granted_hosts: Vec<String>,
    /// Credentials that it wants and that are not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_credentials: Vec<String>,
    /// Whether the plugin sees credentials: `none`, `hidden` (used, never seen), or what it sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

impl BackendPluginStatus {
    /// The `Ready` condition.
    #[must_use]
    pub fn ready(&self) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.type_ == Condition::READY)
    }
}

/// A status that cannot be read counts as none, and is written anew.
impl<'de> Deserialize<'de> for BackendPluginStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Option::<Json>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self::deserialize(stored).unwrap_or_default())
    }
}

impl Serialize for BackendPluginStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}
