//! Who signed an image: what its registry has beside it, in the places where cosign puts it.
//!
//! Whoever may write the repository puts there what he likes, so what is found is only looked through, up to a
//! number and a size, for one that counts. One that is broken is no reason to stop.

use crate::cosign::{BUNDLE_MEDIA_TYPE_PREFIX, PublicKey, Signature, SignatureError};
use crate::oci::manifest::{Descriptor, INDEX_MEDIA_TYPE, Index, MAX_MANIFEST, Manifest};
use crate::oci::pull::Pull;
use crate::source::{Digest, SourceError};

/// Signatures of one image that are looked at.
const MOST_SIGNATURES: usize = 32;
/// A payload or a bundle.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Payloads of simple signing.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The signature of such a payload.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

impl Pull<'_> {
    /// The fingerprint of the key that signed this manifest. What signed it last time is asked first.
    pub(super) async fn signed_by(&self, manifest: &Digest, keys: &[PublicKey]) -> Result<String, SourceError> {
        let named = manifest.clone();
        if let Some(signature) = self.kept(move |store| store.signature(&named)).await?
            && let Ok(signed_by) = signature.verify(manifest, keys)
        {
            return Ok(signed_by);
        }
        let mut telling: Option<SignatureError> = None;
        for signature in self.signatures(manifest).await? {
            match signature.and_then(|signature| Ok((signature.verify(manifest, keys)?, signature))) {
                Ok((signed_by, signature)) => {
                    let named = manifest.clone();
                    self.keep(move |store| store.put_signature(&named, &signature)).await?;
                    return Ok(signed_by);
                }
                Err(error) if telling.as_ref().is_none_or(|known| rank(&error) > rank(known)) => telling = Some(error),
                Err(_) => {}
            }
        }
        Err(match telling {
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
        for layer in manifest.layers.iter().take(room_in(found)) {
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
        for layer in manifest.layers.iter().take(room_in(found)) {
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
}

/// How many more are looked at: all that were found are in memory at once.
fn room_in(found: &[Result<Signature, SignatureError>]) -> usize {
    MOST_SIGNATURES.saturating_sub(found.len())
}

/// Of several signatures that do not count, which is told: the one that says most about what happened.
const fn rank(error: &SignatureError) -> u8 {
    match error {
        SignatureError::OtherDigest(_) => 2,
        SignatureError::OtherKey(_) => 1,
        SignatureError::Malformed(_) => 0,
    }
}
