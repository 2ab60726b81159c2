//! How far one object has come with its requests.
//!
//! A pass begins when an object is due and ends with one delivery. It is all or nothing: as soon as
//! one request has failed for good, the values that are there are dropped, and the rest is only waited
//! for so that every failure can be told at once. A request that failed for a reason that passes is asked again
//! *inside* the pass, it alone, while the other values are held for a few seconds. Once a pass has
//! failed nothing of it is kept, and the next one asks for everything again, sharing what
//! others have in flight. So plaintext never outlives a pass.

use std::sync::Arc;

use keyhole_core::{CallError, Failure, Identity, Outcome, Reason, Selector, StoreError};
use tokio::time::Instant;

use super::answer::{Fetched, Ledger};
use super::group::GroupId;
use super::{Cause, Delivered};
use crate::plan::ObjectPlan;

/// The answer to one request as it is handed to everybody who waits for it.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Value(Fetched),
    Unchanged,
    /// This request failed.
    Failed(Failure),
    /// The call failed, whatever it asked for.
    CallFailed(Failure),
}

/// Versions of all of an object's requests.
pub(super) type Versions = Vec<Arc<str>>;

#[derive(Debug)]
enum Slot {
    Waiting,
    Value(Fetched),
    Unchanged,
    /// A value that nobody needs, because another request failed.
    Dropped,
    Failed(Failure),
    CallFailed(Failure),
}

/// One object on its way to a delivery.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) plan: Arc<ObjectPlan>,
    pub(super) group: GroupId,
    pub(super) cause: Cause,
    pub(super) started: Instant,
    /// The refresh annotation that it takes care of.
    pub(super) refresh: Option<Arc<str>>,
    slots: Vec<Slot>,
    outstanding: usize,
    /// What the object has; either of all of its requests or of none.
    known: Option<Versions>,
}

/// Where a pass stands once no request of it is outstanding.
#[derive(Debug)]
pub(super) enum Progress {
    /// These requests have to be asked again, without a version.
    AskAgain(Vec<usize>),
    /// Done, with the versions of what was delivered.
    Finished(Delivered, Option<Versions>),
}

impl Pass {
    pub(super) fn new(
        plan: Arc<ObjectPlan>,
        group: GroupId,
        cause: Cause,
        started: Instant,
        known: Option<Versions>,
    ) -> Self {
        let requests = plan.requests().len();
        let known = known.filter(|known| known.len() == requests && requests > 0);
        let slots = std::iter::repeat_with(|| Slot::Waiting).take(requests).collect();
        Self {
            plan,
            group,
            cause,
            started,
            refresh: None,
            slots,
            outstanding: requests,
            known,
        }
    }

    /// The version to send along with a request.
    pub(super) fn known(&self, index: usize) -> Option<&Arc<str>> {
        self.known.as_ref().and_then(|known| known.get(index))
    }

    /// The object cannot do without the values after all.
    pub(super) fn need_values(&mut self) {
        self.known = None;
    }

    /// The requests that are waiting or in flight.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| matches!(slot, Slot::Waiting))
            .map(|(index, _)| index)
    }

    /// Takes an answer. Whether it was the last one outstanding.
    pub(super) fn settle(&mut self, index: usize, answer: Answer) -> bool {
        let failed = self.has_failed();
        let Some(slot) = self.slots.get_mut(index).filter(|slot| matches!(slot, Slot::Waiting)) else {
            return false;
        };
        *slot = match answer {
            Answer::Value(_) | Answer::Unchanged if failed => Slot::Dropped,
            Answer::Value(value) => Slot::Value(value),
            Answer::Unchanged => Slot::Unchanged,
            Answer::Failed(failure) => Slot::Failed(told_to(&self.plan, failure)),
            Answer::CallFailed(failure) => Slot::CallFailed(told_to(&self.plan, failure)),
        };
        self.outstanding -= 1;
        if !failed && self.has_failed() {
            for slot in self.slots.iter_mut().filter(|slot| matches!(slot, Slot::Value(_))) {
                *slot = Slot::Dropped;
            }
        }
        self.outstanding == 0
    }

    /// To be called when nothing is outstanding.
    pub(super) fn progress(&mut self) -> Progress {
        if self.has_failed() {
            return Progress::Finished(Delivered::Failed(self.failures()), None);
        }
        let news = |(index, slot): (usize, &Slot)| match slot {
            Slot::Value(value) => value.version().is_none() || value.version() != self.known(index),
            _ => false,
        };
        let changed = self.slots.iter().enumerate().any(news);
        if !changed && let Some(known) = &self.known {
            return Progress::Finished(Delivered::Unchanged, Some(known.clone()));
        }
        let mut again = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if matches!(slot, Slot::Unchanged) {
                *slot = Slot::Waiting;
                again.push(index);
            }
        }
        self.known = None;
        if !again.is_empty() {
            self.outstanding = again.len();
            return Progress::AskAgain(again);
        }
        let value = |slot: &Slot| match slot {
            Slot::Value(value) => Some(value.clone()),
            _ => None,
        };
        let values: Vec<Fetched> = self.slots.iter().filter_map(value).collect();
        let versions = values.iter().map(|value| value.version().cloned()).collect();
        let answers: Option<Vec<Fetched>> = self
            .plan
            .needs()
            .iter()
            .map(|&need| values.get(need).cloned())
            .collect();
        match answers {
            Some(answers) => Progress::Finished(Delivered::Answers(answers), versions),
            // Not reachable: every slot holds a value here. Failing is safe, writing half a Secret is not.
            None => {
                let failure = Failure::new(Reason::PluginFailed, "an answer got lost");
                Progress::Finished(Delivered::Failed(vec![failure]), None)
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| matches!(slot, Slot::Failed(_) | Slot::CallFailed(_)))
    }

    /// In merge order; what befell a whole call is told once and not blamed on an item.
    fn failures(&self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            match slot {
                Slot::Failed(failure) => {
                    let place = self.plan.first_item(index).map(|item| item.place.clone());
                    failures.push(match place {
                        Some(place) => failure.clone().at(place),
                        None => failure.clone(),
                    });
                }
                Slot::CallFailed(failure) if !failures.contains(failure) => failures.push(failure.clone()),
                _ => {}
            }
        }
        failures
    }
}

/// What one outcome of a call is to those who wait for it; `sent` says whether a version was sent.
///
/// # Errors
///
/// The store's error, which may be worth another attempt.
pub(super) fn answer_of(
    outcome: Outcome,
    selector: &Selector,
    sent: bool,
    ledger: &Arc<Ledger>,
) -> Result<Answer, StoreError> {
    let broken = |what: &str| Ok(Answer::Failed(Failure::from(&CallError::Protocol(what.to_owned()))));
    match outcome {
        Outcome::Failed(error) => Err(error),
        Outcome::Unchanged if sent => Ok(Answer::Unchanged),
        Outcome::Unchanged => broken("it answered \"unchanged\" to a request without a version"),
        outcome => match (Fetched::from_outcome(outcome, ledger), selector) {
            (Some(value), Selector::Key(_)) if value.is_single() => Ok(Answer::Value(value)),
            (Some(value), Selector::Prefix { .. }) if !value.is_single() => Ok(Answer::Value(value)),
            (_, Selector::Key(_)) => broken("it answered a key with a list"),
            (_, Selector::Prefix { .. }) => broken("it answered a path with a single value"),
        },
    }
}

/// As whom the store was asked, unless it was as the operator.
fn whose(plan: &ObjectPlan) -> Option<String> {
    let identity = &plan.group.identity;
    (*identity != Identity::default()).then(|| identity.to_string())
}

/// The failure as the author of the object reads it: by which backend and, where that matters, as whom.
fn told_to(plan: &ObjectPlan, mut failure: Failure) -> Failure {
    let concerns_identity = matches!(
        failure.reason,
        Reason::NotFound | Reason::AccessDenied | Reason::Unauthenticated
    );
    if concerns_identity
        && !failure.kes_wording
        && let Some(whose) = whose(plan)
        && !failure.message.contains(&whose)
    {
        failure.message.push_str(&format!(" (as {whose})"));
    }
    // KES's line has no room for where it was looked for and as whom; the condition has.
    if concerns_identity && failure.kes_wording {
        let region = plan.group.region.iter().map(|region| format!(" in {region}"));
        let whose = whose(plan).map(|whose| format!(" as {whose}"));
        let place: String = region.chain(whose).collect();
        if !place.is_empty() {
            failure = failure.remedy(format!("it was looked for{place}"));
        }
    }
    failure.by(&plan.backend_type)
}

#[cfg(test)]
mod tests;
