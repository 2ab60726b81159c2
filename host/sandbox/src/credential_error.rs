//! Why a plugin's credential cannot be had. Users read these on their objects, so each names what is
//! missing and who can mend it; none holds any part of a credential.

use keyhole_core::CallError;

/// Why a credential of a grant cannot be had now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// There is no such Secret.
    #[error(
        "Secret {namespace}/{name}, which the plugin's grant names, does not exist; create it with an entry {key:?}"
    )]
    SecretMissing {
        /// The operator's namespace.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// The entry that is wanted.
        key: String,
    },
    /// The Secret has no such entry.
    #[error("Secret {namespace}/{name} has no entry {key:?}; add it, or name another one in the plugin's grant")]
    KeyMissing {
        /// The operator's namespace.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// The entry that is wanted.
        key: String,
    },
    /// The credential holds what no header can.
    #[error("{credential} cannot be sent as header {header}: {why}")]
    NoHeaderValue {
        /// Where it comes from.
        credential: String,
        /// The header that it is for.
        header: String,
        /// What is wrong, without any part of it.
        why: &'static str,
    },
    /// The API server did not give the Secret.
    #[error("Secret {namespace}/{name} cannot be read: {why}")]
    SecretUnreadable {
        /// The operator's namespace.
        namespace: String,
        /// Name of the Secret.
        name: String,
        /// What went wrong and what to do.
        why: String,
        /// Whether this may pass by itself.
        transient: bool,
    },
    /// The API server did not make a token.
    #[error("no token of service account {account} for audience {audience:?}: {why}")]
    NoToken {
        /// Namespace and name.
        account: String,
        /// For whom the token would have been.
        audience: String,
        /// What went wrong and what to do.
        why: String,
        /// Whether this may pass by itself.
        transient: bool,
    },
    /// The API server did not give the service account.
    #[error("service account {account} cannot be read: {why}")]
    AccountUnreadable {
        /// Namespace and name.
        account: String,
        /// What went wrong and what to do.
        why: String,
        /// Whether this may pass by itself.
        transient: bool,
    },
    /// There is nothing to ask.
    #[error("credentials of plugins come from a cluster, and there is none here")]
    NoCluster,
}

impl CredentialError {
    /// Whether asking again later can help without anybody acting.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::SecretUnreadable { transient, .. }
            | Self::NoToken { transient, .. }
            | Self::AccountUnreadable { transient, .. } => *transient,
            Self::SecretMissing { .. } | Self::KeyMissing { .. } | Self::NoHeaderValue { .. } | Self::NoCluster => {
                false
            }
        }
    }
}

impl From<CredentialError> for CallError {
    fn from(error: CredentialError) -> Self {
        Self::Identity {
            message: error.to_string(),
            transient: error.is_transient(),
        }
    }
}
