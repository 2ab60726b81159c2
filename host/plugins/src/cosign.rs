//! Signatures that cosign makes with a key pair.
//!
//! Two shapes of one statement, "the holder of this key means these bytes": the payload of simple signing
//! beside an image in a tag `sha256-....sig`, and sigstore's bundle, beside a file or as a referrer of an
//! image. Nothing here asks anybody: no transparency log, no certificate authority, no network.
//!
//! A signature counts when a key that counts made it **and** what it is about is what is being loaded. A good
//! signature of another image, copied beside this one, is the attack that the second half is for.

mod bundle;
mod key;
mod simple_signing;
mod statement;

pub use bundle::{BUNDLE_MEDIA_TYPE_PREFIX, verify_blob};
pub use key::{InvalidKey, PublicKey};
pub use statement::Signature;

use crate::source::SourceError;

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No key that counts made it.
    #[error("no key that counts made it")]
    OtherKey(Vec<String>),
    /// It is about something else.
    #[error("it is about {0}")]
    OtherDigest(String),
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
}

impl SignatureError {
    /// The same about a file that is being loaded.
    #[must_use]
    pub fn of(self, what: &str) -> SourceError {
        let what = what.to_owned();
        match self {
            Self::OtherKey(keys) => SourceError::OtherKey { what, keys },
            Self::OtherDigest(signed) => SourceError::OtherDigest { what, signed },
            Self::Malformed(why) => SourceError::MalformedSignature { what, why },
        }
    }

    fn malformed(why: impl ToString) -> Self {
        Self::Malformed(why.to_string())
    }
}

/// The fingerprint of the first key that made `signature` of `message`.
fn signer(keys: &[PublicKey], message: &[u8], signature: &[u8]) -> Result<String, SignatureError> {
    keys.iter()
        .find(|key| key.verifies(message, signature))
        .map(|key| key.fingerprint().to_owned())
        .ok_or_else(|| SignatureError::OtherKey(keys.iter().map(|key| key.fingerprint().to_owned()).collect()))
}
