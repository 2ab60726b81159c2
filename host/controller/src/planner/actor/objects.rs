//! What happens to objects: submitted, due, answered, forgotten.

use std::sync::Arc;
use std::time::Duration;

use keyhole_core::schedule::{FIRST_BACKOFF, first_due};
use keyhole_core::{Failure, GroupKey};
use tokio::time::Instant;

use super::Planner;
use crate::plan::{ObjectKey, ObjectPlan};
use crate::planner::group::GroupId;
use crate::planner::object::{Object, State, since_epoch};
use crate::planner::pace::Pace;
use crate::planner::pass::{Answer, Pass, Versions};
use crate::planner::{Cause, Done, PassId, Submit};

impl Planner {
    pub(super) fn submit(&mut self, submit: Submit, now: Instant) {
        match self.objects.get(&submit.plan.key) {
            None => self.admit(submit, now),
            Some(object) if object.plan.same_work(&submit.plan) => self.resubmit(submit, now),
            Some(_) => self.replan(submit, now),
        }
    }

    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.set_due(key, None);
        let Some(object) = self.objects.remove(key) else { return };
        if let State::Fetching(pass) = object.state {
            self.withdraw(pass);
        }
        self.leave(object.group, object.plan.interval);
    }

    /// The receipt for a delivery.
    pub(super) fn done(&mut self, done: &Done, now: Instant) {
        self.with_writers.remove(&done.pass);
        let Some(object) = self.objects.get_mut(&done.key) else {
            return;
        };
        let State::Delivered {
            pass,
            failed,
            cause,
            started,
            versions,
            ..
        } = &object.state
        else {
            return;
        };
        if *pass != done.pass {
            return;
        }
        let (failed, cause, started, versions) = (*failed, *cause, *started, versions.clone());
        object.state = State::Idle;
        match &done.result {
            _ if failed => {}
            Ok(()) => {
                object.succeeded();
                object.versions = versions;
                self.schedule_refresh(&done.key, started, now);
            }
            Err(failure) => {
                object.versions = None;
                self.schedule_retry(&done.key, cause, std::slice::from_ref(failure), now);
            }
        }
    }

    /// The moment has come that an object was due at.
    pub(super) fn fall_due(&mut self, key: &ObjectKey, now: Instant) {
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        let Some((_, cause)) = object.due.take() else { return };
        match object.state {
            // It is being worked on, and will have a new time when that ends.
            State::Fetching(_) => {}
            // The writers are behind: asking again now would take the result away from them.
            State::Delivered { taken: false, .. } => self.set_due(key, Some((now + FIRST_BACKOFF, cause))),
            State::Delivered { pass, failed, .. } => {
                self.with_writers.remove(&pass);
                if !failed {
                    // Whether it was written is not known.
                    object.versions = None;
                }
                self.start(key, cause, None, now);
            }
            State::Idle => self.start(key, cause, None, now),
        }
    }

    pub(super) fn schedule_retry(&mut self, key: &ObjectKey, cause: Cause, failures: &[Failure], now: Instant) {
        let random = self.random.f64();
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        let due = object
            .retry(failures, now, random)
            .map(|at| (at, object.retry_cause(cause)));
        self.set_due(key, due);
    }

    fn schedule_refresh(&mut self, key: &ObjectKey, started: Instant, now: Instant) {
        let clock = self.clock;
        let due = self.objects.get(key).and_then(|object| {
            let (grid, phase) = self.groups.get(object.group)?.ticks(object.plan.interval?);
            object.next_refresh(clock.wall(started), clock.wall(now), grid, phase)
        });
        self.set_due(key, due.map(|wall| (clock.instant(wall), Cause::Refresh)));
    }

    /// An object that was not known.
    fn admit(&mut self, submit: Submit, now: Instant) {
        let Submit {
            plan,
            cause,
            last_sync,
            known,
            refresh,
        } = submit;
        let (key, interval) = (plan.key.clone(), plan.interval);
        let group = self.enter(&plan, now);
        let known = known.and_then(|known| by_request(&plan, &known));
        let mut object = Object::new(plan, group);
        object.refresh = refresh;
        self.objects.insert(key.clone(), object);
        if cause.is_urgent() {
            self.start(&key, cause, known, now);
            return;
        }
        if let Some(object) = self.objects.get_mut(&key) {
            object.versions = known;
        }
        if let Some(interval) = interval {
            let wall = self.clock.wall(now);
            let due = first_due(last_sync.map(since_epoch), interval, wall, self.random.f64());
            self.set_due(&key, Some((self.clock.instant(due), Cause::Refresh)));
        }
    }

    /// The same plan once more.
    fn resubmit(&mut self, submit: Submit, now: Instant) {
        let Submit {
            plan,
            cause,
            known,
            refresh,
            ..
        } = submit;
        let key = plan.key.clone();
        let Some(object) = self.objects.get_mut(&key) else {
            return;
        };
        object.refresh = refresh;
        match cause {
            // The planner keeps the time of its objects by itself.
            Cause::Refresh => {}
            // It is being worked on.
            Cause::New if object.state != State::Idle => {}
            Cause::New | Cause::Edit | Cause::Forced => {
                let known = known.and_then(|known| by_request(&plan, &known));
                self.start(&key, cause, known, now);
            }
            Cause::Repair => {
                object.versions = None;
                let at = object.repair_at(now);
                if at <= now {
                    self.start(&key, cause, None, now);
                } else if let State::Fetching(pass) = object.state {
                    if let Some(pass) = self.passes.get_mut(&pass) {
                        pass.need_values();
                    }
                } else {
                    // What was delivered is no longer all there is to do.
                    object.state = State::Idle;
                    let due = object.due.filter(|(due, _)| *due <= at);
                    self.set_due(&key, due.or(Some((at, cause))));
                }
            }
        }
    }

    /// Another plan for a known object.
    fn replan(&mut self, submit: Submit, now: Instant) {
        let Submit {
            plan,
            cause,
            known,
            refresh,
            ..
        } = submit;
        let key = plan.key.clone();
        let entered = self.enter(&plan, now);
        let Some(object) = self.objects.get_mut(&key) else {
            return;
        };
        let (left, interval) = (object.group, object.plan.interval);
        let same_spec = object.plan.uid == plan.uid && object.plan.generation == plan.generation;
        let failing = object.failures > 0;
        object.replan(Arc::clone(&plan), entered);
        object.refresh = refresh;
        let state = object.state.clone();
        match (cause, state) {
            (Cause::Refresh, State::Fetching(pass)) if same_spec => {
                // What is under way is for a plugin or settings of before.
                let cause = self.passes.get(&pass).map_or(Cause::Edit, |pass| pass.cause);
                self.start(&key, cause, None, now);
            }
            (Cause::Refresh, _) if same_spec && !failing => {}
            (Cause::Refresh, _) => self.start(&key, Cause::Edit, None, now),
            (cause, _) => {
                let known = known.and_then(|known| by_request(&plan, &known));
                self.start(&key, cause, known, now);
            }
        }
        // Last, so that a group which is left and entered again keeps its pace.
        self.leave(left, interval);
    }

    fn enter(&mut self, plan: &ObjectPlan, now: Instant) -> GroupId {
        let (config, stores) = (&self.config, &mut self.stores);
        let pace = || Pace::new(config.start_per_second, config.most_per_second, config.burst, now);
        let store = |group: &GroupKey| stores.enter(group, pace);
        self.groups.enter(&plan.group, &plan.source, plan.interval, store)
    }

    fn leave(&mut self, group: GroupId, interval: Option<Duration>) {
        if let Some(store) = self.groups.leave(group, interval) {
            self.busy.remove(&group);
            self.stores.leave(store);
        }
    }

    /// Begins a pass; whatever was under way for the object is superseded.
    fn start(&mut self, key: &ObjectKey, cause: Cause, known: Option<Versions>, now: Instant) {
        self.set_due(key, None);
        self.last_pass += 1;
        let id = PassId(self.last_pass);
        let random = self.random.f64();
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        if cause == Cause::Repair {
            object.repair_begins(now, random);
        }
        let known = if cause.is_urgent() {
            known
        } else {
            object.versions.clone()
        };
        let before = std::mem::replace(&mut object.state, State::Fetching(id));
        let attempt = object.failures.saturating_add(1);
        let mut pass = Pass::new(Arc::clone(&object.plan), object.group, cause, now, known);
        pass.refresh.clone_from(&object.refresh);
        let (group, indices): (_, Vec<usize>) = (pass.group, pass.waiting().collect());
        self.passes.insert(id, pass);
        let refusal = self.refusal(group, now);
        for &index in &indices {
            match &refusal {
                Some(failure) => self.settle(id, index, Answer::CallFailed(failure.clone()), now),
                None => self.ask(id, index, attempt, now),
            }
        }
        if indices.is_empty() {
            self.finish(id, now);
        }
        // Afterwards, so that what both want stays in flight.
        if let State::Fetching(before) = before {
            self.withdraw(before);
        }
    }
}

/// Versions of an object's items as versions of its requests: of all or of none.
fn by_request(plan: &ObjectPlan, known: &[Option<Arc<str>>]) -> Option<Versions> {
    if known.len() != plan.items.len() {
        return None;
    }
    let mut versions: Vec<Option<Arc<str>>> = vec![None; plan.requests().len()];
    for (&need, version) in plan.needs().iter().zip(known) {
        let slot = versions.get_mut(need)?;
        match (&slot, version) {
            (_, None) => return None,
            (Some(one), Some(other)) if one != other => return None,
            _ => *slot = version.clone(),
        }
    }
    versions.into_iter().collect()
}
