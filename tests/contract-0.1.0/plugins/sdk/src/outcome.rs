//! What a backend answers. `Debug` shows everything but content, so that a stray `{:?}` in a message
//! or a log line gives nothing away.

use std::fmt;

use crate::Error;

/// The bytes of a secret. Prefer `Text` when the store says that it is text.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Bytes(_) => f.write_str("Bytes(..)"),
        }
    }
}

/// A fetched value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The content.
    pub content: Content,
    /// Opaque text that changes whenever the content does, at most 1 KiB. `None` when the store has
    /// no such thing.
    pub version: Option<String>,
}

impl Value {
    /// A value that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: Content::Text(text.into()),
            version: None,
        }
    }

    /// A value that is bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            content: Content::Bytes(bytes.into()),
            version: None,
        }
    }

    /// The same with a version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }
}

/// One of several values under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// The key that this value should get in the Secret, e.g. the last segment of its path.
    pub name: String,
    /// The store's full name, by which a user can tell two values of the same `name` apart.
    pub full_name: String,
    /// The value.
    pub value: Value,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value of a key.
    Value(Value),
    /// The values under a prefix.
    Values(Vec<NamedValue>),
    /// The store still has the version that the host knows. Only when one was sent.
    Unchanged,
    /// This request failed; the others stand.
    Failed(Error),
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<Vec<NamedValue>> for Outcome {
    fn from(values: Vec<NamedValue>) -> Self {
        Self::Values(values)
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<T: Into<Outcome>> From<Result<T, Error>> for Outcome {
    fn from(result: Result<T, Error>) -> Self {
        result.map_or_else(Self::Failed, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_content() {
        let shown = format!(
            "{:?} {:?}",
            Outcome::from(Value::text("hunter2").version("7")),
            Value::bytes(*b"hunter2")
        );
        assert!(!shown.contains("hunter2") && !shown.contains("104"), "{shown}");
        assert!(shown.contains("\"7\""), "{shown}");
    }
}
