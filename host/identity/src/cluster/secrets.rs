//! Entries of Secrets in the operator's namespace.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use k8s_openapi::api::core::v1::Secret;
use keyhole_core::SecretBytes;
use keyhole_core::identity::is_object_name;
use keyhole_sandbox::CredentialError;
use kube::{Api, Client};

use super::api::{Trouble, ask};
use crate::session_cache::{Kept, Life, Refusal, SessionCache};

/// An entry is read anew after this, by whoever needs it next.
pub(super) const FRESH: Duration = Duration::from_secs(5);
/// While the API server cannot be reached, an entry serves for this long.
const VALID: Duration = Duration::from_secs(60);

/// An entry that was read.
#[derive(Clone)]
struct Entry(SecretBytes);

impl Kept for Entry {
    fn life(&self, _: SystemTime) -> Life {
        Life {
            fresh: FRESH,
            valid: VALID,
        }
    }
}

impl Refusal for CredentialError {
    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }

    /// What somebody took away is gone, also where an older value is at hand.
    fn revokes(&self) -> bool {
        !Self::is_transient(self)
    }
}

/// Name and entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    name: Arc<str>,
    key: Arc<str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {:?} of Secret {}", self.key, self.name)
    }
}

/// The Secrets of one namespace.
pub(super) struct Secrets {
    api: Api<Secret>,
    namespace: String,
    entries: SessionCache<Place, Entry, CredentialError>,
}

impl Secrets {
    pub(super) fn new(client: Client, namespace: &str, clock: SharedTimeSource) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            entries: SessionCache::new(clock),
        }
    }

    pub(super) async fn entry(&self, name: &Arc<str>, key: &Arc<str>) -> Result<SecretBytes, CredentialError> {
        let place = Place {
            name: Arc::clone(name),
            key: Arc::clone(key),
        };
        let entry = self.entries.get(&place, || self.read(name, key)).await?;
        Ok(entry.0)
    }

    async fn read(&self, name: &str, key: &str) -> Result<Entry, CredentialError> {
        let namespace = || self.namespace.clone();
        let unreadable = |why: String, transient| CredentialError::SecretUnreadable {
            namespace: namespace(),
            name: name.to_owned(),
            why,
            transient,
        };
        if !is_object_name(name) {
            return Err(unreadable("that is no name of a Secret".to_owned(), false));
        }
        let mut secret = ask(self.api.get(name)).await.map_err(|trouble| match trouble {
            Trouble::NotFound => CredentialError::SecretMissing {
                namespace: namespace(),
                name: name.to_owned(),
                key: key.to_owned(),
            },
            Trouble::Forbidden => unreadable(
                format!(
                    "the operator may not get Secrets in its namespace; apply the Role of `keyhole manifests` to {}",
                    self.namespace
                ),
                false,
            ),
            Trouble::Refused(why) => unreadable(why, false),
            Trouble::Unavailable(why) => unreadable(why, true),
        })?;
        let missing = || CredentialError::KeyMissing {
            namespace: namespace(),
            name: name.to_owned(),
            key: key.to_owned(),
        };
        let mut wanted = None;
        for (entry, bytes) in std::mem::take(&mut secret.data).unwrap_or_default() {
            // Wiped when dropped, also those that nobody asked for.
            let bytes = SecretBytes::new(bytes.0);
            if entry == key {
                wanted = Some(bytes);
            }
        }
        wanted.map(Entry).ok_or_else(missing)
    }
}
