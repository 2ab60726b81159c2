//! Names that objects, Secrets and users share with the host. They are part of the API: a change of any
//! of them orphans what is already in clusters.

/// API group of `ExternalSecret`.
pub const GROUP: &str = "kubernetes-client.io";
/// `apiVersion` of `ExternalSecret`.
pub const API_VERSION: &str = "kubernetes-client.io/v1";
/// Kind of `ExternalSecret`.
pub const KIND: &str = "ExternalSecret";
/// Name of the CustomResourceDefinition.
pub const CRD_NAME: &str = "externalsecrets.kubernetes-client.io";

/// `apiVersion` of `BackendPlugin`.
pub const PLUGIN_API_VERSION: &str = "kubernetes-client.io/v1alpha1";
/// Its kind.
pub const PLUGIN_KIND: &str = "BackendPlugin";

/// Label on every Secret that the host writes, with the value `true`. The watch on Secrets selects by it.
pub const MANAGED_LABEL: &str = "externalsecrets.kubernetes-client.io/managed";
/// Its value.
pub const MANAGED_VALUE: &str = "true";
/// Annotation on every Secret that the host writes: a number that grows whenever the data changes.
pub const REVISION_ANNOTATION: &str = "externalsecrets.kubernetes-client.io/revision";
/// Annotation on an `ExternalSecret`: any new value forces a sync.
pub const REFRESH_ANNOTATION: &str = "externalsecrets.kubernetes-client.io/refresh";
/// The name under which the API server records what the host writes.
pub const FIELD_MANAGER: &str = "keyhole";

/// Type of a Secret when the object names none.
pub const DEFAULT_SECRET_TYPE: &str = "Opaque";
/// Types of Secret that make Kubernetes mint a token when they appear. An object that could write one
/// would give its author somebody else's identity, so they are refused.
pub const FORBIDDEN_SECRET_TYPES: [&str; 2] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];
