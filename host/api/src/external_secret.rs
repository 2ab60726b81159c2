//! The `ExternalSecret` object.
//!
//! The fields of KES keep their names, types and meaning; ours are optional and stand beside them. The
//! doc comments are the descriptions that `kubectl explain` shows. What cannot be said by a type (one
//! of these, not both) is added in [`crate::crd`].

use std::collections::BTreeMap;
use std::time::Duration;

use kube::{CustomResource, ResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::duration::{InvalidDuration, parse_duration};
use crate::names;
use crate::scalar::IntOrText;
use crate::status::ExternalSecretStatus;

/// What to fetch and what to make of it.
#[expect(clippy::duplicated_attributes, reason = "several columns have the same type")]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kubernetes-client.io",
    version = "v1",
    kind = "ExternalSecret",
    doc = "A Secret whose values come from a secret store.",
    plural = "externalsecrets",
    singular = "externalsecret",
    shortname = "es",
    namespaced,
    status = "ExternalSecretStatus",
    derive = "Default",
    derive = "PartialEq",
    annotation("app.kubernetes.io/managed-by", "helm"),
    printcolumn(name = "Last Sync", type_ = "date", json_path = ".status.lastSync"),
    printcolumn(name = "status", type_ = "string", json_path = ".status.status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Backend", type_ = "string", json_path = ".spec.backendType", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    )
)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[schemars(rename = "ExternalSecretSpec")]
pub struct ExternalSecretSpec {
    /// Which store to ask: the name that a plugin serves, e.g. secretsManager.
    #[serde(default)]
    pub backend_type: String,
    /// Which instance of the operator handles this object, where several run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_id: Option<String>,
    /// Type of the Secret. Prefer template.type, which wins.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub type_: Option<String>,
    /// Parts of the Secret besides its data, merged under what the operator writes. This version serves type alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub template: Option<Map<String, Json>>,
    /// Keys of the Secret, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataItem>,
    /// Entries of the store whose members all become keys of the Secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_from: Vec<String>,
    /// The same with options. Merged after dataFrom and before data; a later key wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_from_with_options: Vec<DataFromItem>,
    /// The role to assume before fetching. For secretsManager, systemManager, alicloudSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The region to ask, if not the operator's. For secretsManager, systemManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The role to log in with. For vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_role: Option<String>,
    /// Where the Kubernetes login is mounted. For vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_mount_point: Option<String>,
    /// Version of the key-value engine, 1 or 2. For vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub kv_version: Option<i64>,
    /// Name of the vault. For azureKeyVault, which requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_vault_name: Option<String>,
    /// The project to ask, if not that of the operator's credentials. For gcpSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Whether keys are names instead of ids. For ibmcloudSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_by_name: Option<bool>,
    /// How old the Secret may become, e.g. 30s or 1h; 0 is once per change of this spec. Default: the
    /// operator's interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<IntOrText>,
    /// Settings for the plugin that serves the backend type, checked against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub config: Option<Map<String, Json>>,
    /// How the Secret is owned and replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Workloads of the namespace to restart when the data changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollout: Vec<Workload>,
    /// Fetch as this service account of the namespace instead of as the operator, where the plugin's
    /// grant allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,

    /// Why the spec could not be read, if it could not; all other fields are empty then.
    #[serde(skip)]
    #[schemars(skip)]
    pub malformed: Option<String>,
}

/// One key of the Secret, or everything under a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataItem {
    /// Name of the entry in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Key in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Member of the value, if the value is JSON: a name, or a path such as a.b or a[0].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The value is base64 text; store the bytes that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_binary: Option<bool>,
    /// Fetch every entry under this path; each becomes a key named by the last part of its name, where the store
    /// has paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Descend below path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// Kind of the entry: username_password, iam_credentials or arbitrary. For ibmcloudSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_type: Option<String>,
    /// Version of the entry. For gcpSecretsManager, vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<IntOrText>,
    /// Staging label of the version, by default AWSCURRENT. For secretsManager, alicloudSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_stage: Option<String>,
    /// Id of the version; wins over versionStage. For secretsManager, vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Options of this entry for the plugin, checked against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub options: Option<Map<String, Json>>,
}

/// An entry whose members all become keys of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataFromItem {
    /// Name of the entry in the store.
    pub key: String,
    /// Accepted and without effect, as in kubernetes-external-secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_binary: Option<bool>,
    /// Staging label of the version, by default AWSCURRENT. For secretsManager, alicloudSecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_stage: Option<String>,
    /// Id of the version; wins over versionStage. For secretsManager, vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Options of this entry for the plugin, checked against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub options: Option<Map<String, Json>>,
}

/// How the Secret is owned and replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Owner: own what this object creates, refuse a Secret of somebody else. Adopt: take over one
    /// without another controller. Merge: own only this object's keys of an existing Secret. Orphan: no
    /// owner reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_policy: Option<CreationPolicy>,
    /// When the Secret is immutable or its type would have to change. Fail: say so. Recreate: delete it
    /// and create it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_immutable: Option<OnImmutable>,
}

#[expect(missing_docs, reason = "described where the field is")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CreationPolicy {
    #[default]
    Owner,
    Adopt,
    Merge,
    Orphan,
}

#[expect(missing_docs, reason = "described where the field is")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnImmutable {
    #[default]
    Fail,
    Recreate,
}

/// Workloads of one kind, by name or by labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Kind of the workload.
    pub kind: WorkloadKind,
    /// The one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<WorkloadSelector>,
}

#[expect(missing_docs, reason = "kinds of Kubernetes")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// Which workloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// The labels that a workload must have.
    pub match_labels: BTreeMap<String, String>,
}

fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

impl ExternalSecret {
    /// The instance of the operator that handles this object; an empty id is none.
    #[must_use]
    pub fn controller_id(&self) -> Option<&str> {
        self.spec.controller_id.as_deref().filter(|id| !id.is_empty())
    }

    /// Type of the Secret: of the template, else of the spec, else Opaque. Empty texts count as absent.
    #[must_use]
    pub fn secret_type(&self) -> &str {
        let of_template = self
            .spec
            .template
            .as_ref()
            .and_then(|template| template.get("type")?.as_str());
        of_template
            .filter(|text| !text.is_empty())
            .or(self.spec.type_.as_deref().filter(|text| !text.is_empty()))
            .unwrap_or(names::DEFAULT_SECRET_TYPE)
    }

    /// `spec.refreshInterval`: nothing when the operator's applies, zero for once per change of spec.
    ///
    /// # Errors
    /// When it is no duration.
    pub fn refresh_interval(&self) -> Result<Option<Duration>, InvalidDuration> {
        self.spec
            .refresh_interval
            .as_ref()
            .map(|text| parse_duration(&text.to_string()))
            .transpose()
    }

    /// The value of the refresh annotation.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.annotations().get(names::REFRESH_ANNOTATION).map(String::as_str)
    }
}

impl ExternalSecretSpec {
    /// KES's fields that are settings of a plugin, under the names that they have in the spec.
    #[must_use]
    pub fn fixed_settings(&self) -> Map<String, Json> {
        let text = |text: &Option<String>| text.clone().map(Json::from);
        members([
            ("region", text(&self.region)),
            ("vaultRole", text(&self.vault_role)),
            ("vaultMountPoint", text(&self.vault_mount_point)),
            ("kvVersion", self.kv_version.map(Json::from)),
            ("keyVaultName", text(&self.key_vault_name)),
            ("projectId", text(&self.project_id)),
            ("keyByName", self.key_by_name.map(Json::from)),
        ])
    }
}

impl DataItem {
    /// KES's fields that are options of one request, under the names that they have in the spec. A
    /// version is text, however it was written.
    #[must_use]
    pub fn fixed_options(&self) -> Map<String, Json> {
        members([
            ("versionStage", self.version_stage.clone().map(Json::from)),
            ("versionId", self.version_id.clone().map(Json::from)),
            (
                "version",
                self.version.as_ref().map(|version| version.to_string().into()),
            ),
            ("secretType", self.secret_type.clone().map(Json::from)),
        ])
    }
}

impl DataFromItem {
    /// As [`DataItem::fixed_options`].
    #[must_use]
    pub fn fixed_options(&self) -> Map<String, Json> {
        members([
            ("versionStage", self.version_stage.clone().map(Json::from)),
            ("versionId", self.version_id.clone().map(Json::from)),
        ])
    }
}

fn members<const N: usize>(members: [(&str, Option<Json>); N]) -> Map<String, Json> {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// Never fails on what the API server holds: a spec that cannot be read says so in `malformed`. That
/// it is asked for as an `Option` lets serde call this for an object without any spec as well.
impl<'de> Deserialize<'de> for ExternalSecretSpec {
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

impl Serialize for ExternalSecretSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

#[cfg(test)]
mod tests;
