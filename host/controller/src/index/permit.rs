//! Whether an object may be fetched, and what becomes of it when that is known.
//!
//! An object is held until its namespace is known and what the namespace permits has been judged: neither
//! asked for nor refused. Otherwise one that is listed before its namespace would slip through, and one
//! whose judgement takes a while would show an error that is none. Judging takes an engine and so happens
//! elsewhere; each judgement that is asked for has a ticket, and one that comes back for an older state
//! counts for nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::Failure;
use keyhole_core::permission::{Claims, Rules, Ruling};

use super::object::Object;
use super::pause::doubled;
use super::{Index, Step};
use crate::plan::{Labels, ObjectKey, ObjectPlan};
use crate::planner::Cause;

/// Before a judgement that nobody could make is asked for again. Doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A judgement that is asked for.
#[derive(Clone, Debug)]
pub struct Case {
    /// Whose.
    pub key: ObjectKey,
    /// To be given back with the ruling.
    pub ticket: u64,
    /// What its namespace says.
    pub rules: Arc<Rules>,
    /// What the object wants.
    pub claims: Arc<Claims>,
}

/// What is known of a namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    closing: bool,
    rules: Arc<Rules>,
    labels: Labels,
}

/// Whether an object may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Not known yet: its namespace is not, or its judgement has this ticket.
    Held { then: Then, ticket: Option<u64> },
    /// It may.
    Granted,
    /// It may not.
    Denied(Failure),
}

impl Permit {
    /// Of an object that was just seen for the first time.
    pub(super) const fn unknown() -> Self {
        Self::Held {
            then: Then::First,
            ticket: None,
        }
    }

    /// What is to follow if the object is permitted after this.
    fn then(&self) -> Then {
        match self {
            Self::Held { then, .. } => *then,
            Self::Granted => Then::Resume,
            Self::Denied(_) => Then::Edit,
        }
    }
}

/// What follows when an object is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It becomes known to the planner.
    First,
    /// It is synced at once.
    Edit,
    /// It goes on where it was when it was held.
    Resume,
}

impl Index {
    /// A namespace was created or changed.
    pub fn apply_namespace(&mut self, name: &Arc<str>, closing: bool, rules: Rules, labels: Labels) -> Vec<Step> {
        let rules = Arc::new(rules);
        let now = Namespace {
            closing,
            rules: Arc::clone(&rules),
            labels: Arc::clone(&labels),
        };
        let before = self.namespaces.insert(Arc::clone(name), now);
        let before = before.filter(|before| !before.closing);
        match before {
            _ if closing => self.hold(|key| key.namespace == *name),
            None => self.decide_all(name, |_| true),
            Some(before) if before.rules == rules && before.labels == labels => Vec::new(),
            Some(before) => self.decide_all(name, |plan| {
                let denial = |labels: &Labels| plan.admission.as_ref().and_then(|one| one.denial(name, labels));
                !before.rules.same_for(&rules, &plan.claims) || denial(&before.labels) != denial(&labels)
            }),
        }
    }

    /// A namespace is gone.
    pub fn delete_namespace(&mut self, name: &str) -> Vec<Step> {
        self.namespaces.remove(name);
        self.hold(|key| &*key.namespace == name)
    }

    /// A list of namespaces (of one only, if it is given) came to its end: the others are gone.
    pub fn namespaces_listed(&mut self, scope: Option<&str>, names: &HashSet<ObjectKey>) -> Vec<Step> {
        let listed: HashSet<&str> = names.iter().map(|key| &*key.name).collect();
        self.forget_namespaces(|name| scope.is_none_or(|scope| scope == name) && !listed.contains(name))
    }

    /// Nobody can tell any more what namespaces (or this one only) say.
    pub fn namespaces_lost(&mut self, scope: Option<&str>) -> Vec<Step> {
        self.forget_namespaces(|name| scope.is_none_or(|scope| scope == name))
    }

    fn forget_namespaces(&mut self, gone: impl Fn(&str) -> bool) -> Vec<Step> {
        self.namespaces.retain(|name, _| !gone(name));
        self.hold(|key| gone(&key.namespace))
    }

    /// A judgement is there.
    pub fn judged(&mut self, key: &ObjectKey, ticket: u64, ruling: Ruling) -> Vec<Step> {
        if self.is_blocked(key) {
            return Vec::new();
        }
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        match object.permit {
            Permit::Held {
                then,
                ticket: Some(awaited),
            } if awaited == ticket => self.conclude(key, then, ruling),
            _ => Vec::new(),
        }
    }

    /// The time of a [`Step::JudgeAgain`] has come.
    pub fn judge_again(&mut self, key: &ObjectKey) -> Vec<Step> {
        let waits = |object: &Object| object.unjudged > 0 && matches!(object.permit, Permit::Denied(_));
        if self.is_blocked(key) || !self.objects.get(key).is_some_and(waits) {
            return Vec::new();
        }
        self.decide(key, Then::Edit)
    }

    pub(super) fn is_closing(&self, namespace: &str) -> bool {
        self.namespaces
            .get(namespace)
            .is_some_and(|namespace| namespace.closing)
    }

    /// Finds out whether an object that has a plan may be fetched, and goes on from there.
    pub(super) fn decide(&mut self, key: &ObjectKey, then: Then) -> Vec<Step> {
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        let Some(plan) = object.plan.clone() else {
            return Vec::new();
        };
        let claims = Arc::clone(&plan.claims);
        let Some(namespace) = self.namespaces.get(&key.namespace) else {
            object.permit = Permit::Held { then, ticket: None };
            return object.hold_back(key).into_iter().collect();
        };
        let rules = Arc::clone(&namespace.rules);
        let admission = plan.admission.as_ref();
        if let Some(failure) = admission.and_then(|admission| admission.denial(&key.namespace, &namespace.labels)) {
            return self.deny(key, failure, 0);
        }
        if let Some(ruling) = rules.settled(&claims) {
            return self.conclude(key, then, ruling);
        }
        self.tickets += 1;
        let ticket = self.tickets;
        object.permit = Permit::Held {
            then,
            ticket: Some(ticket),
        };
        let case = Case {
            key: key.clone(),
            ticket,
            rules,
            claims,
        };
        object.hold_back(key).into_iter().chain([Step::Judge(case)]).collect()
    }

    fn conclude(&mut self, key: &ObjectKey, then: Then, ruling: Ruling) -> Vec<Step> {
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        let (denial, unjudged) = match ruling {
            Ruling::Allowed => {
                let missing = self.secrets.seems_missing(key, object.is_unlisted());
                let drifted = self
                    .secrets
                    .drift(key, object.held.as_ref(), object.last_reason())
                    .is_some();
                object.permit = Permit::Granted;
                object.unjudged = 0;
                let step = match then {
                    Then::First => object.first_submit(missing),
                    Then::Edit => object.submit(Cause::Edit),
                    Then::Resume => object.resume(missing || drifted),
                };
                return step.into_iter().collect();
            }
            Ruling::Denied(denial) => (denial, 0),
            Ruling::Unjudged(denial) => (denial, object.unjudged.saturating_add(1)),
        };
        let failure = denial.failure(&key.namespace, &key.name);
        self.deny(key, failure, unjudged)
    }

    /// Stops an object and says why. `unjudged` is how often in a row nobody could judge it.
    fn deny(&mut self, key: &ObjectKey, failure: Failure, unjudged: u32) -> Vec<Step> {
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        object.permit = Permit::Denied(failure.clone());
        object.unjudged = unjudged;
        let again =
            (unjudged > 0).then(|| Step::JudgeAgain(doubled(FIRST_PAUSE, unjudged.saturating_sub(1)), key.clone()));
        let report = object.report(key, vec![failure]);
        object.forget(key).into_iter().chain([report]).chain(again).collect()
    }

    /// Decides anew about the objects of a namespace whose plans the change is about.
    fn decide_all(&mut self, name: &Arc<str>, concerns: impl Fn(&ObjectPlan) -> bool) -> Vec<Step> {
        if !self.started {
            return Vec::new();
        }
        let concerned = |(key, object): &(&ObjectKey, &Object)| {
            key.namespace == *name && !object.deleting && object.plan.as_ref().is_some_and(|plan| concerns(plan))
        };
        let concerned: Vec<_> = self
            .objects
            .iter()
            .filter(concerned)
            .map(|(key, object)| (key.clone(), object.permit.then()))
            .collect();
        let decide = |(key, then): (ObjectKey, Then)| self.decide(&key, then);
        concerned.into_iter().flat_map(decide).collect()
    }

    /// Stops these objects without a word: of their namespaces nothing is known, or they are being deleted.
    fn hold(&mut self, which: impl Fn(&ObjectKey) -> bool) -> Vec<Step> {
        let held = |(key, object): (&ObjectKey, &mut Object)| {
            object.permit = Permit::Held {
                then: object.permit.then(),
                ticket: None,
            };
            object.hold_back(key)
        };
        self.objects
            .iter_mut()
            .filter(|(key, _)| which(key))
            .filter_map(held)
            .collect()
    }
}
