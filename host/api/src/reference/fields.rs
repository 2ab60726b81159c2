//! The table: default and example of each field.

use super::Entry;

pub(super) const fn field(path: &'static str, default: &'static str, example: &'static str) -> Entry {
    Entry { path, default, example }
}

/// What the operator is told with its variables.
const OPERATORS: &str = "the operator's";
const NONE: &str = "none";
/// Of status: what is absent was not written yet.
const ABSENT: &str = "absent before the first attempt";

/// In the order of the page.
#[rustfmt::skip]
pub(super) const FIELDS: &[Entry] = &[
    field("spec.backendType", "none, it is required", "backendType: secretsManager\ndataFrom:\n- prod/app/env"),
    field("spec.data", "empty; one of `data`, `dataFrom` and `dataFromWithOptions` must be there",
        "data:\n- key: prod/app/db\n  name: password\n  property: password\n- key: prod/app/token\n  name: token"),
    field("spec.data[].key", "none; required unless there is a `path`", "data:\n- key: prod/app/token\n  name: token"),
    field("spec.data[].name", "none; required unless there is a `path`", "data:\n- key: prod/app/token\n  name: API_TOKEN"),
    field("spec.data[].property", "the whole value", "data:\n- key: prod/app/db\n  name: host\n  property: replicas[0].host"),
    field("spec.data[].isBinary", "`false`", "data:\n- key: prod/app/keystore\n  name: keystore.jks\n  isBinary: true"),
    field("spec.data[].versionStage", "`AWSCURRENT`", "data:\n- key: prod/app/db\n  name: previous-password\n  property: password\n  versionStage: AWSPREVIOUS"),
    field("spec.data[].versionId", "the version that `versionStage` names", "data:\n- key: prod/app/db\n  name: pinned-password\n  property: password\n  versionId: 5f1e8f0e-0d5b-4c0f-9a51-6f3d1c1f6a11"),
    field("spec.data[].path", NONE, "backendType: systemManager\ndata:\n- path: /prod/app"),
    field("spec.data[].recursive", "`false`", "backendType: systemManager\ndata:\n- path: /prod/app\n  recursive: true"),
    field("spec.data[].secretType", NONE, "backendType: ibmcloudSecretsManager\nkeyByName: true\ndata:\n- key: app-db\n  name: password\n  property: password\n  secretType: username_password"),
    field("spec.data[].version", "`latest`", "backendType: gcpSecretsManager\ndata:\n- key: app-token\n  name: token\n  version: 3"),
    field("spec.data[].options", "empty", "backendType: systemManager\ndata:\n- path: /prod/app\n  recursive: true\n  options:\n    joinPathWith: \"_\""),
    field("spec.dataFrom", "empty", "dataFrom:\n- prod/app/env\n- prod/app/overrides"),
    field("spec.dataFromWithOptions", "empty", "dataFromWithOptions:\n- key: prod/app/env\n  versionStage: AWSPREVIOUS"),
    field("spec.dataFromWithOptions[].key", "none, it is required", "dataFromWithOptions:\n- key: prod/app/env"),
    field("spec.dataFromWithOptions[].isBinary", "`false`", "dataFromWithOptions:\n- key: prod/app/env\n  isBinary: true"),
    field("spec.dataFromWithOptions[].versionStage", "`AWSCURRENT`", "dataFromWithOptions:\n- key: prod/app/env\n  versionStage: AWSPENDING"),
    field("spec.dataFromWithOptions[].versionId", "the version that `versionStage` names", "dataFromWithOptions:\n- key: prod/app/env\n  versionId: 5f1e8f0e-0d5b-4c0f-9a51-6f3d1c1f6a11"),
    field("spec.dataFromWithOptions[].options", "empty", "backendType: systemManager\ndataFromWithOptions:\n- key: /prod/app/settings\n  options:\n    stringList: pairs"),
    field("spec.type", "`Opaque`", "type: kubernetes.io/tls\ndata:\n- key: prod/app/tls\n  name: tls.crt\n  property: certificate\n- key: prod/app/tls\n  name: tls.key\n  property: privateKey"),
    field("spec.template", "empty", "template:\n  type: Opaque\n  metadata:\n    labels:\n      team: payments"),
    field("spec.controllerId", "none: the object is for operators without an `INSTANCE_ID`", "controllerId: team-a"),
    field("spec.refreshInterval", "the operator's `POLLER_INTERVAL_MILLISECONDS`", "refreshInterval: 1h"),
    field("spec.region", "the operator's `AWS_REGION`", "region: eu-central-1"),
    field("spec.roleArn", "none: the operator's own identity", "roleArn: arn:aws:iam::123456789012:role/app-secrets"),
    field("spec.vaultRole", "`settings.vaultRole` of the BackendPlugin", "backendType: vault\nvaultRole: app"),
    field("spec.vaultMountPoint", "`settings.vaultMountPoint` of the BackendPlugin, else `kubernetes`", "backendType: vault\nvaultMountPoint: kubernetes"),
    field("spec.kvVersion", "`settings.kvVersion` of the BackendPlugin, else `2`", "backendType: vault\nkvVersion: 1"),
    field("spec.keyVaultName", NONE, "backendType: azureKeyVault\nkeyVaultName: app-vault"),
    field("spec.projectId", OPERATORS, "backendType: gcpSecretsManager\nprojectId: app-project"),
    field("spec.keyByName", "`false`", "backendType: ibmcloudSecretsManager\nkeyByName: true"),
    field("spec.config", "empty", "backendType: my-store\nconfig:\n  endpoint: primary"),
    field("spec.target", "own what this object creates", "target:\n  creationPolicy: Owner\n  onImmutable: Fail"),
    field("spec.target.creationPolicy", "`Owner`", "target:\n  creationPolicy: Adopt"),
    field("spec.target.onImmutable", "`Fail`", "target:\n  onImmutable: Recreate"),
    field("spec.rollout", "empty", "rollout:\n- kind: Deployment\n  name: app"),
    field("spec.rollout[].kind", "none, it is required", "rollout:\n- kind: StatefulSet\n  name: app"),
    field("spec.rollout[].name", "none; either this or `selector`", "rollout:\n- kind: Deployment\n  name: app"),
    field("spec.rollout[].selector", "none; either this or `name`", "rollout:\n- kind: Deployment\n  selector:\n    matchLabels:\n      uses: app-secrets"),
    field("spec.rollout[].selector.matchLabels", "none, it is required", "rollout:\n- kind: DaemonSet\n  selector:\n    matchLabels:\n      uses: app-secrets"),
    field("spec.serviceAccountName", "none: the operator's own identity", "serviceAccountName: app"),
    field("status.lastSync", ABSENT, "lastSync: \"2026-01-31T12:00:00.000Z\""),
    field("status.status", ABSENT, "status: ERROR, Could not find property password in prod/app/db"),
    field("status.observedGeneration", ABSENT, "observedGeneration: 3"),
    field("status.observedRefresh", "absent before the first annotation", "observedRefresh: \"1\""),
    field("status.rolledOutRevision", "absent without `spec.rollout`", "rolledOutRevision: 2"),
    field("status.conditions", ABSENT,
        "conditions:\n- type: Ready\n  status: \"True\"\n  reason: Synced\n  message: the Secret is up to date\n  lastTransitionTime: \"2026-01-31T12:00:00Z\"\n  observedGeneration: 3"),
    field("status.conditions[].type", "always there", "conditions:\n- type: Ready\n  status: \"True\"\n  reason: Synced\n  message: the Secret is up to date\n  lastTransitionTime: \"2026-01-31T12:00:00Z\""),
    field("status.conditions[].status", "always there", "conditions:\n- type: Ready\n  status: \"False\"\n  reason: NotFound\n  message: no secret \"prod/app/db\" in eu-west-1\n  lastTransitionTime: \"2026-01-31T12:00:00Z\""),
    field("status.conditions[].reason", "always there", "conditions:\n- type: Ready\n  status: \"False\"\n  reason: AccessDenied\n  message: not allowed to read secret \"prod/app/db\" in eu-west-1\n  lastTransitionTime: \"2026-01-31T12:00:00Z\""),
    field("status.conditions[].message", "always there", "conditions:\n- type: Ready\n  status: \"False\"\n  reason: InvalidSpec\n  message: 'spec.refreshInterval: \"soon\" is no duration'\n  lastTransitionTime: \"2026-01-31T12:00:00Z\""),
    field("status.conditions[].lastTransitionTime", "always there", "conditions:\n- type: Ready\n  status: \"True\"\n  reason: Synced\n  message: the Secret is up to date\n  lastTransitionTime: \"2026-01-31T12:00:00Z\""),
    field("status.conditions[].observedGeneration", "always there", "conditions:\n- type: Ready\n  status: \"True\"\n  reason: Synced\n  message: the Secret is up to date\n  lastTransitionTime: \"2026-01-31T12:00:00Z\"\n  observedGeneration: 3"),
];
