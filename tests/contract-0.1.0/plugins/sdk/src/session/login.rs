//! Logging in, once.
//!
//! Invariant: one call of the plugin logs in at most once for a key. Without it, a batch of twenty keys
//! against a store that refuses the token of one policy would make twenty logins, each of them counted
//! by the store's brake on guessing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind};

/// What a session may take off its time to live at most, see [`get_or_login`].
const MARGIN: Duration = Duration::from_secs(30);

thread_local! {
    /// Keys for which this instance, so this call, has logged in.
    static LOGGED_IN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// The session of this key, or what `login` returns: the session and how long the store says that it lasts.
/// It is kept a tenth shorter than that (30 s at most), so that it does not run out on its way.
///
/// A session that the host cannot keep costs another login in the next call, no more.
///
/// # Errors
/// What `login` says.
pub fn get_or_login<T: Serialize + DeserializeOwned>(
    key: &str,
    login: impl FnOnce() -> Result<(T, Duration), Error>,
) -> Result<T, Error> {
    match super::get(key) {
        Some(session) => Ok(session),
        None => log_in(key, login),
    }
}

/// Runs `call` with the session of this key. When it answers `Unauthenticated` to a session of an earlier
/// call, the store has forgotten it: the session is removed, `login` called, and `call` run once more. When
/// the session is of this very call, the error stands.
///
/// # Errors
/// What `login` or `call` says.
pub fn with_login<T: Serialize + DeserializeOwned, R>(
    key: &str,
    login: impl FnMut() -> Result<(T, Duration), Error>,
    call: impl FnMut(&T) -> Result<R, Error>,
) -> Result<R, Error> {
    with_login_if(key, |error| error.kind == ErrorKind::Unauthenticated, login, call)
}

/// The same for a store that tells a forgotten session in another way, e.g. by 403.
///
/// # Errors
/// What `login` or `call` says.
pub fn with_login_if<T: Serialize + DeserializeOwned, R>(
    key: &str,
    forgotten: impl Fn(&Error) -> bool,
    mut login: impl FnMut() -> Result<(T, Duration), Error>,
    mut call: impl FnMut(&T) -> Result<R, Error>,
) -> Result<R, Error> {
    let session = get_or_login(key, &mut login)?;
    match call(&session) {
        Err(error) if forgotten(&error) && !is_of_this_call(key) => {
            super::remove(key);
            call(&log_in(key, login)?)
        }
        answer => answer,
    }
}

fn log_in<T: Serialize>(key: &str, login: impl FnOnce() -> Result<(T, Duration), Error>) -> Result<T, Error> {
    let (session, lasts) = login()?;
    LOGGED_IN.with_borrow_mut(|keys| keys.insert(key.to_owned()));
    // Not kept is no error: the next call logs in again.
    let _ = super::set(key, &session, lasts.saturating_sub(MARGIN.min(lasts / 10)));
    Ok(session)
}

fn is_of_this_call(key: &str) -> bool {
    LOGGED_IN.with_borrow(|keys| keys.contains(key))
}

/// What a fresh instance means to this module, for tests that have no instances.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn begin_instance() {
    LOGGED_IN.take();
}

#[cfg(test)]
mod tests;
