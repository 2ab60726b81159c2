//! Fetched values on their way to a writer, and how much of them there is.
//!
//! One value may serve hundreds of objects, so it is shared; it is overwritten and gone as soon as the
//! last of them has been written. [`Ledger`] counts the bytes that are alive at any moment: the planner
//! starts no call while too much lies around, so a slow API server cannot fill the memory with secrets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyhole_core::shape::Answer;
use keyhole_core::{NamedValue, Outcome, Value};
use tokio::sync::Notify;

/// The answer to one request: a value, or the values under a path. Cheap to clone.
#[derive(Clone)]
pub struct Fetched(Arc<Held>);

enum Content {
    One(Value),
    Several(Vec<NamedValue>),
}

struct Held {
    content: Content,
    bytes: usize,
    ledger: Option<Arc<Ledger>>,
}

impl Fetched {
    /// The answer to a request for one key.
    #[must_use]
    pub fn value(value: Value) -> Self {
        Self::new(Content::One(value), None)
    }

    /// The answer to a request for a path.
    #[must_use]
    pub fn values(values: Vec<NamedValue>) -> Self {
        Self::new(Content::Several(values), None)
    }

    /// The content of an outcome that has one, counted in `ledger` as long as it lives.
    pub(super) fn from_outcome(outcome: Outcome, ledger: &Arc<Ledger>) -> Option<Self> {
        match outcome {
            Outcome::Value(value) => Some(Self::new(Content::One(value), Some(Arc::clone(ledger)))),
            Outcome::Values(values) => Some(Self::new(Content::Several(values), Some(Arc::clone(ledger)))),
            Outcome::Unchanged | Outcome::Failed(_) => None,
        }
    }

    fn new(content: Content, ledger: Option<Arc<Ledger>>) -> Self {
        let bytes = match &content {
            Content::One(value) => value.bytes.len(),
            Content::Several(values) => values.iter().map(|named| named.value.bytes.len()).sum(),
        };
        if let Some(ledger) = &ledger {
            ledger.add(bytes);
        }
        Self(Arc::new(Held { content, bytes, ledger }))
    }

    /// As shaping takes it.
    #[must_use]
    pub fn answer(&self) -> Answer<'_> {
        match &self.0.content {
            Content::One(value) => Answer::Value(value),
            Content::Several(values) => Answer::Values(values),
        }
    }

    /// The version of a single value, if its store has such a thing. A list has none as a whole.
    #[must_use]
    pub fn version(&self) -> Option<&Arc<str>> {
        match &self.0.content {
            Content::One(value) => value.version.as_ref(),
            Content::Several(_) => None,
        }
    }

    /// Whether this is the value of one key.
    pub(super) fn is_single(&self) -> bool {
        matches!(self.0.content, Content::One(_))
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({} bytes)", self.0.bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ledger) = &self.ledger {
            ledger.subtract(self.bytes);
        }
    }
}

/// How many bytes of fetched values are alive.
#[derive(Debug)]
pub(super) struct Ledger {
    bytes: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl Ledger {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            limit,
            room: Notify::new(),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether no more should be fetched for the moment.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.limit
    }

    /// Resolves after the ledger came down from full, also when that was before the call.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn subtract(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before >= self.limit && before.saturating_sub(bytes) < self.limit {
            self.room.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::SecretBytes;

    fn outcome(size: usize) -> Outcome {
        Outcome::Value(Value {
            bytes: SecretBytes::new(vec![1; size]),
            is_text: true,
            version: None,
        })
    }

    #[test]
    fn a_value_counts_once_however_many_share_it_and_until_the_last_is_gone() {
        let ledger = Ledger::new(100);
        let first = Fetched::from_outcome(outcome(60), &ledger).unwrap();
        let second = first.clone();
        assert_eq!((ledger.bytes(), ledger.is_full()), (60, false));
        drop(first);
        assert_eq!(ledger.bytes(), 60);
        drop(second);
        assert_eq!(ledger.bytes(), 0);
    }

    #[tokio::test]
    async fn coming_down_from_full_is_told_even_when_nobody_waited_yet() {
        let ledger = Ledger::new(100);
        let values = [
            Fetched::from_outcome(outcome(60), &ledger),
            Fetched::from_outcome(outcome(60), &ledger),
        ];
        assert!(ledger.is_full());
        drop(values);
        ledger.room().await;
    }

    #[test]
    fn debug_shows_the_length_and_nothing_else() {
        assert_eq!(
            format!(
                "{:?}",
                Fetched::value(Value {
                    bytes: b"hunter2".to_vec().into(),
                    is_text: true,
                    version: None
                })
            ),
            "Fetched(7 bytes)"
        );
    }
}
