//! Why something failed, in the terms on which the host acts.

use std::fmt;
use std::time::Duration;

/// An error of one request, or of the whole call.
///
/// The message is one line for the author of an ExternalSecret: what, where, and what to do. It is
/// shown on the object, so it must hold no part of a secret.
///
/// The host puts the entry and the backend before it in the status line. A message that begins with the
/// store's own code, a colon and a blank (`ParameterNotFound: KEY could not be found.`) stands there as it
/// is: that is for lines that must read as KES's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the host acts on.
    pub kind: ErrorKind,
    /// One line for people.
    pub message: String,
    /// The store's own code, for logs.
    pub store_code: Option<String>,
}

/// What the host acts on. See `error-kind` in the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The store has no such entry, or no such version of it.
    NotFound,
    /// The identity is known and may not do this.
    Denied,
    /// The store does not accept the identity.
    Unauthenticated,
    /// The store refuses a parameter; a JSON Pointer says which (`/settings/..`, `/options/..`,
    /// `/key`, `/path`). Not tried again before the object changes.
    Invalid(String),
    /// Too many calls; the store's retry-after, if it gave one.
    Throttled(Option<Duration>),
    /// The store cannot be reached or cannot answer now.
    Unavailable(Option<Duration>),
    /// Larger than plugin or store can handle.
    TooLarge,
    /// The store, or this plugin, cannot do what is asked.
    Unsupported,
    /// The name fits several entries of the store.
    Ambiguous,
    /// The plugin found itself in a state that it does not understand.
    Internal,
    /// None of these; a short code in lower-case letters and dashes.
    Other(String),
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            store_code: None,
        }
    }

    /// The same with the store's own code, e.g. `ResourceNotFoundException`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.store_code = Some(code.into());
        self
    }

    /// The store has no such entry, or no such version of it.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The identity is known and may not do this.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    /// The store does not accept the identity: missing, expired or malformed credentials.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }

    /// A parameter is refused; `pointer` is a JSON Pointer such as `/settings/region` or `/key`.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid(pointer.into()), message)
    }

    /// Too many calls. `after` is the store's own wish.
    pub fn throttled(after: Option<Duration>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Throttled(after), message)
    }

    /// The store cannot be reached or cannot answer now. `after` is the store's own wish.
    pub fn unavailable(after: Option<Duration>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable(after), message)
    }

    /// The value is not what the object says it is (no JSON, no list of pairs): the code `invalid-value`,
    /// which the host tries again at the next interval, because it may be mended in the store.
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::other("invalid-value", message)
    }

    /// Larger than plugin or store can handle.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    /// The store, or this plugin, cannot do what is asked.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The name fits several entries of the store.
    pub fn ambiguous(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Ambiguous, message)
    }

    /// The plugin found itself in a state that it does not understand.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// None of the others; `code` in lower-case letters and dashes.
    pub fn other(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Other(code.into()), message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Something wrong in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer (RFC 6901) to the member, e.g. `/region`; empty for the whole document.
    pub path: String,
    /// One line: what is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at a JSON Pointer.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}
