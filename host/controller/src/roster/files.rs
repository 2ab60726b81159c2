//! What plugins come from, as the cluster and the file system hold it.
//!
//! Names only ever lead into the operator's own namespace, and only what an object names is read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use keyhole_core::SecretBytes;
use keyhole_plugins::{ClusterFileError, ClusterFiles};
use kube::{Api, Client};

use crate::api_error::ApiError;
use crate::cluster::REQUEST_TIMEOUT;

/// The entry of a pull secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";

/// ConfigMaps and pull secrets of one namespace.
#[derive(Clone)]
pub struct NamespaceFiles {
    client: Client,
    namespace: Arc<str>,
}

impl NamespaceFiles {
    /// Those of the operator's namespace.
    #[must_use]
    pub fn new(client: Client, namespace: Arc<str>) -> Self {
        Self { client, namespace }
    }

    fn error(&self, what: &str, error: ApiError) -> ClusterFileError {
        let transient = matches!(error, ApiError::Unavailable(_) | ApiError::Conflict);
        ClusterFileError {
            why: format!("{what} in namespace {}: {error}", self.namespace),
            transient,
        }
    }
}

impl fmt::Debug for NamespaceFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceFiles")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

async fn get<T>(request: impl Future<Output = Result<Option<T>, kube::Error>>) -> Result<Option<T>, ApiError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(ApiError::from),
        Err(_) => Err(ApiError::timed_out(REQUEST_TIMEOUT)),
    }
}

impl ClusterFiles for NamespaceFiles {
    fn config_map_entry<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ClusterFileError>> {
        Box::pin(async move {
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
            let found = get(api.get_opt(name)).await;
            let found = found.map_err(|error| self.error(&format!("ConfigMap {name}"), error))?;
            Ok(found.and_then(|map| {
                let binary = map.binary_data.and_then(|mut data| data.remove(key));
                let text = || map.data.and_then(|mut data| data.remove(key)).map(String::into_bytes);
                binary.map(|bytes| bytes.0).or_else(text)
            }))
        })
    }

    fn docker_config<'a>(&'a self, secret: &'a str) -> BoxFuture<'a, Result<Option<SecretBytes>, ClusterFileError>> {
        Box::pin(async move {
            let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
            let found = get(api.get_opt(secret)).await;
            let found = found.map_err(|error| self.error(&format!("Secret {secret}"), error))?;
            let entry = found
                .and_then(|secret| secret.data)
                .and_then(|mut data| data.remove(DOCKER_CONFIG));
            Ok(entry.map(|bytes| SecretBytes::from(bytes.0)))
        })
    }
}

/// Tells two states of a file apart without reading it; `None` when there is none. What signs it counts too.
pub(super) type Stamp = [Option<(SystemTime, u64, u64)>; 2];

/// The state of the file at this path now.
pub(super) async fn stamp(path: &Path) -> Stamp {
    let signature = path.with_added_extension("sigstore.json");
    [one(path).await, one(&signature).await]
}

async fn one(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
