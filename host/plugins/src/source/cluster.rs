//! What a source needs of the cluster: entries of ConfigMaps and pull secrets, both in the operator's own
//! namespace. A port, so that this layer does without a Kubernetes client and nobody can name another
//! namespace through it.

use std::fmt;

use futures::future::BoxFuture;
use keyhole_core::SecretBytes;

/// Reads from the operator's namespace.
pub trait ClusterFiles: fmt::Debug + Send + Sync {
    /// The bytes of an entry of `data` or `binaryData`; `None` when there is no such ConfigMap or entry.
    fn config_map_entry<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ClusterFileError>>;

    /// The entry `.dockerconfigjson` of a Secret; `None` when there is no such Secret or entry.
    fn docker_config<'a>(&'a self, secret: &'a str) -> BoxFuture<'a, Result<Option<SecretBytes>, ClusterFileError>>;
}

/// Why the cluster gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ClusterFileError {
    /// In words that may be shown.
    pub why: String,
    /// Whether the same question may be answered later.
    pub transient: bool,
}
