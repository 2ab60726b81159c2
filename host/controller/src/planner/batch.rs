//! One call, and what its failure means for its requests.
//!
//! A call fails as a whole for one of several kinds of cause, and each wants something else. The store
//! asks for fewer calls, or is in trouble, or the host is: all requests are asked again after a pause. Nobody with this identity or grant gets
//! an answer: all fail. Or perhaps one request brings the others down with it (a value too large, a
//! plugin that crashes on one answer): the batch is halved until the culprit stands alone. Without the
//! last, one bad entry in a store would keep nineteen innocent ones from every object.

use std::sync::Arc;
use std::time::Duration;

use keyhole_core::{CallError, EgressError, PluginId, Request, StoreErrorKind};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::PassId;
use super::cost::Load;
use super::fetch::{Exchanges, PlannedRequest};
use super::group::GroupId;
use super::queue::{Compartment, Taken, Waiter, Waiters};
use super::store::{Charge, StoreId};

/// How often a request is asked in one pass before its object fails and backs off.
const TRIES_PER_PASS: u32 = 3;
/// The same where the store asks for fewer calls. It is there and will answer; somebody is always the one
/// over the limit, and need not hear of it. Each try comes after a pause, so this is a matter of seconds.
const THROTTLED_TRIES_PER_PASS: u32 = 8;

/// A request in flight.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    /// The version that was sent along.
    pub(super) known: Option<Arc<str>>,
    pub(super) waiters: Waiters,
    pub(super) attempt: u32,
    tries: u32,
}

impl Asked {
    /// A version is sent only if everybody who waits has exactly this one and can do without the value.
    pub(super) fn new(taken: Taken) -> Self {
        let Taken {
            request,
            waiters,
            attempt,
            tries,
        } = taken;
        let mut versions = waiters.values().map(|waiter| waiter.known.as_ref());
        let known = match versions.next().flatten() {
            Some(first) if versions.all(|other| other == Some(first)) => Some(Arc::clone(first)),
            _ => None,
        };
        Self {
            request,
            known,
            waiters,
            attempt,
            tries,
        }
    }

    pub(super) fn planned(&self) -> PlannedRequest {
        PlannedRequest {
            request: self.request.clone(),
            known_version: self.known.clone(),
        }
    }

    /// Whether its objects should wait for another attempt after this trouble.
    pub(super) fn has_tries_left(&self, trouble: Trouble) -> bool {
        let most = match trouble {
            Trouble::Throttled => THROTTLED_TRIES_PER_PASS,
            Trouble::Away | Trouble::Host => TRIES_PER_PASS,
        };
        self.tries + 1 < most
    }

    /// To be asked once more.
    pub(super) fn again(mut self) -> Taken {
        self.tries = self.tries.saturating_add(1);
        self.apart()
    }

    /// To be asked once more in other company, which is no try of its own.
    pub(super) fn apart(mut self) -> Taken {
        self.attempt = self.attempt.saturating_add(1);
        self.into_taken()
    }

    pub(super) fn into_taken(self) -> Taken {
        Taken {
            request: self.request,
            waiters: self.waiters,
            attempt: self.attempt,
            tries: self.tries,
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) group: GroupId,
    pub(super) plugin: PluginId,
    pub(super) asked: Vec<Asked>,
    /// Whom the answers may go to.
    pub(super) compartments: Vec<Compartment>,
    pub(super) started: Instant,
    pub(super) abort: AbortHandle,
    pub(super) store: StoreId,
    pub(super) load: Load,
    pub(super) charge: Charge,
    /// Counted by the call while it runs.
    pub(super) exchanges: Exchanges,
}

impl Flight {
    /// What the store counted. A call counts as one at least, whatever its plugin did without the network:
    /// a plugin that only computes is paced too.
    pub(super) fn cost(&self) -> f64 {
        f64::from(self.exchanges.count().max(1))
    }

    /// Whether this waiter can take the answer to `request` from this call: it asks for it, it asks
    /// for no less than the waiter needs, and the waiter's namespace is one of those it serves.
    pub(super) fn offer(&mut self, request: &Request, waiter: &Waiter) -> bool {
        if !self.compartments.contains(&waiter.compartment) {
            return false;
        }
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.request == *request) else {
            return false;
        };
        if asked.known.is_some() && asked.known != waiter.known {
            return false;
        }
        asked.waiters.insert(waiter.pass, waiter.clone());
        true
    }

    /// Removes a waiter. Whether anybody still waits for this call.
    pub(super) fn leave(&mut self, request: &Request, pass: PassId) -> bool {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.request == *request) {
            asked.waiters.remove(&pass);
        }
        self.asked.iter().any(|asked| !asked.waiters.is_empty())
    }
}

/// Why asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The store asks for fewer calls.
    Throttled,
    /// The store cannot be reached, or is out of order.
    Away,
    /// The host could not make the call: no sandbox was free, no session was to be had.
    Host,
}

/// What to do about a call that failed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A pause, for as long as the store asks; then all are asked again.
    Pause(Trouble, Option<Duration>),
    /// One of the requests may be the cause: ask in halves. The weight says how dear an attempt is.
    Split {
        /// See [`SPLIT_BUDGET`].
        weight: u32,
    },
    /// All requests fail.
    Fail,
}

/// A group whose calls fail in a row with this much weight is broken as a whole and is not split any
/// further. One culprit among 256 requests is found within 9 failed calls, and the calls without it
/// succeed in between.
pub(super) const SPLIT_BUDGET: u32 = 12;

/// What the failure of a call asks for.
pub(super) fn remedy(error: &CallError) -> Remedy {
    match error {
        CallError::Store(error) => match &error.kind {
            StoreErrorKind::Throttled(after) => Remedy::Pause(Trouble::Throttled, *after),
            StoreErrorKind::Unavailable(after) => Remedy::Pause(Trouble::Away, *after),
            StoreErrorKind::Denied | StoreErrorKind::Unauthenticated => Remedy::Fail,
            StoreErrorKind::Host(error) => remedy(error),
            StoreErrorKind::NotFound
            | StoreErrorKind::Invalid(_)
            | StoreErrorKind::TooLarge
            | StoreErrorKind::Unsupported
            | StoreErrorKind::Ambiguous
            | StoreErrorKind::Internal
            | StoreErrorKind::Other(_) => Remedy::Split { weight: 1 },
        },
        CallError::Egress(EgressError::TimedOut { .. } | EgressError::Unreachable { .. }) => {
            Remedy::Pause(Trouble::Away, None)
        }
        CallError::Host(_) | CallError::Identity { transient: true, .. } => Remedy::Pause(Trouble::Host, None),
        CallError::Identity { transient: false, .. } => Remedy::Fail,
        // Half a minute each: a store that never answers must not be asked for long.
        CallError::Wall(_) => Remedy::Split {
            weight: SPLIT_BUDGET / 3,
        },
        CallError::Trap(_)
        | CallError::Cpu(_)
        | CallError::Memory(_)
        | CallError::Output { .. }
        | CallError::Protocol(_)
        | CallError::Egress(_) => Remedy::Split { weight: 1 },
    }
}

/// Why asking a single failed request again can help within the pass, and the rest that it asks for.
pub(super) fn trouble_of(kind: &StoreErrorKind) -> Option<(Trouble, Option<Duration>)> {
    match kind {
        StoreErrorKind::Throttled(after) => Some((Trouble::Throttled, *after)),
        StoreErrorKind::Unavailable(after) => Some((Trouble::Away, *after)),
        StoreErrorKind::Host(error) => match remedy(error) {
            Remedy::Pause(trouble, after) => Some((trouble, after)),
            Remedy::Split { .. } | Remedy::Fail => None,
        },
        _ => None,
    }
}

/// Whether a call that failed as a whole brought word from the store nevertheless.
pub(super) fn is_answer(error: &CallError) -> bool {
    match error {
        CallError::Store(error) => !matches!(
            error.kind,
            StoreErrorKind::Throttled(_) | StoreErrorKind::Unavailable(_) | StoreErrorKind::Host(_)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::Cause;
    use keyhole_core::request::JsonText;
    use keyhole_core::{Selector, StoreError};

    fn store(kind: StoreErrorKind) -> CallError {
        CallError::Store(StoreError {
            kind,
            message: "m".into(),
            store_code: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_is_sent_only_if_it_is_everybodys() {
        let known = |versions: &[Option<&str>]| {
            let waiter = |(pass, version): (u64, &Option<&str>)| {
                let waiter = Waiter {
                    pass: PassId(pass),
                    index: 0,
                    compartment: None,
                    known: version.map(Into::into),
                    since: Instant::now(),
                    cause: Cause::Refresh,
                };
                (waiter.pass, waiter)
            };
            let request = Request {
                selector: Selector::Key("k".into()),
                options: JsonText::default(),
            };
            let waiters = (0..).zip(versions).map(waiter).collect();
            Asked::new(Taken {
                request,
                waiters,
                attempt: 1,
                tries: 0,
            })
            .known
        };
        assert_eq!(known(&[Some("1"), Some("1")]).as_deref(), Some("1"));
        assert_eq!(known(&[Some("1"), Some("2")]), None);
        assert_eq!(known(&[Some("1"), None]), None);
        assert_eq!(known(&[None, Some("1")]), None);
    }

    #[test]
    fn trouble_of_the_store_pauses_a_refused_identity_fails_and_the_rest_is_halved() {
        let after = Some(Duration::from_secs(3));
        assert_eq!(
            remedy(&store(StoreErrorKind::Throttled(after))),
            Remedy::Pause(Trouble::Throttled, after)
        );
        assert_eq!(
            remedy(&CallError::Host("full".into())),
            Remedy::Pause(Trouble::Host, None)
        );
        assert_eq!(remedy(&store(StoreErrorKind::Denied)), Remedy::Fail);
        assert_eq!(
            remedy(&CallError::Identity {
                message: "m".into(),
                transient: false
            }),
            Remedy::Fail
        );
        assert_eq!(
            remedy(&CallError::Identity {
                message: "m".into(),
                transient: true
            }),
            Remedy::Pause(Trouble::Host, None)
        );
        assert_eq!(
            remedy(&CallError::Output {
                what: "answer",
                limit: 1
            }),
            Remedy::Split { weight: 1 }
        );
    }
}
