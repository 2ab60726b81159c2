//! What the sandbox needs from the rest of the host, as traits and plain data, so that this crate
//! knows neither Kubernetes nor how credentials are found.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::Credentials as AwsCredentials;
use futures::future::BoxFuture;
use keyhole_core::{CallError, Identity, PluginId, SecretBytes};

use crate::api_server::ApiServer;
use crate::call::{CallStats, Export};
use crate::credential_error::CredentialError;
use crate::egress::{EndpointOverrides, Network};
use crate::grant::Credential;

/// Gives the credentials that requests are signed with on their way out. Implementations cache and
/// renew; the sandbox asks for every exchange.
pub trait AwsSessions: Send + Sync {
    /// The session of `identity`.
    ///
    /// # Errors
    ///
    /// [`CallError::Identity`], saying what failed and as whom.
    fn session<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<AwsCredentials, CallError>>;
}

/// Finds what a grant only names: entries of Secrets, and tokens of service accounts. Implementations cache
/// and renew; the sandbox asks for every exchange and every time that a plugin asks.
pub trait Credentials: Send + Sync {
    /// The value of `credential` for a call of `identity`.
    ///
    /// # Errors
    ///
    /// What is missing, and where.
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>>;
}

/// For hosts without a cluster: no credential can be had.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCredentials;

impl Credentials for NoCredentials {
    fn credential<'a>(
        &'a self,
        _: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        Box::pin(std::future::ready(Err(CredentialError::NoCluster)))
    }
}

/// Hears how each call went, for metrics. Called on the thread that ran the call, so it must not wait.
pub trait CallObserver: Send + Sync {
    /// A call of `plugin` ended. `error` is `None` when it gave an answer.
    fn call_ended(&self, plugin: &PluginId, export: Export, stats: &CallStats, error: Option<&CallError>);
}

/// The outside of the sandbox, the same for all plugins of a process.
#[derive(Clone)]
pub struct Ports {
    /// Credentials for signing.
    pub sessions: Arc<dyn AwsSessions>,
    /// Credentials that grants name.
    pub credentials: Arc<dyn Credentials>,
    /// Destinations that the operator moved elsewhere.
    pub endpoints: EndpointOverrides,
    /// Resolver, proxy, trusted roots and time-outs of every exchange.
    pub network: Network,
    /// The Kubernetes API server. No plugin reaches it, whatever its grant says.
    pub api_server: ApiServer,
    /// Who hears how calls went.
    pub observer: Option<Arc<dyn CallObserver>>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports")
            .field("api_server", &self.api_server)
            .finish_non_exhaustive()
    }
}
