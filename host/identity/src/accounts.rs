//! What an exchange of identities needs to know of a service account.

use std::fmt;

use futures::future::BoxFuture;
use keyhole_core::{SecretBytes, ServiceAccount};
use keyhole_sandbox::CredentialError;

/// Service accounts of a cluster.
pub trait Accounts: fmt::Debug + Send + Sync {
    /// A token of `account` for `audience`, good for minutes.
    ///
    /// # Errors
    ///
    /// What is missing: the account, or the right to make its tokens.
    fn token<'a>(
        &'a self,
        account: &'a ServiceAccount,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>>;

    /// The text of an annotation of `account`, if it has that.
    ///
    /// # Errors
    ///
    /// As [`Self::token`].
    fn annotation<'a>(
        &'a self,
        account: &'a ServiceAccount,
        name: &'static str,
    ) -> BoxFuture<'a, Result<Option<String>, CredentialError>>;
}
