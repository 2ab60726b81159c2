//! Errors that a plugin reports about its store.

use std::time::Duration;

use crate::call_error::CallError;

/// Why one request, or a whole batch, failed at the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What the host acts on.
    pub kind: StoreErrorKind,
    /// One line for the author of the object, already masked and cut.
    pub message: String,
    /// The store's own code, for logs only.
    pub store_code: Option<String>,
}

/// The cases of the contract's `error-kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// No such entry, or no such version of it.
    NotFound,
    /// The identity is known and may not do this.
    Denied,
    /// The identity is not accepted.
    Unauthenticated,
    /// A parameter is refused; a JSON Pointer says which.
    Invalid(String),
    /// Too many calls; the store's retry-after, if it gave one.
    Throttled(Option<Duration>),
    /// Not reachable or not able to answer now.
    Unavailable(Option<Duration>),
    /// Larger than plugin or store can handle.
    TooLarge,
    /// Not something that this store or plugin can do.
    Unsupported,
    /// The name fits several entries.
    Ambiguous,
    /// The plugin does not understand its own state.
    Internal,
    /// None of these; a short code.
    Other(String),
    /// No case of the contract: the host itself refused or lost the exchange behind this, and its own
    /// record stands in place of what the plugin reported.
    Host(Box<CallError>),
}
