//! A signature of an image in either shape, as it is fetched from a registry and kept on disk.

use serde::{Deserialize, Serialize};

use crate::cosign::{PublicKey, SignatureError, bundle, simple_signing};
use crate::source::Digest;

/// A signature of an image, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signature {
    /// A bundle of sigstore, as JSON.
    Bundle(String),
    /// A payload of simple signing, and its signature in base64.
    SimpleSigning {
        /// The document that was signed.
        payload: String,
        /// Its signature.
        signature: String,
    },
}

impl Signature {
    /// The fingerprint of the key that made it, when one of `keys` did and it is about this manifest.
    ///
    /// # Errors
    ///
    /// Otherwise.
    pub fn verify(&self, manifest: &Digest, keys: &[PublicKey]) -> Result<String, SignatureError> {
        match self {
            Self::Bundle(bundle) => bundle::verify_image(manifest, bundle.as_bytes(), keys),
            Self::SimpleSigning { payload, signature } => {
                simple_signing::verify(manifest, payload.as_bytes(), signature, keys)
            }
        }
    }
}
