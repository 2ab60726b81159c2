//! From a reference to a component that may be compiled.
//!
//! In this order, each step from the store if it has it: which manifest (a digest says it, a tag has to be
//! asked for), the manifest (hashed), its signature (verified, and about this manifest), the component
//! (hashed). With a digest and everything in the store nobody is asked, neither the registry nor the API
//! server for a pull secret.

mod signatures;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use keyhole_sandbox::egress::Proxy;
use tokio::sync::OnceCell;

use crate::cosign::PublicKey;
use crate::oci::manifest::{INDEX_MEDIA_TYPE, MANIFEST_MEDIA_TYPE, MAX_MANIFEST, Manifest};
use crate::oci::registry::{Access, Registry};
use crate::oci::store::Store;
use crate::oci::{Credentials, OciImage};
use crate::source::{
    Demands, Digest, MAX_COMPONENT, Obtained, SourceError, Sources, blocking, check_magic, in_cluster,
};

/// All of it: 18 MiB over a slow line, and every attempt.
const OBTAINING: Duration = Duration::from_secs(300);

/// Obtains an image for the operator.
pub(crate) async fn obtain(sources: &Sources, image: &OciImage, demands: &Demands) -> Result<Obtained, SourceError> {
    let keys = sources.policy.keys_for(demands)?;
    if image.reference.digest().is_none() && !sources.policy.tags_allowed {
        return Err(SourceError::TagRefused {
            reference: image.reference.to_string(),
        });
    }
    let pull = Pull {
        image,
        login: Login::PullSecret(sources),
        proxy: sources.proxy.as_ref(),
        store: sources.cache.as_deref().map(Store::new),
        registry: OnceCell::new(),
        what: image.reference.to_string(),
    };
    within(&pull, pull.obtain(&keys)).await
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Registry and repository with the digest of the manifest.
    pub resolved: String,
    /// Digest of the component.
    pub component: Digest,
    /// Fingerprint of the key that signed; `None` when none was asked for.
    pub signed_by: Option<String>,
}

/// Verifies an image as the operator would, without its policy and its store: the registry is asked.
///
/// # Errors
///
/// When the image is not there, is no plugin, or none of the keys signed it.
pub async fn verify(
    image: &OciImage,
    credentials: Option<Credentials>,
    proxy: Option<&Proxy>,
    keys: &[PublicKey],
) -> Result<Verified, SourceError> {
    let pull = Pull {
        image,
        login: Login::Given(credentials),
        proxy,
        store: None,
        registry: OnceCell::new(),
        what: image.reference.to_string(),
    };
    let obtained = within(&pull, pull.obtain(keys)).await?;
    Ok(Verified {
        resolved: obtained.resolved.unwrap_or_default(),
        component: Digest::of(&obtained.component),
        signed_by: obtained.signed_by,
    })
}

async fn within(
    pull: &Pull<'_>,
    work: impl Future<Output = Result<Obtained, SourceError>>,
) -> Result<Obtained, SourceError> {
    let done = tokio::time::timeout(OBTAINING, work).await;
    done.unwrap_or_else(|_| {
        Err(SourceError::Unreachable {
            what: pull.what.clone(),
            why: format!("it was not there within {} s", OBTAINING.as_secs()),
        })
    })
}

/// Where credentials come from.
enum Login<'a> {
    PullSecret(&'a Sources),
    Given(Option<Credentials>),
}

/// One image on its way.
struct Pull<'a> {
    image: &'a OciImage,
    login: Login<'a>,
    proxy: Option<&'a Proxy>,
    store: Option<Store>,
    /// Made when something has to be asked.
    registry: OnceCell<Registry>,
    what: String,
}

impl Pull<'_> {
    async fn obtain(&self, keys: &[PublicKey]) -> Result<Obtained, SourceError> {
        let digest = self.digest().await?;
        let manifest = self.manifest(&digest).await?;
        let layer = Manifest::wasm_layer(&manifest, &self.what)?;
        let signed_by = if keys.is_empty() {
            None
        } else {
            Some(self.signed_by(&digest, keys).await?)
        };
        let component = self.component(&layer.digest, layer.size).await?;
        check_magic(&component, &self.what)?;
        Ok(Obtained {
            component: Cow::Owned(component),
            digest: layer.digest.into(),
            resolved: Some(self.image.reference.pinned(&digest)),
            signed_by,
        })
    }

    async fn registry(&self) -> Result<&Registry, SourceError> {
        self.registry
            .get_or_try_init(async || {
                let credentials = match &self.login {
                    Login::Given(credentials) => credentials.clone(),
                    Login::PullSecret(sources) => self.pull_secret(sources).await?,
                };
                Registry::new(self.image, credentials, self.proxy, Access::Pull)
            })
            .await
    }

    async fn pull_secret(&self, sources: &Sources) -> Result<Option<Credentials>, SourceError> {
        let Some(name) = &self.image.pull_secret else {
            return Ok(None);
        };
        let what = format!("pull secret {name}");
        let cluster = sources
            .cluster
            .as_ref()
            .ok_or_else(|| SourceError::NoCluster(what.clone()))?;
        let config = cluster.docker_config(name).await;
        let config = config.map_err(|error| in_cluster(&what, error))?;
        let unusable = |why: String| SourceError::PullSecret {
            name: name.to_string(),
            why,
        };
        let config = config.ok_or_else(|| unusable("does not exist, or has no entry .dockerconfigjson".to_owned()))?;
        let found = Credentials::in_docker_config(&config, &self.image.reference);
        let found = found.map_err(|error| unusable(error.to_string()))?;
        let registry = self.image.reference.registry();
        Ok(Some(found.ok_or_else(|| {
            unusable(format!("has no credentials for {registry}"))
        })?))
    }

    /// Which manifest is meant.
    async fn digest(&self) -> Result<Digest, SourceError> {
        if let Some(digest) = self.image.reference.digest() {
            return Ok(digest.clone());
        }
        let tag = self.image.reference.tag().unwrap_or_default();
        match self.fetch_manifest(tag).await {
            Ok(Some(manifest)) => {
                let digest = Digest::of(&manifest);
                let (named, reference) = (digest.clone(), self.image.reference.clone());
                self.keep(move |store| {
                    store.put_manifest(&named, &manifest);
                    store.put_tag(&reference, &named);
                })
                .await?;
                Ok(digest)
            }
            Ok(None) => Err(SourceError::NotFound(self.what.clone())),
            Err(error) if error.is_transient() => {
                let reference = self.image.reference.clone();
                let last = self.kept(move |store| store.tag(&reference)).await?;
                let last = last.ok_or_else(|| error.clone())?;
                tracing::warn!(image = self.what, %error, digest = %last, "the tag cannot be looked up; what it last was is used");
                Ok(last)
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch_manifest(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let path = format!("manifests/{name}");
        let accept = format!("{MANIFEST_MEDIA_TYPE}, {INDEX_MEDIA_TYPE}");
        self.registry()
            .await?
            .get(&path, &accept, MAX_MANIFEST, &self.what)
            .await
    }

    async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, SourceError> {
        let named = digest.clone();
        if let Some(manifest) = self.kept(move |store| store.manifest(&named)).await? {
            return Ok(manifest);
        }
        let manifest = self.fetch_manifest(digest.as_str()).await?;
        let manifest = manifest.ok_or_else(|| SourceError::NotFound(self.what.clone()))?;
        self.check(&manifest, digest, &self.what)?;
        let (named, kept) = (digest.clone(), manifest.clone());
        self.keep(move |store| store.put_manifest(&named, &kept)).await?;
        Ok(manifest)
    }

    async fn component(&self, digest: &Digest, size: u64) -> Result<Vec<u8>, SourceError> {
        let named = digest.clone();
        if let Some(component) = self.kept(move |store| store.component(&named)).await? {
            return Ok(component);
        }
        let what = format!("the component of {}", self.what);
        let component = self.blob(digest, size.min(MAX_COMPONENT), &what).await?;
        let (expected, named) = (digest.clone(), what.clone());
        let component = blocking(&what, move || {
            check_digest(&component, &expected, &named).map(|()| Arc::new(component))
        })
        .await??;
        let (named, kept) = (digest.clone(), Arc::clone(&component));
        self.keep(move |store| store.put_component(&named, &kept)).await?;
        Ok(Arc::unwrap_or_clone(component))
    }

    async fn blob(&self, digest: &Digest, most: u64, what: &str) -> Result<Vec<u8>, SourceError> {
        let path = format!("blobs/{digest}");
        let blob = self.registry().await?.get(&path, "*/*", most, what).await?;
        blob.ok_or_else(|| SourceError::NotFound(what.to_owned()))
    }

    fn check(&self, bytes: &[u8], expected: &Digest, what: &str) -> Result<(), SourceError> {
        check_digest(bytes, expected, what)
    }

    async fn kept<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, SourceError> {
        match self.store.clone() {
            Some(store) => blocking(&self.what, move || read(&store)).await,
            None => Ok(None),
        }
    }

    async fn keep(&self, write: impl FnOnce(&Store) + Send + 'static) -> Result<(), SourceError> {
        match self.store.clone() {
            Some(store) => blocking(&self.what, move || write(&store)).await,
            None => Ok(()),
        }
    }
}

fn check_digest(bytes: &[u8], expected: &Digest, what: &str) -> Result<(), SourceError> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(SourceError::DigestMismatch {
        what: what.to_owned(),
        found,
        expected: expected.clone(),
    })
}
