//! What a call says about its store beside the answers: that it is there, too busy, or gone.
//!
//! Being throttled and being down concern a store, and so all groups that share it; trouble of the host and of
//! single requests concern the group. Whoever would have to wait for longer than a moment is told why.

use std::time::Duration;

use keyhole_core::Failure;
use tokio::time::Instant;

use super::Planner;
use crate::planner::batch::{Asked, Trouble};
use crate::planner::breaker::{Moment, Witnesses};
use crate::planner::cost::Load;
use crate::planner::group::GroupId;
use crate::planner::pass::Answer;
use crate::planner::queue::Taken;
use crate::planner::store::StoreId;

/// The call that something is said about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) group: GroupId,
    pub(super) store: StoreId,
    pub(super) started: Instant,
    /// Whether any of its requests was answered.
    pub(super) brought_answers: bool,
    pub(super) witnesses: Witnesses,
}

/// What one call says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) load: Load,
    /// Requests in the call, those with an answer, and those that were throttled.
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) throttled: usize,
    /// Exchanges.
    pub(super) cost: f64,
    /// Exchanges that were answered with a status of success.
    pub(super) succeeded: f64,
    /// Exchanges that it was charged with at first.
    pub(super) expected: f64,
}

impl Word {
    /// How many exchanges got what they asked for. A status of success says so, but not every store has one,
    /// and an entry that is absent counts against the quota too. So where some were throttled, one
    /// for each answer is the least, as when asking singly.
    #[expect(clippy::cast_precision_loss, reason = "batches are small")]
    fn passed(&self) -> f64 {
        match (self.throttled, self.answered) {
            (0, 0) => 0.0,
            (0, _) => self.cost,
            (_, answered) => (answered as f64).max(self.succeeded).min(self.cost),
        }
    }
}

impl Planner {
    /// Takes note of what a call cost, and of its store if it answered.
    pub(super) fn heard(&mut self, source: Source, word: Word, now: Instant) {
        if let Some(group) = self.groups.get_mut(source.group) {
            if word.throttled == 0 && word.answered > 0 || word.cost > word.expected {
                group.cost.learn(word.load, word.cost);
            } else if word.throttled > 0 && word.answered == 0 {
                // Cut short by throttling, it cost less than it would have. That it got nothing done says that
                // it was too large.
                group.cost.learn(word.load, word.expected);
            }
        }
        if let Some(store) = self.stores.get_mut(source.store)
            && (word.answered > 0 || word.throttled > 0)
        {
            store.answered(now, word.passed());
        }
    }

    /// Pauses what the trouble concerns. Whether its requests are worth waiting for.
    pub(super) fn pause(
        &mut self,
        source: Source,
        trouble: Trouble,
        failure: &Failure,
        rest: Option<Duration>,
        now: Instant,
    ) -> bool {
        let at = Moment {
            now,
            random: self.random.f64(),
            hold: self.config.hold,
        };
        let (Some(group), Some(store)) = (self.groups.get_mut(source.group), self.stores.get_mut(source.store)) else {
            return false;
        };
        let was_resting = group.rest.until(now).is_some() || store.rests(now);
        let wait = match trouble {
            Trouble::Throttled => Some(store.throttled(failure.clone(), rest, source.started, at)),
            Trouble::Away if source.brought_answers => None,
            Trouble::Away => store.failed(failure.clone(), rest, source.witnesses, source.started, at),
            Trouble::Host => Some(group.rest.begin(failure.clone(), rest, now, at.random)),
        };
        let wait = wait.unwrap_or_else(|| {
            // Some entries are ill. Their objects back off by themselves; the others wait for a moment only.
            group.rest.reset();
            group.rest.begin(failure.clone(), rest, now, at.random)
        });
        if !was_resting {
            let state = store.state();
            tracing::warn!(
                plugin = %group.key.plugin,
                region = group.key.region.as_deref(),
                identity = %group.key.identity,
                reason = failure.reason.as_str(),
                error = %failure.message,
                pause_ms = wait.as_millis(),
                per_second = state.per_second.round(),
                breaker = state.breaker.label(),
                "a store is left alone for a while"
            );
        }
        wait <= self.config.hold
    }

    /// Puts a request back that may be answered later, or tells its objects what is wrong.
    pub(super) fn ask_again_or_fail(
        &mut self,
        id: GroupId,
        asked: Asked,
        trouble: Trouble,
        answer: Option<&Answer>,
        otherwise: &Answer,
        now: Instant,
    ) {
        match (answer, self.groups.get_mut(id)) {
            (None, Some(group)) if asked.has_tries_left(trouble) => {
                group.queue.put_back(asked.again());
                self.busy.insert(id);
            }
            (answer, _) => self.answer(&asked.into_taken(), answer.unwrap_or(otherwise), now),
        }
    }

    /// What to say to objects of a group in place of letting them wait.
    pub(super) fn refusal(&self, id: GroupId, now: Instant) -> Option<Failure> {
        let (group, hold) = (self.groups.get(id)?, self.config.hold);
        let store = self.stores.get(group.store);
        store
            .and_then(|store| store.refusal(now, hold))
            .or_else(|| group.rest.refusal(now, hold))
    }

    /// In a pause that is too long to wait for, everything that waits for its end fails.
    pub(super) fn refuse_what_waits(&mut self, store: StoreId, now: Instant) {
        for id in self.groups.of_store(store) {
            if let Some(failure) = self.refusal(id, now)
                && let Some(group) = self.groups.get_mut(id)
            {
                let waiting = group.queue.drain();
                self.fail(waiting, &Answer::CallFailed(failure), now);
            }
        }
    }

    pub(super) fn fail(&mut self, taken: Vec<Taken>, answer: &Answer, now: Instant) {
        for taken in &taken {
            self.answer(taken, answer, now);
        }
    }

    pub(super) fn answer(&mut self, taken: &Taken, answer: &Answer, now: Instant) {
        for waiter in taken.waiters.values() {
            self.settle(waiter.pass, waiter.index, answer.clone(), now);
        }
    }
}
