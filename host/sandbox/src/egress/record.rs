//! What the host itself saw go wrong in the exchanges of one call.
//!
//! A guest learns of a refusal as some error code of wasi:http, sometimes as a reset connection, and
//! words it as it likes. So the host keeps its own account and believes that one. A refusal outranks a
//! network failure: it stands until somebody acts, and a failure may be no more than its consequence.

use std::sync::{Arc, Mutex, PoisonError};

use keyhole_core::{CallError, EgressError};

/// The account of one call. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    exchanges: u32,
    refusal: Option<CallError>,
    failure: Option<CallError>,
}

impl Record {
    /// The first refusal, otherwise the first failure, otherwise nothing.
    #[must_use]
    pub fn verdict(&self) -> Option<CallError> {
        self.refusal().or_else(|| self.failure())
    }

    /// The first exchange that policy refused.
    #[must_use]
    pub fn refusal(&self) -> Option<CallError> {
        self.with(|entries| entries.refusal.clone())
    }

    /// The first exchange that was allowed and failed: network, time-out, or no session to sign with.
    #[must_use]
    pub fn failure(&self) -> Option<CallError> {
        self.with(|entries| entries.failure.clone())
    }

    /// Exchanges begun, refused ones included.
    #[must_use]
    pub fn exchanges(&self) -> u32 {
        self.with(|entries| entries.exchanges)
    }

    /// Counts one more and returns how many there are now.
    pub(super) fn count(&self) -> u32 {
        self.with(|entries| {
            entries.exchanges = entries.exchanges.saturating_add(1);
            entries.exchanges
        })
    }

    pub(crate) fn note(&self, error: &CallError) {
        let refused = matches!(error, CallError::Egress(error) if error.is_refusal());
        self.with(|entries| {
            let slot = if refused {
                &mut entries.refusal
            } else {
                &mut entries.failure
            };
            slot.get_or_insert_with(|| error.clone());
        });
    }

    pub(super) fn note_egress(&self, error: &EgressError) {
        self.note(&CallError::Egress(error.clone()));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Entries) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(host: &str) -> EgressError {
        EgressError::Unreachable {
            host: host.to_owned(),
            why: "closed".to_owned(),
        }
    }

    #[test]
    fn a_refusal_outranks_an_earlier_failure_and_the_first_of_each_stands() {
        let record = Record::default();
        assert_eq!(record.verdict(), None);
        record.note_egress(&unreachable("a"));
        record.note_egress(&unreachable("b"));
        assert_eq!(record.verdict(), Some(unreachable("a").into()));
        let refused = |host: &str| EgressError::HostNotGranted { host: host.to_owned() };
        record.note_egress(&refused("c"));
        record.note_egress(&refused("d"));
        assert_eq!(record.verdict(), Some(refused("c").into()));
        assert_eq!(record.failure(), Some(unreachable("a").into()));
    }

    #[test]
    fn a_missing_identity_is_a_failure() {
        let record = Record::default();
        let error = CallError::Identity {
            message: "no session".to_owned(),
            transient: true,
        };
        record.note(&error);
        assert_eq!((record.refusal(), record.failure()), (None, Some(error)));
    }
}
