//! The one road from a source to bytes that may be compiled.
//!
//! Whoever calls [`Sources::obtain`] gets a component only after every demand is met: its size, its digest,
//! a signature of a key that counts. A compiler is a large target for a hostile file, so nothing is handed
//! to it before that. Everything is checked at each call, the cached too: what was good when it was written
//! says nothing about what lies there now.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyhole_sandbox::egress::Proxy;

use crate::cosign::{self, PublicKey};
use crate::oci;
use crate::source::{
    ClusterFileError, ClusterFiles, Demands, Digest, MAX_COMPONENT, Policy, Source, SourceError, files,
};

/// What lies beside a file or an entry and signs it.
const SIGNATURE_SUFFIX: &str = ".sigstore.json";
/// Bundles with a key are below 4 KiB.
const MAX_SIGNATURE: u64 = 1 << 20;
/// What every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// Where plugins come from, and what the operator demands of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What the operator demands.
    pub policy: Policy,
    /// Folder for what registries gave; without it every start asks them again.
    pub cache: Option<PathBuf>,
    /// On the way to registries.
    pub proxy: Option<Proxy>,
    /// The operator's namespace; `None` outside of a cluster.
    pub cluster: Option<Arc<dyn ClusterFiles>>,
}

/// A component that met every demand.
#[derive(Clone)]
pub struct Obtained {
    /// The component.
    pub component: Cow<'static, [u8]>,
    /// Its digest.
    pub digest: Arc<str>,
    /// What a registry's reference resolved to, with digest.
    pub resolved: Option<String>,
    /// Fingerprint of the key that signed it, if a signature was required.
    pub signed_by: Option<String>,
}

impl std::fmt::Debug for Obtained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Obtained")
            .field("digest", &self.digest)
            .field("resolved", &self.resolved)
            .field("signed_by", &self.signed_by)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// The component of a source, when it is what the object and the operator demand.
    ///
    /// # Errors
    ///
    /// When it is not there, or not that.
    pub async fn obtain(&self, source: &Source, demands: &Demands) -> Result<Obtained, SourceError> {
        let obtained = match source {
            Source::BuiltIn(bytes) => built_in(bytes, demands)?,
            Source::File(path) => self.file(path, demands).await?,
            Source::ConfigMap { name, key } => self.config_map(name, key, demands).await?,
            Source::Oci(image) => oci::obtain(self, image, demands).await?,
        };
        if let Some(expected) = &demands.digest
            && *expected.as_str() != *obtained.digest
        {
            return Err(SourceError::DigestMismatch {
                what: source.to_string(),
                found: Digest::of(&obtained.component),
                expected: expected.clone(),
            });
        }
        Ok(obtained)
    }

    async fn file(&self, path: &Path, demands: &Demands) -> Result<Obtained, SourceError> {
        let keys = self.policy.keys_for(demands)?;
        let what = format!("file {}", path.display());
        let component = files::read(path, MAX_COMPONENT).await?;
        let component = component.ok_or_else(|| SourceError::NotFound(what.clone()))?;
        let beside = path.with_added_extension(SIGNATURE_SUFFIX.trim_start_matches('.'));
        let signature = async || files::read(&beside, MAX_SIGNATURE).await;
        verified_blob(component, &what, &beside.display().to_string(), &keys, signature).await
    }

    async fn config_map(&self, name: &str, key: &str, demands: &Demands) -> Result<Obtained, SourceError> {
        let keys = self.policy.keys_for(demands)?;
        let what = format!("entry {key} of ConfigMap {name}");
        let cluster = self
            .cluster
            .as_ref()
            .ok_or_else(|| SourceError::NoCluster(what.clone()))?;
        let read = async |key: &str| {
            let read = cluster.config_map_entry(name, key).await;
            read.map_err(|error| in_cluster(&what, error))
        };
        let component = read(key).await?.ok_or_else(|| SourceError::NotFound(what.clone()))?;
        if component.len() as u64 > MAX_COMPONENT {
            return Err(SourceError::TooLarge { what });
        }
        let beside = format!("{key}{SIGNATURE_SUFFIX}");
        verified_blob(component, &what, &beside, &keys, async || read(&beside).await).await
    }
}

/// The binary vouches for it, so no policy applies. What an object says of it still has to be true.
fn built_in(bytes: &'static [u8], demands: &Demands) -> Result<Obtained, SourceError> {
    if !demands.keys.is_empty() {
        return Err(SourceError::SignatureMissing {
            what: "a built-in plugin".to_owned(),
            remedy: "it is part of the operator's binary; remove spec.verify.cosignKeys".to_owned(),
        });
    }
    Ok(Obtained {
        component: Cow::Borrowed(bytes),
        digest: Digest::of(bytes).into(),
        resolved: None,
        signed_by: None,
    })
}

/// A file that is signed, if at all, by a bundle beside it.
async fn verified_blob(
    component: Vec<u8>,
    what: &str,
    beside: &str,
    keys: &[PublicKey],
    signature: impl AsyncFnOnce() -> Result<Option<Vec<u8>>, SourceError>,
) -> Result<Obtained, SourceError> {
    let bundle = if keys.is_empty() {
        None
    } else {
        let missing = || SourceError::SignatureMissing {
            what: what.to_owned(),
            remedy: format!("`cosign sign-blob --key KEY --bundle {beside} FILE` makes one"),
        };
        Some(signature().await?.ok_or_else(missing)?)
    };
    let (keys, named) = (keys.to_vec(), what.to_owned());
    let work = move || {
        check_magic(&component, &named)?;
        let signed_by = match bundle {
            Some(bundle) => Some(cosign::verify_blob(&component, &bundle, &keys).map_err(|error| error.of(&named))?),
            None => None,
        };
        Ok(Obtained {
            digest: Digest::of(&component).into(),
            component: Cow::Owned(component),
            resolved: None,
            signed_by,
        })
    };
    blocking(what, work).await?
}

/// That a file is WebAssembly at all. What it exports is the engine's to say.
pub(crate) fn check_magic(component: &[u8], what: &str) -> Result<(), SourceError> {
    if component.starts_with(MAGIC) {
        return Ok(());
    }
    Err(SourceError::NotAPlugin {
        what: what.to_owned(),
        why: "it is not WebAssembly".to_owned(),
    })
}

/// Hashing 128 MiB takes half a second, so not among the tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| SourceError::Unreadable {
        what: what.to_owned(),
        why: "the operator is stopping".to_owned(),
    })
}

/// What the cluster says about a ConfigMap or a Secret, as a source's error.
pub(crate) fn in_cluster(what: &str, error: ClusterFileError) -> SourceError {
    let what = what.to_owned();
    if error.transient {
        SourceError::Unreachable { what, why: error.why }
    } else {
        SourceError::Denied { what, why: error.why }
    }
}

#[cfg(test)]
mod tests;
