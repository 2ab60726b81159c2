//! When one object is due.
//!
//! An object is either idle, being fetched, or with a writer. Successes move it to the last common
//! tick of its group that its interval allows, failures to a back-off; both are counted from here, so
//! an object can never be lost: as long as it is known, it is being worked on, or has a time, or has
//! rightly none (no refresh is wanted, or nothing but an edit can help).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_core::schedule::{self, Backoff, LONGEST_BACKOFF};
use keyhole_core::{Failure, Retry};
use tokio::time::Instant;

use super::group::GroupId;
use super::pass::Versions;
use super::{Cause, PassId};
use crate::plan::ObjectPlan;

/// Times of the actor as times since the Unix epoch, so that common ticks are the same after a restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    epoch: Duration,
}

impl Clock {
    pub(super) fn new(start: Instant, now: Timestamp) -> Self {
        Self {
            start,
            epoch: since_epoch(now),
        }
    }

    pub(super) fn wall(&self, at: Instant) -> Duration {
        self.epoch + at.saturating_duration_since(self.start)
    }

    pub(super) fn instant(&self, wall: Duration) -> Instant {
        // Far beyond any interval, and still a time that an `Instant` can hold.
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
        self.start + wall.saturating_sub(self.epoch).min(LONGEST)
    }
}

pub(super) fn since_epoch(time: Timestamp) -> Duration {
    u64::try_from(time.as_millisecond()).map_or(Duration::ZERO, Duration::from_millis)
}

/// Failures in a row after which an object is no longer urgent.
const URGENT_RETRIES: u32 = 3;

/// What an object is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Fetching(PassId),
    /// Delivered, not yet answered.
    Delivered {
        pass: PassId,
        /// Whether it has left for a writer.
        taken: bool,
        /// What was delivered is a failure; the next attempt has its time already.
        failed: bool,
        cause: Cause,
        started: Instant,
        /// Versions of what was delivered.
        versions: Option<Versions>,
    },
}

impl State {
    fn forget_versions(&mut self) {
        if let Self::Delivered { versions, .. } = self {
            *versions = None;
        }
    }
}

/// One object that the planner knows.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) plan: Arc<ObjectPlan>,
    pub(super) group: GroupId,
    pub(super) state: State,
    /// When it is next asked for, and why. Kept in the actor's queue as well.
    pub(super) due: Option<(Instant, Cause)>,
    /// Versions of what was last written for this very plan.
    pub(super) versions: Option<Versions>,
    backoff: Backoff,
    pub(super) failures: u32,
    /// The refresh annotation that the next pass takes care of.
    pub(super) refresh: Option<Arc<str>>,
    repairs: Repairs,
}

impl Object {
    pub(super) fn new(plan: Arc<ObjectPlan>, group: GroupId) -> Self {
        let backoff = Backoff::new(plan.interval);
        let repairs = Repairs::new(plan.interval);
        Self {
            plan,
            group,
            state: State::Idle,
            due: None,
            versions: None,
            backoff,
            failures: 0,
            refresh: None,
            repairs,
        }
    }

    /// The pass that a delivery or receipt must belong to.
    pub(super) fn current_pass(&self) -> Option<PassId> {
        match self.state {
            State::Idle => None,
            State::Fetching(pass) | State::Delivered { pass, .. } => Some(pass),
        }
    }

    /// Takes another plan; nothing that was known holds for it.
    pub(super) fn replan(&mut self, plan: Arc<ObjectPlan>, group: GroupId) {
        self.backoff = Backoff::new(plan.interval);
        self.repairs = Repairs::new(plan.interval);
        self.failures = 0;
        self.versions = None;
        self.state.forget_versions();
        self.plan = plan;
        self.group = group;
    }

    pub(super) fn succeeded(&mut self) {
        self.backoff.reset();
        self.failures = 0;
    }

    /// When to try again after `failures`; nothing when only a change can help. All of them stand in
    /// the way, so the one that takes longest decides.
    pub(super) fn retry(&mut self, failures: &[Failure], now: Instant, random: f64) -> Option<Instant> {
        self.failures = self.failures.saturating_add(1);
        let step = self.backoff.next(random);
        let mut wait = Duration::ZERO;
        for failure in failures {
            let after = match failure.reason.retry() {
                Retry::Backoff => step.max(failure.retry_after.unwrap_or_default().min(LONGEST_BACKOFF)),
                Retry::Interval => self.plan.interval.unwrap_or(step),
                // What stands in the store may be mended there; the host does not see it. So such an
                // object is asked as often as one in good order, and no more.
                Retry::OnChange => self.plan.interval?,
            };
            wait = wait.max(after);
        }
        Some(now + wait)
    }

    /// Why it is tried again that was asked for because of `cause`. At first it is still that; an object
    /// that goes on failing must not overtake the refreshes of all others for ever.
    pub(super) fn retry_cause(&self, cause: Cause) -> Cause {
        if self.failures <= URGENT_RETRIES {
            cause
        } else {
            Cause::Refresh
        }
    }

    /// The next refresh of an object that was fetched from `started` on: on the last tick of `grid` not
    /// later than its interval allows, in wall-clock time.
    pub(super) fn next_refresh(
        &self,
        started: Duration,
        now: Duration,
        grid: Duration,
        phase: Duration,
    ) -> Option<Duration> {
        let interval = self.plan.interval?;
        Some(schedule::next_refresh(started, now, interval, grid, phase))
    }

    /// When a repair may begin that is asked for now.
    pub(super) fn repair_at(&self, now: Instant) -> Instant {
        self.repairs.not_before.map_or(now, |at| at.max(now))
    }

    /// A repair begins.
    pub(super) fn repair_begins(&mut self, now: Instant, random: f64) {
        self.repairs.begin(now, random);
    }
}

/// Repairs of one object. The first is immediate; if the next is needed soon, somebody else writes
/// the same Secret, and answering each of their writes at once would be a fight at full speed.
#[derive(Debug)]
struct Repairs {
    backoff: Backoff,
    quiet: Duration,
    not_before: Option<Instant>,
}

impl Repairs {
    fn new(interval: Option<Duration>) -> Self {
        let longest = interval.unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF);
        Self {
            backoff: Backoff::new(interval),
            quiet: longest * 2,
            not_before: None,
        }
    }

    fn begin(&mut self, now: Instant, random: f64) {
        if self
            .not_before
            .is_some_and(|at| now.saturating_duration_since(at) > self.quiet)
        {
            self.backoff.reset();
        }
        self.not_before = Some(now + self.backoff.next(random));
    }
}

#[cfg(test)]
mod tests;
