//! Why there is no file, or none that may be compiled. A closed list: each is a reason of its own on the
//! object, because each has another remedy.

use crate::source::{Digest, InvalidDigest, MAX_COMPONENT};

/// Why a plugin's file is not there, or is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No file, entry, repository or manifest of that name.
    #[error("there is no {0}")]
    NotFound(String),
    /// A file that cannot be read.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// The file.
        what: String,
        /// Why.
        why: String,
    },
    /// The API server or the registry does not answer, or not now.
    #[error("{what} cannot be reached: {why}")]
    Unreachable {
        /// Who.
        what: String,
        /// Why.
        why: String,
    },
    /// The registry's certificate is not trusted.
    #[error("the certificate of {registry} is not trusted: {why}; name its authority in spec.source.oci.caBundle")]
    Untrusted {
        /// The registry, or whom it redirected to.
        registry: String,
        /// Why.
        why: String,
    },
    /// The registry, or the API server, refuses.
    #[error("{what} denies access: {why}")]
    Denied {
        /// Who.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// The pull secret is of no use.
    #[error("the pull secret {name} {why}")]
    PullSecret {
        /// Name of the Secret.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A field of the source that cannot be used.
    #[error("{field} {why}")]
    Field {
        /// Path of the field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The registry speaks another protocol.
    #[error("{registry} gives an answer that is none of a registry: {why}")]
    Protocol {
        /// The registry.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// More than is ever loaded.
    #[error("{what} is larger than {} MiB", MAX_COMPONENT >> 20)]
    TooLarge {
        /// The file.
        what: String,
    },
    /// The file is there, and it is no plugin.
    #[error("{what} is no plugin: {why}")]
    NotAPlugin {
        /// The file.
        what: String,
        /// Why.
        why: String,
    },
    /// Not the bytes that were asked for.
    #[error("{what} has the digest {found}, {expected} is required")]
    DigestMismatch {
        /// The file.
        what: String,
        /// What it has.
        found: Digest,
        /// What it should have.
        expected: Digest,
    },
    /// A reference without a digest, and the operator insists on one.
    #[error(
        "{reference} names a tag without a digest, and a tag can be moved: add @sha256:... to it, or start the operator with --allow-plugin-tags"
    )]
    TagRefused {
        /// The reference.
        reference: String,
    },
    /// The operator wants signatures and nobody has said whose.
    #[error(
        "the operator takes signed plugins only: name the keys in spec.verify.cosignKeys, or start it with --plugin-key"
    )]
    SignatureDemanded,
    /// None of the object's keys is one of the operator's.
    #[error(
        "none of spec.verify.cosignKeys is a key that the operator was started with (--plugin-key): an object can only choose among those"
    )]
    KeysOutsidePolicy,
    /// Nothing signs it.
    #[error("{what} has no signature; {remedy}")]
    SignatureMissing {
        /// The file.
        what: String,
        /// Where one was looked for, or what to do.
        remedy: String,
    },
    /// It is signed, by somebody else.
    #[error("{what} is not signed with any of the keys {}", .keys.join(", "))]
    OtherKey {
        /// The file.
        what: String,
        /// Fingerprints of the keys that count.
        keys: Vec<String>,
    },
    /// A good signature of a good key, and it is about something else.
    #[error("the signature beside {what} is about {signed}, not about it")]
    OtherDigest {
        /// The file.
        what: String,
        /// What was signed.
        signed: String,
    },
    /// What should be a signature is none.
    #[error("the signature of {what} cannot be read: {why}")]
    MalformedSignature {
        /// The file.
        what: String,
        /// Why.
        why: String,
    },
    /// A source inside a cluster, asked for outside of one.
    #[error("{0} needs a cluster, and there is none here")]
    NoCluster(String),
}

impl SourceError {
    /// The word for the `Ready` condition.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "SourceNotFound",
            Self::Unreadable { .. } => "SourceUnreadable",
            Self::Unreachable { .. } => "SourceUnreachable",
            Self::Untrusted { .. } => "RegistryUntrusted",
            Self::Denied { .. } => "SourceDenied",
            Self::PullSecret { .. } => "InvalidPullSecret",
            Self::Field { .. } => "InvalidSource",
            Self::Protocol { .. } => "NotARegistry",
            Self::TooLarge { .. } => "TooLarge",
            Self::NotAPlugin { .. } => "NotAPlugin",
            Self::DigestMismatch { .. } => "DigestMismatch",
            Self::TagRefused { .. } => "TagRefused",
            Self::SignatureDemanded => "SignatureDemanded",
            Self::KeysOutsidePolicy => "KeysOutsidePolicy",
            Self::SignatureMissing { .. } => "SignatureMissing",
            Self::OtherKey { .. } => "SignedByAnotherKey",
            Self::OtherDigest { .. } => "SignatureOfAnotherFile",
            Self::MalformedSignature { .. } => "MalformedSignature",
            Self::NoCluster(_) => "NoCluster",
        }
    }

    /// Whether the same source may well be obtained a little later, with nobody changing the object.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unreadable { .. })
    }
}

impl From<InvalidDigest> for SourceError {
    fn from(error: InvalidDigest) -> Self {
        Self::Field {
            field: "spec.verify.digest",
            why: error.to_string(),
        }
    }
}
