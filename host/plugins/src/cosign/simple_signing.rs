//! The older shape of a signature of an image: a small JSON document, which is a layer of the image's
//! `.sig` tag, and its signature in an annotation of that layer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::cosign::{PublicKey, SignatureError, signer};
use crate::source::Digest;

/// What cosign writes as `type`.
const TYPE: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Checks a payload and its signature in base64. Returns the fingerprint of the key that made it.
pub(super) fn verify(
    manifest: &Digest,
    payload: &[u8],
    signature: &str,
    keys: &[PublicKey],
) -> Result<String, SignatureError> {
    let signature = BASE64_STANDARD
        .decode(signature)
        .map_err(|error| SignatureError::malformed(format!("its signature is no base64: {error}")))?;
    let signed_by = signer(keys, payload, &signature)?;
    // Nothing of the payload is looked at before it is known whose it is.
    let payload: Payload = serde_json::from_slice(payload).map_err(SignatureError::malformed)?;
    if payload.critical.r#type != TYPE {
        return Err(SignatureError::malformed("its payload is no signature of an image"));
    }
    if payload.critical.image.docker_manifest_digest != manifest.as_str() {
        return Err(SignatureError::OtherDigest(
            payload.critical.image.docker_manifest_digest,
        ));
    }
    Ok(signed_by)
}
