//! One object of the index.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_core::{Failure, Reason};
use tokio::time::Instant;

use super::pause::doubled;
use super::permit::Permit;
use super::repair::{Notice, RepairGate};
use super::secrets::{Held, Version};
use super::{Plan, Seen, Step};
use crate::plan::{ObjectKey, ObjectPlan, Planned};
use crate::planner::{Cause, Submit};
use crate::report::{Attempt, Shown};

/// Before a status that could not be written is tried again for the first time.
const REPORT_AGAIN: Duration = Duration::from_secs(10);

/// What is kept of an object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) shown: Shown,
    pub(super) generation: i64,
    pub(super) deleting: bool,
    pub(super) backend_type: Arc<str>,
    pub(super) plan: Option<Arc<ObjectPlan>>,
    /// Whether what the plan asks for may be asked for.
    pub(super) permit: Permit,
    /// How often in a row nobody could judge that.
    pub(super) unjudged: u32,
    /// Whether the planner has it.
    submitted: bool,
    /// Why there is no plan, until that is reported at start.
    pub(super) unplanned: Vec<Failure>,
    refresh: Option<Arc<str>>,
    /// The refresh annotation that a submitted plan takes care of.
    pub(super) refresh_taken: Option<Arc<str>>,
    /// What this process knows of the Secret.
    pub(super) held: Option<Held>,
    /// A Secret of this name exists that the watch on our own Secrets does not show.
    unlisted: bool,
    pub(super) gate: RepairGate,
    pub(super) wake_set: bool,
    pub(super) notice: Option<Notice>,
    pub(super) last_attempt: Option<Timestamp>,
    reason: Option<Reason>,
    pub(super) unreported: Option<Attempt>,
    /// Somebody waits to write [`Self::unreported`] again.
    pub(super) report_timer: bool,
    /// Writes of the status in a row that failed.
    unwritten: u32,
    /// It was said in this process why the object cannot be served.
    told: bool,
    /// What is said of it is that, and no result of a sync.
    unserved: bool,
    /// When that came about what may still be written, if its first write failed.
    pub(super) retellable: Option<Timestamp>,
}

/// What a writer has to know of an object.
#[derive(Clone, Debug)]
pub struct View {
    /// uid, resourceVersion and status.
    pub shown: Shown,
    /// `metadata.generation`.
    pub generation: i64,
    /// For metrics.
    pub backend_type: Arc<str>,
    /// The refresh annotation that is taken care of.
    pub refresh: Option<Arc<str>>,
    /// What this process knows of the Secret.
    pub held: Option<Held>,
    /// As far as the watch shows, the Secret is still as held.
    pub held_is_current: bool,
    /// The watch shows no Secret, so creating one will probably succeed.
    pub seems_missing: bool,
    /// How the last sync ended.
    pub last_reason: Reason,
    /// To be given back in [`Finish`].
    pub secret_lists: u64,
}

/// What became of an object in the hands of a writer.
#[derive(Debug)]
pub struct Finish {
    /// The object.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: Arc<str>,
    /// What is known of the Secret from now on; the outer `None` leaves what was.
    pub held: Option<Option<Held>>,
    /// As in [`Object`]; `None` leaves what was.
    pub unlisted: Option<bool>,
    /// The sync that ended, if one did.
    pub attempt: Option<(Reason, Timestamp)>,
    /// The object after its status was written.
    pub shown: Option<Shown>,
    /// A result that could not be shown on the object.
    pub unreported: Option<Attempt>,
    /// Its changed Secret could not be read.
    pub unreadable: bool,
    /// As in the [`View`] that the writer was given.
    pub secret_lists: u64,
}

impl Object {
    pub(super) fn new(seen: &Seen) -> Self {
        Self {
            shown: seen.shown.clone(),
            generation: seen.generation,
            deleting: seen.deleting,
            backend_type: Arc::clone(&seen.backend_type),
            plan: None,
            permit: Permit::unknown(),
            unjudged: 0,
            submitted: false,
            unplanned: Vec::new(),
            refresh: None,
            refresh_taken: None,
            held: None,
            unlisted: false,
            gate: RepairGate::default(),
            wake_set: false,
            notice: None,
            last_attempt: None,
            reason: None,
            unreported: None,
            report_timer: false,
            unwritten: 0,
            told: false,
            unserved: false,
            retellable: None,
        }
    }

    /// Takes over what a watch shows. Returns whether a sync is asked for by annotation.
    pub(super) fn update(&mut self, seen: Seen) -> bool {
        self.shown = seen.shown;
        self.generation = seen.generation;
        self.deleting = seen.deleting;
        if *self.backend_type != *seen.backend_type {
            self.backend_type = seen.backend_type;
        }
        self.refresh = seen.refresh;
        self.is_forced()
    }

    /// Whether there may well be a Secret of this name that the watch on our own does not show: one was found,
    /// or KES synced the object, whose Secrets lack our label and whose status lacks conditions.
    pub(super) fn is_unlisted(&self) -> bool {
        let status = &self.shown.status;
        self.unlisted || (self.last_attempt.is_none() && status.is_success() && status.ready.is_none())
    }

    fn is_forced(&self) -> bool {
        self.refresh.is_some()
            && self.refresh != self.shown.status.observed_refresh
            && self.refresh != self.refresh_taken
    }

    /// Whether nothing came of it so far in this process, e.g. because its plugin was still to come.
    pub(super) fn is_untried(&self) -> bool {
        self.last_attempt.is_none() && !self.submitted && !self.told
    }

    /// Shows on the object why it cannot be served.
    pub(super) fn report(&mut self, key: &ObjectKey, failures: Vec<Failure>) -> Step {
        self.take_refresh();
        (self.told, self.unserved) = (true, true);
        Step::Report(key.clone(), failures)
    }

    /// Takes over what planning gave, if it took place.
    pub(super) fn replan(&mut self, planned: Option<Planned>) -> Plan {
        match planned {
            None => Plan::Same,
            Some(Ok(plan)) => {
                let known = self.plan.as_ref();
                if known.is_some_and(|known| known.same_work(&plan)) {
                    return Plan::Same;
                }
                let same_claims =
                    known.is_some_and(|known| known.claims == plan.claims && known.admission == plan.admission);
                self.plan = Some(Arc::new(plan));
                Plan::Other { same_claims }
            }
            Some(Err(failures)) => {
                self.plan = None;
                self.permit = Permit::unknown();
                Plan::None(failures)
            }
        }
    }

    /// The plan, if it may be fetched.
    pub(super) fn permitted(&self) -> Option<&Arc<ObjectPlan>> {
        self.plan.as_ref().filter(|_| self.permit == Permit::Granted)
    }

    /// Takes the object from the planner, if the planner has it.
    pub(super) fn forget(&mut self, key: &ObjectKey) -> Option<Step> {
        std::mem::take(&mut self.submitted).then(|| Step::Forget(key.clone()))
    }

    /// The same until it is known whether the object may be fetched. A refresh that was asked for and has not
    /// come to its end is asked for again then.
    pub(super) fn hold_back(&mut self, key: &ObjectKey) -> Option<Step> {
        if self.submitted {
            self.refresh_taken.clone_from(&self.shown.status.observed_refresh);
        }
        self.forget(key)
    }

    pub(super) fn take_refresh(&mut self) {
        self.refresh_taken.clone_from(&self.refresh);
    }

    /// The first time that the planner hears of the object.
    pub(super) fn first_submit(&mut self, secret_missing: bool) -> Option<Step> {
        let status = &self.shown.status;
        let keeps_secret = self.plan.as_ref().is_some_and(|plan| plan.interval.is_some());
        let is_done = status.is_success() && status.observed_generation.is_none_or(|done| done == self.generation);
        let cause = if self.is_forced() {
            Cause::Forced
        } else if !is_done || (secret_missing && keeps_secret) {
            Cause::New
        } else {
            Cause::Refresh
        };
        self.submit(cause)
    }

    /// The planner is to have the object again, at the time that it had for it.
    pub(super) fn resume(&mut self, secret_missing: bool) -> Option<Step> {
        // Nothing is held of a Secret that was about to be repaired.
        let in_repair = self.held.is_none() && self.last_attempt.is_some();
        self.first_submit(secret_missing || in_repair)
    }

    pub(super) fn submit(&mut self, cause: Cause) -> Option<Step> {
        let plan = Arc::clone(self.permitted()?);
        self.take_refresh();
        self.submitted = true;
        if std::mem::take(&mut self.unserved) {
            // Why it could not be served is nothing to say any more.
            (self.unreported, self.retellable) = (None, None);
        }
        let last_sync = self.last_attempt.or(self.shown.status.last_sync);
        Some(Step::Submit(Submit {
            last_sync,
            refresh: self.refresh_taken.clone(),
            ..Submit::new(plan, cause)
        }))
    }

    pub(super) fn repair(&mut self, now: Instant) -> Option<Step> {
        let interval = self.permitted()?.interval.unwrap_or(Duration::ZERO);
        self.held = None;
        if let Some(notice) = self.gate.repaired(now, interval) {
            self.notice = Some(notice);
        }
        self.submit(Cause::Repair)
    }

    /// By this process's last sync, else by the status.
    pub(super) fn last_reason(&self) -> Reason {
        self.reason.unwrap_or_else(|| {
            let status = &self.shown.status;
            let shown = status.ready.as_ref().map(|ready| &*ready.reason);
            let known = Reason::ALL.into_iter().find(|reason| Some(reason.as_str()) == shown);
            match known {
                Some(reason) => reason,
                None if status.is_success() => Reason::Synced,
                None => Reason::Pending,
            }
        })
    }

    /// Before another try to write the status; doubles with each that failed.
    pub(super) fn report_again_after(&mut self) -> Option<Duration> {
        if std::mem::replace(&mut self.report_timer, true) {
            return None;
        }
        let pause = doubled(REPORT_AGAIN, self.unwritten);
        self.unwritten = self.unwritten.saturating_add(1);
        Some(pause)
    }

    pub(super) fn finish(&mut self, finish: Finish) {
        if finish.unreadable {
            self.gate.failed();
        } else if finish.held.is_some() {
            self.gate.succeeded();
        }
        if finish.shown.is_some() {
            self.unwritten = 0;
        }
        if let Some(held) = finish.held {
            self.held = held;
        }
        if let Some(unlisted) = finish.unlisted {
            self.unlisted = unlisted;
        }
        if let Some((reason, at)) = finish.attempt {
            self.reason = Some(reason);
            self.last_attempt = Some(at);
            self.retellable = Some(at);
            self.unreported = finish.unreported;
        }
        // The watch may have shown a newer state meanwhile.
        if let Some(shown) = finish.shown
            && Version::of(&shown.resource_version) >= Version::of(&self.shown.resource_version)
        {
            self.shown = shown;
        }
    }
}
