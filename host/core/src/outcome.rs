//! What a store answered to one request.

use std::sync::Arc;

use crate::secret::SecretBytes;
use crate::store_error::StoreError;

/// A fetched value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The content.
    pub bytes: SecretBytes,
    /// Whether the store says that this is text. `isBinary` decodes text only: what the store itself
    /// calls binary is stored as it is.
    pub is_text: bool,
    /// Opaque text that changes whenever the content does.
    pub version: Option<Arc<str>>,
}

/// One of several values under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// The key proposed for the Secret.
    pub name: String,
    /// The store's full name, to tell two values of one `name` apart.
    pub full_name: String,
    /// The value.
    pub value: Value,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value of a key.
    Value(Value),
    /// The values under a prefix.
    Values(Vec<NamedValue>),
    /// The store still has the version that was sent along.
    Unchanged,
    /// This request failed.
    Failed(StoreError),
}
