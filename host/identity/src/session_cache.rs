//! Sessions that were obtained once and serve everybody until shortly before they expire.
//!
//! A fleet of objects that refresh on one tick asks for one identity's session hundreds of times in a
//! moment; AWS must see one request. So whoever comes first asks, and all others wait for that answer,
//! also when it is a refusal (kept for a few seconds). While a session is still valid nobody waits for
//! its renewal: one caller renews early, everybody else takes what is there, and if the renewal fails
//! the old session serves on.
//!
//! The work is done by the callers themselves, no task is left behind; a caller that is cancelled hands
//! over to the next.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_async::time::SharedTimeSource;
use keyhole_core::CallError;

/// Identities that are remembered. One takes about 2 KiB.
const CAPACITY: usize = 1024;
/// A session that has this much left is renewed, or a quarter of its life if that is less.
const EARLY: Duration = Duration::from_secs(300);
/// Renewals are spread by up to this, so that identities that were first used together part.
const SPREAD: Duration = Duration::from_secs(60);
/// Credentials without an expiry are read again after this: their file may have been rotated.
const STATIC_LIFETIME: Duration = Duration::from_secs(900);
/// What a session is worth at least, when this machine's clock is ahead of AWS's.
const LEAST_LIFETIME: Duration = Duration::from_secs(60);
/// How long a refusal stands. Long enough for a batch of callers, short enough for whoever just mended it.
const REFUSAL: Duration = Duration::from_secs(5);
/// The same for what may pass by itself.
const FAILURE: Duration = Duration::from_secs(1);
/// How long a renewal may keep its caller.
const RENEWAL: Duration = Duration::from_secs(6);
/// After a failed renewal the old session serves for this long before the next try.
const RENEWAL_PAUSE: Duration = Duration::from_secs(20);

/// Sessions by identity.
#[derive(Debug)]
pub(crate) struct SessionCache<K> {
    entries: Mutex<HashMap<K, Arc<Entry>>>,
    clock: SharedTimeSource,
}

#[derive(Debug)]
struct Entry {
    state: Mutex<State>,
    /// Held by the one caller that asks.
    asking: tokio::sync::Mutex<()>,
    last_used: Mutex<SystemTime>,
}

#[derive(Debug)]
enum State {
    Empty,
    Held {
        session: Credentials,
        renew_at: SystemTime,
        valid_until: SystemTime,
    },
    Refused {
        error: CallError,
        until: SystemTime,
    },
}

/// What an entry is good for now.
enum View {
    Fresh(Credentials),
    Ageing(Credentials),
    Refused(CallError),
    Missing,
}

impl<K: Eq + Hash + Clone + std::fmt::Display> SessionCache<K> {
    pub(crate) fn new(clock: SharedTimeSource) -> Self {
        Self {
            entries: Mutex::default(),
            clock,
        }
    }

    /// The session of `key`, obtained by `obtain` when there is none that is still good.
    pub(crate) async fn get<F>(&self, key: &K, obtain: impl FnOnce() -> F) -> Result<Credentials, CallError>
    where
        F: Future<Output = Result<Credentials, CallError>>,
    {
        let entry = self.entry(key);
        match entry.view(self.clock.now()) {
            View::Fresh(session) => Ok(session),
            View::Refused(error) => Err(error),
            View::Ageing(session) => {
                let Ok(_asking) = entry.asking.try_lock() else {
                    return Ok(session);
                };
                // Somebody may have renewed it between the look and the lock.
                if let View::Fresh(session) = entry.view(self.clock.now()) {
                    return Ok(session);
                }
                let renewed = tokio::time::timeout(RENEWAL, obtain()).await;
                match renewed {
                    Ok(Ok(new)) => Ok(entry.hold(new, self.clock.now())),
                    failed => {
                        let why = match failed {
                            Ok(Err(error)) => error.to_string(),
                            _ => format!("no answer within {} s", RENEWAL.as_secs()),
                        };
                        tracing::warn!(identity = %key, why, "a session could not be renewed; the old one serves on");
                        entry.postpone(self.clock.now());
                        Ok(session)
                    }
                }
            }
            View::Missing => {
                let _asking = entry.asking.lock().await;
                match entry.view(self.clock.now()) {
                    View::Fresh(session) | View::Ageing(session) => return Ok(session),
                    View::Refused(error) => return Err(error),
                    View::Missing => {}
                }
                match obtain().await {
                    Ok(new) => Ok(entry.hold(new, self.clock.now())),
                    Err(error) => {
                        entry.refuse(error.clone(), self.clock.now());
                        Err(error)
                    }
                }
            }
        }
    }

    /// Drops what is known of `key`: AWS did not accept it.
    pub(crate) fn forget(&self, key: &K) {
        lock(&self.entries).remove(key);
    }

    fn entry(&self, key: &K) -> Arc<Entry> {
        let now = self.clock.now();
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(key) {
            *lock(&entry.last_used) = now;
            return entry.clone();
        }
        if entries.len() >= CAPACITY {
            let idle = entries
                .iter()
                .min_by_key(|(_, entry)| *lock(&entry.last_used))
                .map(|(key, _)| key.clone());
            if let Some(idle) = idle {
                entries.remove(&idle);
            }
        }
        let entry = Arc::new(Entry {
            state: Mutex::new(State::Empty),
            asking: tokio::sync::Mutex::default(),
            last_used: Mutex::new(now),
        });
        entries.insert(key.clone(), entry.clone());
        entry
    }
}

impl Entry {
    fn view(&self, now: SystemTime) -> View {
        match &*lock(&self.state) {
            State::Held { session, renew_at, .. } if now < *renew_at => View::Fresh(session.clone()),
            State::Held {
                session, valid_until, ..
            } if now < *valid_until => View::Ageing(session.clone()),
            State::Refused { error, until } if now < *until => View::Refused(error.clone()),
            _ => View::Missing,
        }
    }

    fn hold(&self, session: Credentials, now: SystemTime) -> Credentials {
        let lifetime = match session.expiry() {
            Some(expiry) => expiry.duration_since(now).unwrap_or_default().max(LEAST_LIFETIME),
            None => STATIC_LIFETIME,
        };
        let early = EARLY.min(lifetime / 4);
        let jitter = SPREAD.min(lifetime / 20).mul_f64(fastrand::f64());
        *lock(&self.state) = State::Held {
            session: session.clone(),
            renew_at: now + lifetime.saturating_sub(early + jitter),
            // Requests that are signed last must still arrive in time.
            valid_until: now + lifetime.saturating_sub(Duration::from_secs(10)),
        };
        session
    }

    fn postpone(&self, now: SystemTime) {
        if let State::Held { renew_at, .. } = &mut *lock(&self.state) {
            *renew_at = now + RENEWAL_PAUSE;
        }
    }

    fn refuse(&self, error: CallError, now: SystemTime) {
        let transient = matches!(error, CallError::Identity { transient: true, .. });
        let until = now + if transient { FAILURE } else { REFUSAL };
        *lock(&self.state) = State::Refused { error, until };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
