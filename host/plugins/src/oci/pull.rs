//! From a reference to a component that may be compiled.
//!
//! In this order, each step from the store if it has it: which manifest (a digest says it, a tag has to be
//! asked for), the manifest (hashed), its signature (verified, and about this manifest), the component
//! (hashed). With a digest and everything in the store nobody is asked, neither the registry nor the API
//! server for a pull secret.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use keyhole_sandbox::egress::Proxy;
use tokio::sync::OnceCell;

use crate::cosign::{BUNDLE_MEDIA_TYPE_PREFIX, PublicKey, Signature, SignatureError};
use crate::oci::manifest::{Descriptor, INDEX_MEDIA_TYPE, Index, MANIFEST_MEDIA_TYPE, MAX_MANIFEST, Manifest};
use crate::oci::registry::{Access, Registry};
use crate::oci::store::Store;
use crate::oci::{Credentials, OciImage};
use crate::source::{
    Demands, Digest, MAX_COMPONENT, Obtained, SourceError, Sources, blocking, check_magic, in_cluster,
};

/// All of it: 18 MiB over a slow line, and every attempt.
const OBTAINING: Duration = Duration::from_secs(300);
/// Signatures of one image that are looked at.
const MOST_SIGNATURES: usize = 32;
/// A payload or a bundle.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Payloads of simple signing.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The signature of such a payload.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

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

    /// The fingerprint of the key that signed this manifest. What signed it last time is asked first.
    async fn signed_by(&self, manifest: &Digest, keys: &[PublicKey]) -> Result<String, SourceError> {
        let named = manifest.clone();
        if let Some(signature) = self.kept(move |store| store.signature(&named)).await?
            && let Ok(signed_by) = signature.verify(manifest, keys)
        {
            return Ok(signed_by);
        }
        let mut worst: Option<SignatureError> = None;
        for signature in self.signatures(manifest).await? {
            match signature.and_then(|signature| Ok((signature.verify(manifest, keys)?, signature))) {
                Ok((signed_by, signature)) => {
                    let named = manifest.clone();
                    self.keep(move |store| store.put_signature(&named, &signature)).await?;
                    return Ok(signed_by);
                }
                Err(error) if worst.as_ref().is_none_or(|worst| rank(&error) > rank(worst)) => worst = Some(error),
                Err(_) => {}
            }
        }
        Err(match worst {
            Some(error) => error.of(&self.what),
            None => SourceError::SignatureMissing {
                what: self.what.clone(),
                remedy: format!(
                    "`cosign sign --key KEY {}` makes one",
                    self.image.reference.pinned(manifest)
                ),
            },
        })
    }

    /// What the registry has: referrers, then the `.sig` tag of older versions of cosign.
    async fn signatures(&self, manifest: &Digest) -> Result<Vec<Result<Signature, SignatureError>>, SourceError> {
        let mut found = Vec::new();
        let bundles = self.referrers(manifest).await?;
        for referrer in bundles.into_iter().take(MOST_SIGNATURES) {
            self.bundles_of(&referrer, &mut found).await?;
        }
        let tag = format!("sha256-{}.sig", manifest.hex());
        if let Some(signatures) = self.fetch_manifest(&tag).await? {
            self.simple_signatures_in(&signatures, &mut found).await?;
        }
        Ok(found)
    }

    /// Digests of manifests that are bundles about this one, or may be.
    async fn referrers(&self, manifest: &Digest) -> Result<Vec<Digest>, SourceError> {
        let path = format!("referrers/{manifest}");
        let registry = self.registry().await?;
        let answer = registry.get_if_known(&path, INDEX_MEDIA_TYPE, MAX_MANIFEST, &self.what);
        let parse = |bytes: &[u8]| serde_json::from_slice::<Index>(bytes).ok();
        let mut index = answer.await?.as_deref().and_then(parse);
        if index.is_none() {
            // Registries without that part of the protocol: whoever pushes a referrer lists it under this tag.
            let tag = format!("sha256-{}", manifest.hex());
            index = self.fetch_manifest(&tag).await?.as_deref().and_then(parse);
        }
        let may_be_bundle = |entry: &&Descriptor| {
            let of_type = entry.artifact_type.as_deref();
            of_type.is_none_or(|artifact_type| artifact_type.starts_with(BUNDLE_MEDIA_TYPE_PREFIX))
        };
        let manifests = index.map(|index| index.manifests).unwrap_or_default();
        let bundles = manifests.iter().filter(may_be_bundle);
        Ok(bundles.filter_map(|entry| entry.digest.parse().ok()).collect())
    }

    async fn bundles_of(
        &self,
        referrer: &Digest,
        found: &mut Vec<Result<Signature, SignatureError>>,
    ) -> Result<(), SourceError> {
        let Some(bytes) = self.fetch_manifest(referrer.as_str()).await? else {
            return Ok(());
        };
        let what = format!("a signature of {}", self.what);
        self.check(&bytes, referrer, &what)?;
        let Ok(manifest) = Manifest::parse(&bytes) else {
            found.push(Err(SignatureError::Malformed("its manifest cannot be read".to_owned())));
            return Ok(());
        };
        for layer in manifest.layers.iter().take(MOST_SIGNATURES) {
            if layer.media_type.starts_with(BUNDLE_MEDIA_TYPE_PREFIX) {
                let bundle = self.small_blob(&layer.digest, &what).await?;
                found.push(bundle.map(Signature::Bundle));
            }
        }
        Ok(())
    }

    async fn simple_signatures_in(
        &self,
        manifest: &[u8],
        found: &mut Vec<Result<Signature, SignatureError>>,
    ) -> Result<(), SourceError> {
        let what = format!("a signature of {}", self.what);
        let Ok(manifest) = Manifest::parse(manifest) else {
            found.push(Err(SignatureError::Malformed("its manifest cannot be read".to_owned())));
            return Ok(());
        };
        for layer in manifest.layers.iter().take(MOST_SIGNATURES) {
            if layer.media_type != SIMPLE_SIGNING {
                continue;
            }
            let Some(signature) = layer.annotations.get(SIGNATURE_ANNOTATION) else {
                found.push(Err(SignatureError::Malformed("its layer has no signature".to_owned())));
                continue;
            };
            let payload = self.small_blob(&layer.digest, &what).await?;
            found.push(payload.map(|payload| Signature::SimpleSigning {
                payload,
                signature: signature.clone(),
            }));
        }
        Ok(())
    }

    /// A payload or a bundle. What is wrong with it is one signature's fault and not the end.
    async fn small_blob(&self, digest: &str, what: &str) -> Result<Result<String, SignatureError>, SourceError> {
        let Ok(digest) = digest.parse::<Digest>() else {
            return Ok(Err(SignatureError::Malformed("its layer has no digest".to_owned())));
        };
        match self.blob(&digest, MAX_SIGNATURE, what).await {
            Ok(blob) if Digest::of(&blob) == digest => {
                Ok(String::from_utf8(blob).map_err(|_| SignatureError::Malformed("it is no text".to_owned())))
            }
            Ok(_) => Ok(Err(SignatureError::Malformed(
                "it is not what its manifest says".to_owned(),
            ))),
            Err(SourceError::NotFound(_) | SourceError::TooLarge { .. }) => Ok(Err(SignatureError::Malformed(
                "its content is missing or too large".to_owned(),
            ))),
            Err(error) => Err(error),
        }
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

/// Of several signatures that do not count, which is told: the one that says most about what happened.
const fn rank(error: &SignatureError) -> u8 {
    match error {
        SignatureError::OtherDigest(_) => 2,
        SignatureError::OtherKey(_) => 1,
        SignatureError::Malformed(_) => 0,
    }
}
