//! The API that users see: the objects `ExternalSecret` and `BackendPlugin`, their CustomResourceDefinitions,
//! and the names by which objects and Secrets are marked.
//!
//! Two promises meet here. What kubernetes-external-secrets (KES) admitted is admitted and means the
//! same, and what its CRD refused is refused; [`crd`] is where the difference to a derived schema is
//! made up. And no object in the API server, however old or odd, may fail to be read: one that did
//! would end the watch for all others. So reading is tolerant and what could not be read is said on the
//! object ([`ExternalSecretSpec::malformed`]).

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

mod backend_plugin;
mod condition;
pub mod crd;
mod duration;
mod external_secret;
pub mod names;
pub mod reference;
mod scalar;
mod selector;
mod size;
mod status;
mod time;
mod unserved;

pub use backend_plugin::{
    AuthGrant, AwsAuth, BackendPlugin, BackendPluginSpec, BackendPluginStatus, ConfigMapSource, FileSource, HeaderAuth,
    LimitsGrant, OciSource, PluginGrant, PluginSource, SecretKeyRef, TokenAuth, Verify,
};
pub use condition::{Condition, ConditionStatus};
pub use crd::{backend_plugin_crd, crds, crds_yaml, external_secret_crd, to_yaml};
pub use duration::{InvalidDuration, parse_duration};
pub use external_secret::{
    CreationPolicy, DataFromItem, DataItem, ExternalSecret, ExternalSecretSpec, OnImmutable, Target, Workload,
    WorkloadKind, WorkloadSelector,
};
pub use scalar::IntOrText;
pub use selector::{InvalidSelector, NamespaceSelector};
pub use size::{InvalidSize, parse_size};
pub use status::ExternalSecretStatus;
pub use time::{parse_timestamp, timestamp};
pub use unserved::unserved_fields;
