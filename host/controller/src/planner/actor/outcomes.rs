//! What comes of calls that ended: answers to hand on, requests to ask again, failures to tell.

use std::time::Duration;

use keyhole_core::{CallError, Failure, Outcome};
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::Planner;
use super::calls::{Ended, Job};
use crate::planner::batch::{Asked, Flight, Remedy, SPLIT_BUDGET, remedy, rest_asked_for};
use crate::planner::group::{GroupId, Settings};
use crate::planner::pass::{Answer, answer_of};
use crate::planner::queue::Taken;

impl Planner {
    pub(super) fn call_ended(&mut self, ended: Result<(Id, Ended), JoinError>, now: Instant) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => (error.id(), None),
        };
        let lost = || CallError::Host("the call broke off".to_owned());
        match self.jobs.remove(&id) {
            // Given up before.
            None => {}
            Some(Job::Fetch(flight)) => {
                self.landed(id, &flight);
                let result = match ended {
                    Some(Ended::Fetched(result)) => result,
                    Some(Ended::Validated(_)) | None => Err(lost()),
                };
                self.fetched(flight, result, now);
            }
            Some(Job::Validate { group, plugin, .. }) => {
                self.slots.ended(&plugin);
                let result = match ended {
                    Some(Ended::Validated(result)) => result,
                    Some(Ended::Fetched(_)) | None => Err(Failure::from(&lost())),
                };
                self.validated(group, result, now);
            }
        }
    }

    fn validated(&mut self, id: GroupId, result: Result<(), Failure>, now: Instant) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.running = group.running.saturating_sub(1);
        // A plan with another grant of the same plugin may have come in the meantime.
        if !matches!(group.settings, Settings::Asked) {
            return;
        }
        match result {
            Ok(()) => group.settings = Settings::Accepted,
            Err(failure) => {
                group.settings = Settings::Unknown;
                let waiting = group.queue.drain();
                self.fail(waiting, &Answer::CallFailed(failure), now);
            }
        }
    }

    fn fetched(&mut self, flight: Flight, result: Result<Vec<Outcome>, CallError>, now: Instant) {
        let asked = flight.asked.len();
        let result = result.and_then(|outcomes| match outcomes.len() {
            given if given == asked => Ok(outcomes),
            given => Err(CallError::Protocol(format!(
                "it gave {given} outcomes for {asked} requests"
            ))),
        });
        if let (Some(observer), Some(group)) = (&self.observer, self.groups.get(flight.group)) {
            let took = now.saturating_duration_since(flight.started);
            observer.call_ended(&group.key, asked, took, result.as_ref().map(|_| ()));
        }
        match result {
            Ok(outcomes) => self.answered(flight, outcomes, now),
            Err(error) => self.call_failed(flight, &error, now),
        }
    }

    fn answered(&mut self, flight: Flight, outcomes: Vec<Outcome>, now: Instant) {
        let mut troubled: Option<(Failure, Option<Duration>)> = None;
        let mut again = Vec::new();
        for (asked, outcome) in flight.asked.into_iter().zip(outcomes) {
            match answer_of(outcome, &asked.request.selector, asked.known.is_some(), &self.ledger) {
                Ok(answer) => self.answer(&asked.into_taken(), &answer, now),
                Err(error) => match rest_asked_for(&error.kind) {
                    Some(rest) => {
                        let longest = troubled.as_ref().and_then(|(_, longest)| *longest).max(rest);
                        troubled = Some((Failure::from(&error), longest));
                        again.push((asked, Failure::from(&error)));
                    }
                    None => self.answer(&asked.into_taken(), &Answer::Failed(Failure::from(&error)), now),
                },
            }
        }
        if let Some(group) = self.groups.get_mut(flight.group) {
            group.faults = 0;
            group.failing = false;
            if troubled.is_none() {
                group.pace.answered();
            }
        }
        if let Some((failure, rest)) = troubled {
            let worth = self.pause(flight.group, &failure, rest, now);
            for (asked, failure) in again {
                self.ask_again_or_fail(flight.group, asked, worth, &Answer::Failed(failure), now);
            }
            self.refuse_if_paused(flight.group, now);
        }
    }

    fn call_failed(&mut self, flight: Flight, error: &CallError, now: Instant) {
        let failure = Failure::from(error);
        let id = flight.group;
        let Some(group) = self.groups.get_mut(id) else { return };
        match remedy(error) {
            Remedy::Pause(rest) => {
                group.failing = true;
                let worth = self.pause(id, &failure, rest, now);
                for asked in flight.asked {
                    self.ask_again_or_fail(id, asked, worth, &Answer::CallFailed(failure.clone()), now);
                }
                self.refuse_if_paused(id, now);
            }
            Remedy::Split { weight } => {
                group.faults = group.faults.saturating_add(weight);
                group.failing |= matches!(error, CallError::Wall(_));
                let is_broken = group.faults >= SPLIT_BUDGET;
                if flight.asked.len() > 1 && !is_broken {
                    let mut first: Vec<Taken> = flight.asked.into_iter().map(Asked::apart).collect();
                    let second = first.split_off(first.len() / 2);
                    group.queue.put_back_apart(first);
                    group.queue.put_back_apart(second);
                    self.busy.insert(id);
                } else {
                    let answer = match flight.asked.len() {
                        1 => Answer::Failed(failure.clone()),
                        _ => Answer::CallFailed(failure.clone()),
                    };
                    self.fail(flight.asked.into_iter().map(Asked::into_taken).collect(), &answer, now);
                    if is_broken {
                        self.pause(id, &failure, None, now);
                        self.refuse_if_paused(id, now);
                    }
                }
            }
            Remedy::Fail => {
                let failed = flight.asked.into_iter().map(Asked::into_taken).collect();
                self.fail(failed, &Answer::CallFailed(failure), now);
            }
        }
    }

    /// Pauses a group. Whether its requests are worth waiting for.
    fn pause(&mut self, id: GroupId, failure: &Failure, rest: Option<Duration>, now: Instant) -> bool {
        let random = self.random.f64();
        let Some(group) = self.groups.get_mut(id) else {
            return false;
        };
        let was_paused = group.is_paused(now);
        let wait = group.pace.pause(now, rest, random);
        if !was_paused {
            tracing::warn!(
                plugin = %group.key.plugin,
                region = group.key.region.as_deref(),
                identity = %group.key.identity,
                reason = failure.reason.as_str(),
                error = %failure.message,
                pause_ms = wait.as_millis(),
                "a store is left alone for a while"
            );
        }
        group.trouble = Some((failure.clone(), now + wait));
        wait <= self.config.hold
    }

    fn ask_again_or_fail(&mut self, id: GroupId, asked: Asked, worth: bool, answer: &Answer, now: Instant) {
        match self.groups.get_mut(id) {
            Some(group) if worth && asked.has_tries_left() => {
                group.queue.put_back(asked.again());
                self.busy.insert(id);
            }
            _ => self.answer(&asked.into_taken(), answer, now),
        }
    }

    /// In a pause that is too long to wait for, everything that waits fails.
    fn refuse_if_paused(&mut self, id: GroupId, now: Instant) {
        let hold = self.config.hold;
        let Some(group) = self.groups.get_mut(id) else { return };
        if let Some(failure) = group.refusal(now, hold) {
            let waiting = group.queue.drain();
            self.fail(waiting, &Answer::CallFailed(failure), now);
        }
    }

    fn fail(&mut self, taken: Vec<Taken>, answer: &Answer, now: Instant) {
        for taken in &taken {
            self.answer(taken, answer, now);
        }
    }

    fn answer(&mut self, taken: &Taken, answer: &Answer, now: Instant) {
        for waiter in taken.waiters.values() {
            self.settle(waiter.pass, waiter.index, answer.clone(), now);
        }
    }
}
