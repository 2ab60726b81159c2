//! The `BackendPlugin` object: which file serves which backend types, and what it may reach and use.
//!
//! Whoever may write one decides which code gets the requests of a backend type and with which
//! credentials, so it is cluster-scoped and meant for administrators only. Everything that is not granted
//! here is refused. The doc comments are the descriptions that `kubectl explain` shows; what types cannot
//! say (exactly one of these) is added in [`crate::crd`].

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

mod status;

pub use status::BackendPluginStatus;

/// A plugin and what it may do.
#[expect(clippy::duplicated_attributes, reason = "several columns have the same type")]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kubernetes-client.io",
    version = "v1alpha1",
    kind = "BackendPlugin",
    doc = "A secret store's plugin: its file, and what it may reach and use.",
    plural = "backendplugins",
    singular = "backendplugin",
    shortname = "bp",
    status = "BackendPluginStatus",
    derive = "Default",
    derive = "PartialEq",
    printcolumn(name = "Types", type_ = "string", json_path = ".status.backendTypes"),
    printcolumn(name = "Source", type_ = "string", json_path = ".status.source"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Credentials",
        type_ = "string",
        json_path = ".status.credentials",
        priority = 1
    )
)]
#[serde(remote = "Self", rename_all = "camelCase", default)]
#[schemars(rename = "BackendPluginSpec")]
pub struct BackendPluginSpec {
    /// The backend types that it is to serve, out of those that the plugin says it can. All of them if none is
    /// named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend_types: Vec<String>,
    /// Where its file comes from. Exactly one.
    pub source: PluginSource,
    /// What the file must be before it is compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// What the plugin may reach and use. Nothing, if absent; for a built-in plugin what it needs for AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<PluginGrant>,
    /// Settings for all objects, e.g. the address of a server. Checked against the plugin's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub settings: Option<Map<String, Json>>,
    /// Which namespaces may use the plugin, by their labels. All, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub namespaces: Option<LabelSelector>,
    /// Let one call of the plugin serve several namespaces. Saves calls and logins; a hostile plugin could then
    /// answer one namespace's request with another's value.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub share_batches_across_namespaces: bool,

    /// Why the spec could not be read, if it could not; all other fields are empty then.
    #[serde(skip)]
    #[schemars(skip)]
    pub malformed: Option<String>,
}

/// Where a plugin's file comes from. Exactly one is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginSource {
    /// A plugin that is part of the operator: secrets-manager or system-manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    /// An artifact in a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
    /// An entry of a ConfigMap in the operator's namespace, for plugins below 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// A file in the operator's plugin folder, e.g. from a mounted volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

/// An artifact in a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OciSource {
    /// Reference with a digest, e.g. ghcr.io/acme/store:1.2@sha256:... A tag alone is refused unless the operator
    /// allows tags.
    pub image: String,
    /// Secret of type kubernetes.io/dockerconfigjson in the operator's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// Certificate authorities of the registry in PEM, trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Speak plain HTTP to the registry. For a registry in the same pod or a test.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
}

/// An entry of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapSource {
    /// Its name, in the operator's namespace.
    pub name: String,
    /// The entry of binaryData. Default: plugin.wasm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A file of the operator's plugin folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FileSource {
    /// Path below the folder, which it cannot lead out of.
    pub path: String,
}

/// What a file must be before it is compiled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Verify {
    /// Digest of the component itself: sha256: and 64 hexadecimal digits. For files and ConfigMaps; a registry's
    /// reference has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Public keys in PEM, as `cosign generate-key-pair` writes them. A signature of any of them is required.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cosign_keys: Vec<String>,
}

/// What a plugin may reach and use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginGrant {
    /// Hosts, as NAME or NAME:PORT, with https unless http:// is written before it. A placeholder in braces takes
    /// exactly one label: secretsmanager.{region}.amazonaws.com.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Ranges of private addresses that these hosts may resolve to, e.g. 10.0.0.0/8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_private_addresses: Vec<String>,
    /// Certificate authorities of the hosts in PEM, trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Credentials, best first: what the host applies itself (aws, header) is never seen by the plugin.
    #[serde(skip_serializing_if = "AuthGrant::is_empty")]
    pub auth: AuthGrant,
    /// What one call may take, where the defaults do not suit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsGrant>,
}

/// Credentials of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthGrant {
    /// AWS services whose requests the host signs. The plugin sees no credential.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aws: Vec<AwsAuth>,
    /// Headers that the host sets. The plugin sees no credential.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderAuth>,
    /// A token of a service account that the plugin is handed, e.g. for the body of a login. It is valid for
    /// minutes and for one audience.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<TokenAuth>,
    /// Values that the plugin sees, by the name that it asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed: BTreeMap<String, SecretKeyRef>,
    /// Let objects name a service account of their namespace (spec.serviceAccountName), as which the host then
    /// asks AWS or makes the token. Needs the RBAC rules of `keyhole manifests --service-account-tokens`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_service_accounts: bool,
}

/// One AWS service that the host signs for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsAuth {
    /// Signing name, e.g. secretsmanager.
    pub service: String,
    /// Actions, e.g. GetSecretValue.
    pub actions: Vec<String>,
}

/// One header that the host sets on requests to granted hosts. Exactly one of secretKeyRef and
/// serviceAccountToken is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HeaderAuth {
    /// Name of the header, e.g. authorization.
    pub name: String,
    /// Text before the credential, e.g. "Bearer ".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The hosts that get the header, written as in grant.hosts. All granted hosts if none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The credential is an entry of a Secret in the operator's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// The credential is a token of a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_token: Option<TokenAuth>,
}

/// A token of the operator's service account, or of the object's where those are allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenAuth {
    /// For whom the token is: the store checks it.
    pub audience: String,
}

/// An entry of a Secret in the operator's namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Entry of its data.
    pub key: String,
}

/// What one call may take, where the defaults do not suit. Sizes as 64Mi, times as 500ms or 2s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitsGrant {
    /// Memory of one instance. Default: 64Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// CPU time, waiting not counted. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Time from start to answer. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall: Option<String>,
    /// Body of one HTTP response. Default: 4Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// Body of one HTTP request. Default: 1Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// HTTP exchanges of one call. Default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<u32>,
    /// One value. Default: 1Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// All values of one call. Default: 8Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// Calls that may run at once. Default: 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_calls: Option<u32>,
}

impl AuthGrant {
    /// Whether it grants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Never fails on what the API server holds, as with an ExternalSecret: one object that did would end the watch
/// for all.
impl<'de> Deserialize<'de> for BackendPluginSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unreadable = |why: String| Self {
            malformed: Some(why),
            ..Self::default()
        };
        Ok(match Option::<Json>::deserialize(deserializer)? {
            Some(stored) if !stored.is_object() => unreadable("spec is no object".to_owned()),
            Some(stored) => Self::deserialize(&stored).unwrap_or_else(|error| unreadable(error.to_string())),
            None => unreadable("spec is missing".to_owned()),
        })
    }
}

impl Serialize for BackendPluginSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Kubernetes' own, as its types say it.
fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels with these values.",
                "additionalProperties": { "type": "string" },
            },
            "matchExpressions": { "type": "array", "description": "Requirements that must all hold.", "items": {
                "type": "object",
                "required": ["key", "operator"],
                "properties": {
                    "key": { "type": "string", "description": "Name of the label." },
                    "operator": {
                        "type": "string",
                        "description": "What must hold of its value.",
                        "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                    },
                    "values": {
                        "type": "array",
                        "description": "The values for In and NotIn.",
                        "items": { "type": "string" },
                    },
                },
            } },
        },
    })
}

#[cfg(test)]
mod tests;
