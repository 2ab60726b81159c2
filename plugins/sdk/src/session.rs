//! A small memory for what the plugin *earned*: a login token, the knowledge that a call is not
//! permitted. Entries are seen only by calls of the same plugin file with the same identity and
//! settings and, unless the administrator lets calls serve several namespaces, for the same namespace; they live in
//! the host's memory, for 24 hours at most. Be ready to find nothing.
//!
//! Most plugins need one function, [`with_login`]: it logs in when there is no session, keeps what came of it,
//! and logs in anew, once, when the store no longer takes it.
//!
//! ```
//! # use std::time::Duration;
//! use keyhole_sdk::{Error, http, session};
//!
//! #[derive(serde::Deserialize)]
//! struct Login { token: String, lease_seconds: u64 }
//!
//! fn read(address: &str, key: &str) -> Result<String, Error> {
//!     let login = || {
//!         let login: Login = http::post(format!("{address}/login")).send()?.json()?;
//!         Ok((login.token, Duration::from_secs(login.lease_seconds)))
//!     };
//!     session::with_login("login", login, |token| {
//!         http::get(format!("{address}/entries/{key}")).bearer(token).send()?.text()
//!     })
//! }
//! # use keyhole_sdk::testing::{Answer, Http};
//! # let store = Http::serve(|request| match request.path() {
//! #     "/login" => Answer::json(200, &serde_json::json!({ "token": "t", "lease_seconds": 600 })),
//! #     _ => Answer::text(200, request.header("authorization").unwrap_or_default()),
//! # });
//! # assert_eq!(read("https://store.example", "a")?, "Bearer t");
//! # assert_eq!(read("https://store.example", "b")?, "Bearer t");
//! # assert_eq!(store.requests().len(), 3, "one login for both");
//! # Ok::<(), Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

mod login;

#[cfg(not(target_family = "wasm"))]
pub(crate) use login::begin_instance;
pub use login::{get_or_login, with_login, with_login_if};

/// Why an entry was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The value is over 16 KiB or the key over 256 bytes.
    TooLarge,
    /// There are 64 entries already.
    Full,
    /// The value cannot be written as JSON.
    NotJson,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the session entry is too large",
            Self::Full => "the session store is full",
            Self::NotJson => "the session entry cannot be written as JSON",
        })
    }
}

impl std::error::Error for SessionError {}

/// The entry, unless it is absent, over its time to live, or of another type.
#[must_use]
pub fn get<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_slice(&get_bytes(key)?).ok()
}

/// Stores or replaces an entry, as JSON.
///
/// # Errors
/// If it is too large, or the store is full.
pub fn set<T: Serialize>(key: &str, value: &T, ttl: Duration) -> Result<(), SessionError> {
    set_bytes(key, &serde_json::to_vec(value).map_err(|_| SessionError::NotJson)?, ttl)
}

/// The entry as it was stored.
#[must_use]
pub fn get_bytes(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Stores or replaces an entry.
///
/// # Errors
/// If it is too large, or the store is full.
pub fn set_bytes(key: &str, value: &[u8], ttl: Duration) -> Result<(), SessionError> {
    host::set(key, value, u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// Removes an entry; no effect when it is absent.
pub fn remove(key: &str) {
    host::remove(key);
}

#[cfg(target_family = "wasm")]
mod host {
    use super::SessionError;
    use crate::bindings::keyhole::backend::session_store as wit;
    pub use wit::{get, remove};

    pub fn set(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), SessionError> {
        wit::set(key, value, ttl_ms).map_err(|error| match error {
            wit::SessionError::TooLarge => SessionError::TooLarge,
            wit::SessionError::Full => SessionError::Full,
        })
    }
}

/// Outside WebAssembly there is no host: each thread, so each test, has a store of its own with the
/// host's limits. Entries do not expire.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::SessionError;

    thread_local! {
        static ENTRIES: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub fn get(key: &str) -> Option<Vec<u8>> {
        ENTRIES.with_borrow(|entries| entries.get(key).cloned())
    }

    pub fn set(key: &str, value: &[u8], _ttl_ms: u64) -> Result<(), SessionError> {
        if key.len() > 256 || value.len() > 16 << 10 {
            return Err(SessionError::TooLarge);
        }
        ENTRIES.with_borrow_mut(|entries| {
            if entries.len() >= 64 && !entries.contains_key(key) {
                return Err(SessionError::Full);
            }
            entries.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    pub fn remove(key: &str) {
        ENTRIES.with_borrow_mut(|entries| entries.remove(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_another_type_counts_as_absent() {
        set("k", &"text", Duration::from_secs(1)).unwrap();
        assert_eq!(get::<u32>("k"), None);
        assert_eq!(get::<String>("k").as_deref(), Some("text"));
        remove("k");
        assert_eq!(get_bytes("k"), None);
    }

    #[test]
    fn the_native_store_has_the_limits_of_the_host() {
        let ttl = Duration::from_secs(1);
        assert_eq!(
            set_bytes("k", &vec![0; (16 << 10) + 1], ttl),
            Err(SessionError::TooLarge)
        );
        assert_eq!(set_bytes(&"k".repeat(257), b"", ttl), Err(SessionError::TooLarge));
        for n in 0..64 {
            set_bytes(&n.to_string(), b"", ttl).unwrap();
        }
        assert_eq!(set_bytes("one more", b"", ttl), Err(SessionError::Full));
        assert_eq!(set_bytes("0", b"replaced", ttl), Ok(()));
    }
}
