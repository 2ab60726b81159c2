//! The table of a BackendPlugin: default and example of each field.

use super::Entry;
use super::fields::field;

const REQUIRED: &str = "none, it is required";
const NONE: &str = "none";
const NOTHING: &str = "nothing is granted";
/// Of status: what is absent is not known.
const ABSENT: &str = "absent before the plugin was loaded";
const ALWAYS: &str = "always there";

const CONDITION: &str = "conditions:\n- type: Ready\n  status: \"True\"\n  reason: Serving\n  message: serves vault\n  lastTransitionTime: \"2026-01-31T12:00:00Z\"\n  observedGeneration: 3";
const HEADER: &str = "source:\n  file:\n    path: store.wasm\ngrant:\n  hosts:\n  - store.example.com\n  auth:\n    headers:\n    - name: authorization\n      prefix: \"Bearer \"\n      hosts:\n      - store.example.com\n      secretKeyRef:\n        name: store-credential\n        key: token";
const TOKEN_HEADER: &str = "source:\n  file:\n    path: store.wasm\ngrant:\n  hosts:\n  - store.example.com\n  auth:\n    headers:\n    - name: authorization\n      prefix: \"Bearer \"\n      serviceAccountToken:\n        audience: https://store.example.com";
const OCI: &str = "source:\n  oci:\n    image: registry.example.com/plugins/store:1.2@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n    pullSecret: registry\n    plainHttp: false\n    caBundle: |\n      -----BEGIN CERTIFICATE-----\n      MIIB...\n      -----END CERTIFICATE-----";
const CONFIG_MAP: &str = "source:\n  configMap:\n    name: plugins\n    key: store.wasm";
const FILE: &str = "source:\n  file:\n    path: store.wasm";
const VERIFY: &str = "source:\n  file:\n    path: store.wasm\nverify:\n  digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n  cosignKeys:\n  - |\n    -----BEGIN PUBLIC KEY-----\n    MFkw...\n    -----END PUBLIC KEY-----";
const AWS: &str = "source:\n  file:\n    path: kms.wasm\ngrant:\n  auth:\n    aws:\n    - service: kms\n      actions:\n      - Decrypt";
const AUTH: &str = "source:\n  file:\n    path: vault.wasm\ngrant:\n  hosts:\n  - vault.example.com:8200\n  auth:\n    serviceAccountToken:\n      audience: vault\n    allowServiceAccounts: true";
const EXPOSED: &str = "source:\n  file:\n    path: store.wasm\ngrant:\n  auth:\n    exposed:\n      password:\n        name: store-credential\n        key: password";
const HOSTS: &str = "source:\n  file:\n    path: vault.wasm\ngrant:\n  hosts:\n  - vault.example.com:8200\n  allowPrivateAddresses:\n  - 10.0.0.0/8\n  caBundle: |\n    -----BEGIN CERTIFICATE-----\n    MIIB...\n    -----END CERTIFICATE-----";
const LIMITS: &str = "source:\n  file:\n    path: store.wasm\ngrant:\n  limits:\n    memory: 128Mi\n    cpu: 5s\n    wall: 1m\n    responseBody: 8Mi\n    requestBody: 64Ki\n    exchanges: 128\n    value: 1Mi\n    values: 16Mi\n    concurrentCalls: 4";
const NAMESPACES: &str = "source:\n  file:\n    path: store.wasm\nnamespaces:\n  matchLabels:\n    team: payments\n  matchExpressions:\n  - key: stage\n    operator: In\n    values:\n    - test\n    - production";

/// In the order of the page.
#[rustfmt::skip]
pub(super) const FIELDS: &[Entry] = &[
    field("spec.backendTypes", "all that the plugin serves", "source:\n  file:\n    path: store.wasm\nbackendTypes:\n- store"),
    field("spec.source", REQUIRED, FILE),
    field("spec.source.builtin", "none; one of the four", "source:\n  builtin: secrets-manager\nsettings:\n  region: eu-west-1"),
    field("spec.source.oci", "none; one of the four", OCI),
    field("spec.source.oci.image", REQUIRED, OCI),
    field("spec.source.oci.pullSecret", NONE, OCI),
    field("spec.source.oci.caBundle", "the system's authorities", OCI),
    field("spec.source.oci.plainHttp", "`false`", OCI),
    field("spec.source.configMap", "none; one of the four", CONFIG_MAP),
    field("spec.source.configMap.name", REQUIRED, CONFIG_MAP),
    field("spec.source.configMap.key", "`plugin.wasm`", CONFIG_MAP),
    field("spec.source.file", "none; one of the four", FILE),
    field("spec.source.file.path", REQUIRED, FILE),
    field("spec.verify", "what the operator demands of all plugins", VERIFY),
    field("spec.verify.digest", NONE, VERIFY),
    field("spec.verify.cosignKeys", NONE, VERIFY),
    field("spec.grant", "nothing; a built-in plugin has what it needs for AWS", HOSTS),
    field("spec.grant.hosts", "no host may be reached", HOSTS),
    field("spec.grant.allowPrivateAddresses", "public addresses only", HOSTS),
    field("spec.grant.caBundle", "the system's authorities", HOSTS),
    field("spec.grant.auth", NOTHING, AUTH),
    field("spec.grant.auth.aws", NOTHING, AWS),
    field("spec.grant.auth.aws[].service", REQUIRED, AWS),
    field("spec.grant.auth.aws[].actions", REQUIRED, AWS),
    field("spec.grant.auth.headers", NOTHING, HEADER),
    field("spec.grant.auth.headers[].name", REQUIRED, HEADER),
    field("spec.grant.auth.headers[].prefix", "empty", HEADER),
    field("spec.grant.auth.headers[].hosts", "all granted hosts", HEADER),
    field("spec.grant.auth.headers[].secretKeyRef", "none; either this or `serviceAccountToken`", HEADER),
    field("spec.grant.auth.headers[].secretKeyRef.name", REQUIRED, HEADER),
    field("spec.grant.auth.headers[].secretKeyRef.key", REQUIRED, HEADER),
    field("spec.grant.auth.headers[].serviceAccountToken", "none; either this or `secretKeyRef`", TOKEN_HEADER),
    field("spec.grant.auth.headers[].serviceAccountToken.audience", REQUIRED, TOKEN_HEADER),
    field("spec.grant.auth.serviceAccountToken", NOTHING, AUTH),
    field("spec.grant.auth.serviceAccountToken.audience", REQUIRED, AUTH),
    field("spec.grant.auth.exposed", NOTHING, EXPOSED),
    field("spec.grant.auth.allowServiceAccounts", "`false`", AUTH),
    field("spec.grant.limits", "the defaults", LIMITS),
    field("spec.grant.limits.memory", "`64Mi`", LIMITS),
    field("spec.grant.limits.cpu", "`2s`", LIMITS),
    field("spec.grant.limits.wall", "`30s`", LIMITS),
    field("spec.grant.limits.responseBody", "`4Mi`", LIMITS),
    field("spec.grant.limits.requestBody", "`1Mi`", LIMITS),
    field("spec.grant.limits.exchanges", "64", LIMITS),
    field("spec.grant.limits.value", "`1Mi`", LIMITS),
    field("spec.grant.limits.values", "`8Mi`", LIMITS),
    field("spec.grant.limits.concurrentCalls", "16", LIMITS),
    field("spec.settings", "empty", "source:\n  file:\n    path: vault.wasm\nsettings:\n  address: https://vault.example.com:8200"),
    field("spec.namespaces", "all namespaces", NAMESPACES),
    field("spec.namespaces.matchLabels", "none", NAMESPACES),
    field("spec.namespaces.matchExpressions", "none", NAMESPACES),
    field("spec.namespaces.matchExpressions[].key", REQUIRED, NAMESPACES),
    field("spec.namespaces.matchExpressions[].operator", REQUIRED, NAMESPACES),
    field("spec.namespaces.matchExpressions[].values", "none", NAMESPACES),
    field("spec.shareBatchesAcrossNamespaces", "`false`; built-in plugins always do", "source:\n  file:\n    path: store.wasm\nshareBatchesAcrossNamespaces: true"),
    field("status.observedGeneration", ALWAYS, "observedGeneration: 3"),
    field("status.conditions", ALWAYS, CONDITION),
    field("status.conditions[].type", ALWAYS, CONDITION),
    field("status.conditions[].status", ALWAYS, CONDITION),
    field("status.conditions[].reason", ALWAYS, CONDITION),
    field("status.conditions[].message", ALWAYS, CONDITION),
    field("status.conditions[].lastTransitionTime", ALWAYS, CONDITION),
    field("status.conditions[].observedGeneration", ALWAYS, CONDITION),
    field("status.backendTypes", "absent while it serves none", "backendTypes: vault"),
    field("status.source", ALWAYS, "source: file vault.wasm"),
    field("status.digest", "absent before the file was obtained", "digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    field("status.servingDigest", ABSENT, "servingDigest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    field("status.resolved", "absent for other sources than `oci`", "resolved: registry.example.com/plugins/store@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    field("status.signedBy", "absent where no signature is required", "signedBy: 2c26b46b68ffc68f"),
    field("status.version", ABSENT, "version: vault 1.2.0"),
    field("status.contract", ABSENT, "contract: 0.1.0"),
    field("status.missingHosts", "absent when there are none", "missingHosts:\n- store.example.com"),
    field("status.wantedHosts", "absent when there are none", "wantedHosts:\n- store.example.com"),
    field("status.grantedHosts", "absent when there are none", "grantedHosts:\n- store.example.com"),
    field("status.missingCredentials", "absent when there are none", "missingCredentials:\n- header authorization"),
    field("status.credentials", "absent while the spec is invalid", "credentials: hidden"),
];
