//! What a file must be before it is compiled: what its object demands, and what the operator demands of all.
//!
//! Keys of the operator are the policy: an object can only narrow them. Were its keys taken beside the
//! operator's, whoever may write an object could sign for himself.

use crate::cosign::PublicKey;
use crate::source::{Digest, SourceError};

/// What an object demands of its file.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// Digest of the component.
    pub digest: Option<Digest>,
    /// A signature of any of these; none if there are none.
    pub keys: Vec<PublicKey>,
}

/// What the operator demands of all files that are not built in.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Whether a reference may do without a digest.
    pub tags_allowed: bool,
    /// Whether every file must be signed.
    pub signed_only: bool,
    /// Keys for the whole cluster. With any, a signature of one of them is required.
    pub keys: Vec<PublicKey>,
}

impl Policy {
    /// The keys one of which must have signed; none if nothing needs to be signed.
    pub(crate) fn keys_for(&self, demands: &Demands) -> Result<Vec<PublicKey>, SourceError> {
        match (self.keys.is_empty(), demands.keys.is_empty()) {
            (true, true) if self.signed_only => Err(SourceError::SignatureDemanded),
            (true, _) => Ok(demands.keys.clone()),
            (false, true) => Ok(self.keys.clone()),
            (false, false) => {
                let both: Vec<PublicKey> = demands
                    .keys
                    .iter()
                    .filter(|key| self.keys.contains(key))
                    .cloned()
                    .collect();
                if both.is_empty() {
                    return Err(SourceError::KeysOutsidePolicy);
                }
                Ok(both)
            }
        }
    }
}
