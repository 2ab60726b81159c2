//! What `credentials.get` of one call gives: the entries that the grant exposes, and the token of the
//! call's service account where the grant has an audience for it.
//!
//! Everything else is not granted, whatever it is called. Calls without a network (`describe`, `validate`)
//! get nothing: what they would be handed could only be kept, and there is nowhere to keep it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keyhole_core::{CallError, Identity, SecretBytes};

use crate::grant::{Credential, Grant};
use crate::handled::Handled;
use crate::ports::Credentials;
use crate::sessions::{ScopeKey, Sessions};

/// The name of the token in the contract.
pub const SERVICE_ACCOUNT_TOKEN: &str = "service-account-token";

/// Credentials that a plugin may see, by the name that it asks for.
pub(crate) type Exposed = BTreeMap<String, Credential>;

/// Those of a grant, the token among them.
pub(crate) fn exposed(grant: &Grant) -> Result<Exposed, String> {
    let mut exposed = grant.exposed.clone();
    if let Some(audience) = &grant.token {
        let token = Credential::Token {
            audience: Arc::clone(audience),
        };
        if exposed.insert(SERVICE_ACCOUNT_TOKEN.to_owned(), token).is_some() {
            return Err(format!(
                "an exposed credential cannot be called {SERVICE_ACCOUNT_TOKEN} beside a service account token"
            ));
        }
    }
    Ok(exposed)
}

/// The secrets that a call may get, and those that it got. Empty for calls without a network.
#[derive(Default)]
pub(crate) struct CallSecrets {
    pub(crate) sessions: Option<(Sessions, ScopeKey)>,
    pub(crate) credentials: Option<CallCredentials>,
    /// Its exchanges have the same list.
    pub(crate) handled: Handled,
}

/// The credentials of one call.
pub(crate) struct CallCredentials {
    pub(crate) exposed: Arc<Exposed>,
    pub(crate) port: Arc<dyn Credentials>,
    pub(crate) identity: Identity,
}

/// Why `get` gives nothing.
#[derive(Debug)]
pub(crate) enum NotHanded {
    NotGranted(String),
    Unavailable(CallError),
}

impl CallCredentials {
    pub(crate) async fn get(&self, name: &str) -> Result<SecretBytes, NotHanded> {
        let credential = self.exposed.get(name).ok_or_else(|| not_granted(name))?;
        let value = self.port.credential(credential, &self.identity).await;
        value.map_err(|error| NotHanded::Unavailable(error.into()))
    }
}

/// What to do about a credential that the grant does not name.
pub(crate) fn not_granted(name: &str) -> NotHanded {
    let name: String = name.chars().take(64).collect();
    NotHanded::NotGranted(format!(
        "credential {name:?} is not granted; name it under grant.auth of the plugin to let the plugin see it"
    ))
}

impl fmt::Debug for CallCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallCredentials")
            .field("exposed", &self.exposed)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
