//! What plugins earned by logging in, kept between calls.
//!
//! Instances live for one call, so a login token would be lost each time. The store keeps it for the
//! next call of the same plugin file with the same identity, settings and namespaces, in memory, bounded in every
//! direction, overwritten with zeros when it goes.
//!
//! A hundred calls that start together would still make a hundred logins. So while nothing is known to
//! be in a scope, its calls take turns, until one leaves a session or shows, by succeeding without
//! one, that none is needed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyhole_core::request::JsonText;
use keyhole_core::{Identity, SecretBytes};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::call::Call;

/// Entries of one scope.
const ENTRIES: usize = 64;
/// Bytes of one value.
const VALUE: usize = 16 << 10;
/// Bytes of one key.
const KEY: usize = 256;
/// Bytes of all values of a plugin: many scopes of ordinary tokens, or four full ones.
const TOTAL: usize = 4 << 20;
/// Scopes of a plugin.
const SCOPES: usize = 1024;
/// No entry lives longer, whatever the plugin asks for.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Whose entries they are. The plugin is implied: each loaded plugin has a store of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ScopeKey {
    pub(crate) identity: Identity,
    pub(crate) settings: JsonText,
    /// The namespaces that the calls serve, none where the plugin's batches are shared. Without them a hostile
    /// plugin could keep one tenant's value here and answer another tenant with it. It is all of them that
    /// count: a call for two namespaces must not find what a call for one of them left, nor what a call for
    /// two others did.
    pub(crate) compartments: BTreeSet<Arc<str>>,
}

impl ScopeKey {
    /// Of the calls like this one.
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            identity: call.identity.clone(),
            settings: call.settings.clone(),
            compartments: call.compartments.iter().chain(&call.namespace).cloned().collect(),
        }
    }
}

/// Why an entry was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    TooLarge,
    Full,
}

/// All sessions of one plugin.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<Scopes>>);

#[derive(Default)]
struct Scopes {
    scopes: HashMap<ScopeKey, Scope>,
    /// Grows with each use; the scope with the smallest stamp goes first.
    clock: u64,
    bytes: usize,
}

#[derive(Default)]
struct Scope {
    entries: HashMap<String, Entry>,
    used: u64,
    /// The last call that succeeded left nothing, so there is nothing to wait for.
    needs_none: bool,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Entry {
    value: SecretBytes,
    until: Instant,
}

/// The right of a call to run in its scope.
pub(crate) struct Turn {
    // Others of the scope wait for it to be dropped; none when the scope has no queue.
    _guard: Option<OwnedMutexGuard<()>>,
}

impl Scopes {
    fn touch(&mut self, key: &ScopeKey) -> &mut Scope {
        self.clock += 1;
        let now = Instant::now();
        if !self.scopes.contains_key(key) && self.scopes.len() >= SCOPES {
            self.evict_one(None);
        }
        let scope = self.scopes.entry(key.clone()).or_default();
        scope.used = self.clock;
        let mut freed = 0;
        scope.entries.retain(|name, entry| {
            let alive = entry.until > now;
            if !alive {
                freed += name.len() + entry.value.len();
            }
            alive
        });
        self.bytes = self.bytes.saturating_sub(freed);
        scope
    }

    /// Drops the scope that was not used for the longest time. One whose turn is taken may go too: the
    /// call that holds it finds itself in a new scope, and at worst logs in again.
    fn evict_one(&mut self, but: Option<&ScopeKey>) -> bool {
        let oldest = self
            .scopes
            .iter()
            .filter(|(key, _)| Some(*key) != but)
            .min_by_key(|(_, scope)| scope.used);
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
            return false;
        };
        if let Some(scope) = self.scopes.remove(&oldest) {
            let freed: usize = scope
                .entries
                .iter()
                .map(|(name, entry)| name.len() + entry.value.len())
                .sum();
            self.bytes = self.bytes.saturating_sub(freed);
        }
        true
    }
}

/// Whether an entry is of a size that is stored at all.
pub(crate) fn check_size(name: &str, value: &SecretBytes) -> Result<(), NotStored> {
    if value.len() > VALUE || name.len() > KEY {
        Err(NotStored::TooLarge)
    } else {
        Ok(())
    }
}

impl Sessions {
    fn with<R>(&self, work: impl FnOnce(&mut Scopes) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Entries of all scopes, those over their time included until their scope is used again.
    pub(crate) fn entries(&self) -> usize {
        self.with(|scopes| scopes.scopes.values().map(|scope| scope.entries.len()).sum())
    }

    /// Waits until this call may run. Returns at once where a session is at hand or none is needed.
    pub(crate) async fn turn(&self, key: &ScopeKey) -> Turn {
        let queue = self.with(|scopes| {
            let scope = scopes.touch(key);
            (scope.entries.is_empty() && !scope.needs_none).then(|| Arc::clone(&scope.turn))
        });
        let Some(queue) = queue else {
            return Turn { _guard: None };
        };
        let guard = queue.lock_owned().await;
        // The call before may have logged in; then nobody has to wait for this one.
        let still_unknown = self.with(|scopes| {
            let scope = scopes.touch(key);
            scope.entries.is_empty() && !scope.needs_none
        });
        Turn {
            _guard: still_unknown.then_some(guard),
        }
    }

    /// Notes how a call ended. One that succeeds and leaves no session needs none; one that fails says
    /// nothing either way.
    pub(crate) fn ended(&self, key: &ScopeKey, succeeded: bool) {
        if succeeded {
            self.with(|scopes| {
                let scope = scopes.touch(key);
                scope.needs_none = scope.entries.is_empty();
            });
        }
    }

    pub(crate) fn get(&self, key: &ScopeKey, name: &str) -> Option<SecretBytes> {
        self.with(|scopes| scopes.touch(key).entries.get(name).map(|entry| entry.value.clone()))
    }

    pub(crate) fn set(
        &self,
        key: &ScopeKey,
        name: String,
        value: SecretBytes,
        life: Duration,
    ) -> Result<(), NotStored> {
        check_size(&name, &value)?;
        self.with(|scopes| {
            let scope = scopes.touch(key);
            if scope.entries.len() >= ENTRIES && !scope.entries.contains_key(&name) {
                return Err(NotStored::Full);
            }
            let added = name.len() + value.len();
            let until = Instant::now() + life.min(LONGEST_LIFE);
            let length = name.len();
            let replaced = scope.entries.insert(name, Entry { value, until });
            scopes.bytes += added;
            if let Some(old) = replaced {
                scopes.bytes = scopes.bytes.saturating_sub(length + old.value.len());
            }
            while scopes.bytes > TOTAL && scopes.evict_one(Some(key)) {}
            Ok(())
        })
    }

    pub(crate) fn remove(&self, key: &ScopeKey, name: &str) {
        self.with(|scopes| {
            let removed = scopes.touch(key).entries.remove(name);
            if let Some(entry) = removed {
                scopes.bytes = scopes.bytes.saturating_sub(name.len() + entry.value.len());
            }
        });
    }
}

#[cfg(test)]
mod tests;
