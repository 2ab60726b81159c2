//! From answers to deliveries, and from there to the writers.
//!
//! The writers' channel is bounded and the actor must not wait for it, so deliveries stand in an outbox
//! first. It holds at most one for each object, and no call is started while it is full, so what it
//! can hold in values is bounded as well.

use tokio::time::Instant;

use super::Planner;
use crate::planner::object::State;
use crate::planner::pass::{Answer, Pass, Progress};
use crate::planner::{Delivered, Delivery, PassId};

impl Planner {
    /// Gives an answer to one request of a pass.
    pub(super) fn settle(&mut self, pass: PassId, index: usize, answer: Answer, now: Instant) {
        if let Some(waiting) = self.passes.get_mut(&pass)
            && waiting.settle(index, answer)
        {
            self.finish(pass, now);
        }
    }

    /// Goes on with a pass that waits for nothing.
    pub(super) fn finish(&mut self, id: PassId, now: Instant) {
        let Some(pass) = self.passes.get_mut(&id) else { return };
        let (result, versions) = match pass.progress() {
            Progress::AskAgain(indices) => {
                for index in indices {
                    self.ask(id, index, 1, now);
                }
                return;
            }
            Progress::Finished(result, versions) => (result, versions),
        };
        let Some(pass) = self.passes.remove(&id) else { return };
        let key = pass.plan.key.clone();
        let Some(object) = self.objects.get_mut(&key) else {
            return;
        };
        if object.current_pass() != Some(id) {
            return;
        }
        let failed = matches!(result, Delivered::Failed(_));
        let Pass {
            plan,
            cause,
            started,
            refresh,
            ..
        } = pass;
        object.state = State::Delivered {
            pass: id,
            taken: false,
            failed,
            cause,
            started,
            versions,
        };
        match &result {
            Delivered::Failed(failures) => self.schedule_retry(&key, cause, failures, now),
            // In case the receipt never comes.
            _ => self.set_due(&key, Some((now + self.config.lost_receipt, cause))),
        }
        self.outbox.push_back(Delivery {
            plan,
            cause,
            result,
            refresh,
            pass: id,
        });
    }

    /// Passes deliveries to the writers, as many as they have room for.
    pub(super) fn hand_out(&mut self, now: Instant) {
        while let Some(next) = self.outbox.front() {
            let current = self
                .objects
                .get_mut(&next.plan.key)
                .filter(|object| object.current_pass() == Some(next.pass));
            let Some(object) = current else {
                // Superseded or forgotten in the meantime.
                self.outbox.pop_front();
                continue;
            };
            let Ok(permit) = self.deliveries.try_reserve() else {
                return;
            };
            if let State::Delivered { taken, .. } = &mut object.state {
                *taken = true;
            }
            if let Some(delivery) = self.outbox.pop_front() {
                if matches!(delivery.result, Delivered::Answers(_)) {
                    self.with_writers.insert(delivery.pass, now);
                }
                permit.send(delivery);
            }
        }
    }

    /// Whether values will be let go of without another call: some are in flight, on their way, or
    /// with a writer that has not been silent for too long.
    pub(super) fn values_will_go(&mut self, now: Instant) -> bool {
        let longest = self.config.lost_receipt;
        self.with_writers
            .retain(|_, since| now.saturating_duration_since(*since) < longest);
        self.slots.running() > 0 || !self.outbox.is_empty() || !self.with_writers.is_empty()
    }
}
