//! Public keys as `cosign generate-key-pair` writes them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::{Error, RawPublicKeyEntity, ring};

use crate::source::Digest;

/// Digits of a fingerprint.
const FINGERPRINT: usize = 16;

/// What cosign signs with: its own keys are P-256; keys that were imported may be the others. With an imported
/// Ed25519 key it signs images in the variant Ed25519ph, which ring does not have.
static ALGORITHMS: [Algorithm; 3] = [
    (ring::ECDSA_P256_SHA256, 91),
    (ring::ECDSA_P384_SHA384, 120),
    (ring::RSA_PKCS1_2048_8192_SHA256, 294),
];

/// With the bytes of its shortest key: a shorter one would be refused with each signature, and never say why.
type Algorithm = (&'static dyn SignatureVerificationAlgorithm, usize);

/// A key that signatures are checked with.
#[derive(Clone)]
pub struct PublicKey {
    der: Arc<[u8]>,
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    fingerprint: Arc<str>,
}

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not one block in PEM.
    #[error("it is no public key in PEM (-----BEGIN PUBLIC KEY-----): {0}")]
    Pem(String),
    /// A private key, which has no place here.
    #[error("it is a private key; name the public one, which cosign writes to cosign.pub")]
    Private,
    /// Something else than exactly one.
    #[error("it holds several keys; name each on its own")]
    Several,
    /// Nothing that cosign signs with.
    #[error("it is a kind of key that is not supported: ECDSA on P-256 or P-384 and RSA from 2048 bits are")]
    Unsupported,
}

impl PublicKey {
    /// The first digits of the SHA-256 of the key in DER: what
    /// `openssl pkey -pubin -in cosign.pub -outform DER | sha256sum` begins with.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether the holder of this key signed `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        check(&self.der, self.algorithm, message, signature).is_ok()
    }
}

fn check(
    der: &[u8],
    algorithm: &dyn SignatureVerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let der = SubjectPublicKeyInfoDer::from(der);
    RawPublicKeyEntity::try_from(&der)?.verify_signature(algorithm, message, signature)
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(pem: &str) -> Result<Self, InvalidKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(InvalidKey::Private);
        }
        if pem.matches("-----BEGIN ").count() > 1 {
            return Err(InvalidKey::Several);
        }
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        let der: Arc<[u8]> = key.map_err(|error| InvalidKey::Pem(error.to_string()))?.as_ref().into();
        // An algorithm that fits the key gets as far as the signature, which is none.
        let fits = |(algorithm, shortest): &&Algorithm| {
            der.len() >= *shortest && check(&der, *algorithm, b"", b"") == Err(Error::InvalidSignatureForPublicKey)
        };
        let (algorithm, _) = ALGORITHMS.iter().find(fits).ok_or(InvalidKey::Unsupported)?;
        let digest = Digest::of(&der);
        Ok(Self {
            fingerprint: digest.hex().get(..FINGERPRINT).unwrap_or_default().into(),
            algorithm: *algorithm,
            der,
        })
    }
}

/// By the key itself: a text in PEM can be wrapped and commented in many ways.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests;
