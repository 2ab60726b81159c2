//! The sandbox's outside in the kit: nobody signs, credentials are stand-ins, and somebody counts.

use std::sync::{Arc, Mutex, PoisonError};

use std::collections::BTreeMap;

use aws_credential_types::Credentials as AwsCredentials;
use futures::future::BoxFuture;
use keyhole_core::{CallError, Identity, PluginId, SecretBytes};
use keyhole_sandbox::egress::Network;
use keyhole_sandbox::{
    ApiServer, AwsSessions, CallObserver, CallStats, Credential, CredentialError, Credentials, EndpointOverrides,
    Export, Ports, SERVICE_ACCOUNT_TOKEN,
};

/// An outside for calls that reach nothing, or a recording: requests are signed with keys that are worth nothing,
/// and every credential that a grant names is a stand-in.
#[must_use]
pub fn ports(network: Network, observer: Arc<dyn CallObserver>) -> Ports {
    Ports {
        sessions: Arc::new(Worthless),
        credentials: Arc::new(StandIns::default()),
        endpoints: EndpointOverrides::default(),
        network,
        api_server: ApiServer::default(),
        observer: Some(observer),
    }
}

/// Signs for recordings, which look at no signature.
struct Worthless;

impl AwsSessions for Worthless {
    fn session<'a>(&'a self, _: &'a Identity) -> BoxFuture<'a, Result<AwsCredentials, CallError>> {
        let keys = AwsCredentials::from_keys("AKIAKEYHOLERECORDED0", "worth-nothing", None);
        Box::pin(std::future::ready(Ok(keys)))
    }
}

/// Credentials that are worth nothing: those of a recording by name, and a text for all others.
#[derive(Debug, Default)]
pub struct StandIns(BTreeMap<String, String>);

impl StandIns {
    /// These by the name that the plugin asks for.
    #[must_use]
    pub fn new(recorded: BTreeMap<String, String>) -> Self {
        Self(recorded)
    }

    /// Where a grant may say that the credential of this name is.
    #[must_use]
    pub fn place(name: &str) -> Credential {
        Credential::Secret {
            name: "stand-in".into(),
            key: name.into(),
        }
    }
}

impl Credentials for StandIns {
    fn credential<'a>(
        &'a self,
        credential: &'a Credential,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<SecretBytes, CredentialError>> {
        let name = match credential {
            Credential::Secret { key, .. } => key,
            Credential::Token { .. } => SERVICE_ACCOUNT_TOKEN,
        };
        let text = self.0.get(name).cloned();
        let text = text.unwrap_or_else(|| format!("stand-in-for-{name}"));
        Box::pin(std::future::ready(Ok(SecretBytes::from(text))))
    }
}

/// What calls took, by export.
#[derive(Debug, Default)]
pub struct Stats(Mutex<Vec<(Export, CallStats)>>);

impl Stats {
    /// What the calls since the last time took.
    pub fn take(&self) -> Vec<(Export, CallStats)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CallObserver for Stats {
    fn call_ended(&self, _: &PluginId, export: Export, stats: &CallStats, _: Option<&CallError>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((export, *stats));
    }
}
