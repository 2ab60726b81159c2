//! What was obtained once and serves everybody until shortly before it ends: sessions of AWS, tokens of
//! service accounts, entries of Secrets.
//!
//! A fleet of objects that refresh on one tick asks for one identity's session hundreds of times in a
//! moment; AWS must see one request. So whoever comes first asks, and all others wait for that answer,
//! also when it is a refusal (kept for a few seconds). While a session is still valid nobody waits for
//! its renewal: one caller renews early, everybody else takes what is there, and if the renewal fails
//! the old session serves on, unless the failure says that there is nothing to serve any more.
//!
//! The work is done by the callers themselves, no task is left behind; a caller that is cancelled hands
//! over to the next.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;

/// Identities that are remembered. One takes about 2 KiB.
const CAPACITY: usize = 1024;
/// A session that has this much left is renewed, or a fifth of its life if that is less.
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

/// What can be kept for a while.
pub(crate) trait Kept: Clone {
    /// How long, from now on.
    fn life(&self, now: SystemTime) -> Life;
}

/// Why something was not obtained.
pub(crate) trait Refusal: Clone + fmt::Display {
    /// Whether it may pass by itself.
    fn is_transient(&self) -> bool;

    /// Whether what was obtained before must not serve any longer.
    fn revokes(&self) -> bool {
        false
    }
}

/// How long something is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// From then on one caller renews it.
    pub(crate) fresh: Duration,
    /// From then on it serves nobody.
    pub(crate) valid: Duration,
}

impl Life {
    /// Of what has no end of its own.
    pub(crate) const STATIC: Self = Self {
        fresh: STATIC_LIFETIME.saturating_sub(EARLY),
        valid: STATIC_LIFETIME,
    };

    /// Of what ends by itself.
    pub(crate) fn until(expiry: SystemTime, now: SystemTime) -> Self {
        let lifetime = expiry.duration_since(now).unwrap_or_default().max(LEAST_LIFETIME);
        let early = EARLY.min(lifetime / 5);
        let jitter = SPREAD.min(lifetime / 20).mul_f64(fastrand::f64());
        Self {
            fresh: lifetime.saturating_sub(early + jitter),
            // Requests that are signed last must still arrive in time.
            valid: lifetime.saturating_sub(Duration::from_secs(10)),
        }
    }
}

/// Sessions by identity.
#[derive(Debug)]
pub(crate) struct SessionCache<K, V, E> {
    entries: Mutex<HashMap<K, Arc<Entry<V, E>>>>,
    clock: SharedTimeSource,
}

#[derive(Debug)]
struct Entry<V, E> {
    state: Mutex<State<V, E>>,
    /// Held by the one caller that asks.
    asking: tokio::sync::Mutex<()>,
    last_used: Mutex<SystemTime>,
}

#[derive(Debug)]
enum State<V, E> {
    Empty,
    Held {
        session: V,
        renew_at: SystemTime,
        valid_until: SystemTime,
    },
    Refused {
        error: E,
        until: SystemTime,
    },
}

/// What an entry is good for now.
enum View<V, E> {
    Fresh(V),
    Ageing(V),
    Refused(E),
    Missing,
}

impl<K: Eq + Hash + Clone + fmt::Display, V: Kept, E: Refusal> SessionCache<K, V, E> {
    pub(crate) fn new(clock: SharedTimeSource) -> Self {
        Self {
            entries: Mutex::default(),
            clock,
        }
    }

    /// The session of `key`, obtained by `obtain` when there is none that is still good.
    pub(crate) async fn get<F>(&self, key: &K, obtain: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
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
                    Ok(Err(error)) if error.revokes() => {
                        entry.refuse(error.clone(), self.clock.now());
                        Err(error)
                    }
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

    /// Drops what is known of `key`: it was not accepted.
    pub(crate) fn forget(&self, key: &K) {
        lock(&self.entries).remove(key);
    }

    fn entry(&self, key: &K) -> Arc<Entry<V, E>> {
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

impl<V: Kept, E: Refusal> Entry<V, E> {
    fn view(&self, now: SystemTime) -> View<V, E> {
        match &*lock(&self.state) {
            State::Held { session, renew_at, .. } if now < *renew_at => View::Fresh(session.clone()),
            State::Held {
                session, valid_until, ..
            } if now < *valid_until => View::Ageing(session.clone()),
            State::Refused { error, until } if now < *until => View::Refused(error.clone()),
            _ => View::Missing,
        }
    }

    fn hold(&self, session: V, now: SystemTime) -> V {
        let life = session.life(now);
        *lock(&self.state) = State::Held {
            session: session.clone(),
            renew_at: now + life.fresh,
            valid_until: now + life.valid,
        };
        session
    }

    fn postpone(&self, now: SystemTime) {
        if let State::Held {
            renew_at, valid_until, ..
        } = &mut *lock(&self.state)
        {
            // What is over is not fresh, however lately its renewal failed.
            *renew_at = (now + RENEWAL_PAUSE).min(*valid_until);
        }
    }

    fn refuse(&self, error: E, now: SystemTime) {
        let until = now + if error.is_transient() { FAILURE } else { REFUSAL };
        *lock(&self.state) = State::Refused { error, until };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
