//! The cluster: entries of Secrets in the operator's own namespace, and tokens of service accounts.
//!
//! Nothing is watched. A Secret is read when a credential of it is needed and at most once in
//! [`secrets::FRESH`], so a rotated one is used within seconds, a deleted one is missed within seconds, and the
//! operator needs no right but `get` there; a watch by name would need one that covers every Secret of the
//! namespace. The namespace is the operator's own, whatever an object says. Tokens are kept until four fifths of their life
//! are over. Everything kept is bounded, and never written anywhere.

mod api;
mod secrets;
mod tokens;

use std::fmt;
use std::sync::Arc;

use aws_smithy_async::time::SharedTimeSource;
use futures::future::BoxFuture;
use keyhole_core::{Identity, SecretBytes, ServiceAccount};
use keyhole_sandbox::{Credential, CredentialError, Credentials};
use kube::Client;

use crate::accounts::Accounts;
use secrets::Secrets;
use tokens::Tokens;

/// Finds what the grants of plugins name. Clones share what is kept.
#[derive(Clone)]
pub struct ClusterCredentials(Arc<Inner>);

struct Inner {
    secrets: Secrets,
    tokens: Tokens,
}

impl ClusterCredentials {
    /// Those of an operator that runs in `namespace`. Nothing is asked before the first is needed.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self::with_clock(client, namespace, SharedTimeSource::default())
    }

    /// The same under another clock.
    #[must_use]
    pub fn with_clock(client: Client, namespace: &str, clock: SharedTimeSource) -> Self {
        Self(Arc::new(Inner {
            secrets: Secrets::new(client.clone(), namespace, clock.clone()),
            tokens: Tokens::new(client, clock),
        }))
    }
}

impl Credentials for ClusterCredentials {
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(async move {
            match credential {
                Credential::Secret { name, key } => self.0.secrets.entry(name, key).await,
                Credential::Token { audience } => self.0.tokens.of(identity.account.as_ref(), audience).await,
            }
        })
    }
}

impl Accounts for ClusterCredentials {
    fn token<'a>(
        &'a self,
        account: &'a ServiceAccount,
        audience: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(self.0.tokens.of(Some(account), audience))
    }

    fn annotation<'a>(
        &'a self,
        account: &'a ServiceAccount,
        name: &'static str,
    ) -> BoxFuture<'a, Result<Option<String>, CredentialError>> {
        Box::pin(self.0.tokens.annotation(account, name))
    }
}

impl fmt::Debug for ClusterCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterCredentials").finish_non_exhaustive()
    }
}
