//! What happens to calls: started, ended, failed, given up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::{CallError, Failure, GroupKey, Outcome, PluginId};
use tokio::task::{AbortHandle, Id, JoinError};
use tokio::time::{Instant, timeout};

use super::Planner;
use crate::planner::PassId;
use crate::planner::batch::{Asked, Flight, Remedy, SPLIT_BUDGET, remedy, rest_asked_for};
use crate::planner::group::{GroupId, Settings, is_slow};
use crate::planner::pass::{Answer, answer_of};
use crate::planner::queue::{Gather, LaneKey, Rank, Ready, Taken, Waiter};
use crate::planner::slots::Applicant;

/// A call in flight.
pub(super) enum Job {
    /// For values.
    Fetch(Flight),
    /// For what the plugin thinks of a group's settings.
    Validate {
        group: GroupId,
        plugin: PluginId,
        abort: AbortHandle,
    },
}

/// What a task that made a call brings back.
pub(super) enum Ended {
    Fetched(Result<Vec<Outcome>, CallError>),
    Validated(Result<(), Failure>),
}

/// The next thing to do for a group.
enum Next {
    Validate,
    Fetch(LaneKey),
}

impl Planner {
    /// Makes a pass wait for one of its requests: on a call in flight that will do, or in the queue.
    pub(super) fn ask(&mut self, pass: PassId, index: usize, attempt: u32, now: Instant) {
        let Some(waiting) = self.passes.get(&pass) else { return };
        let (id, plan) = (waiting.group, Arc::clone(&waiting.plan));
        let (Some(request), Some(group)) = (plan.requests().get(index), self.groups.get_mut(id)) else { return };
        let waiter = Waiter {
            pass,
            index,
            compartment: plan.group.namespace.clone(),
            known: waiting.known(index).cloned(),
            since: waiting.started,
            cause: waiting.cause,
        };
        for call in group.in_flight.get(request).into_iter().flatten().rev() {
            if let Some(Job::Fetch(flight)) = self.jobs.get_mut(call)
                && (waiting.cause.may_join_calls_in_flight() || flight.started >= waiting.started)
                && flight.offer(request, &waiter)
            {
                return;
            }
        }
        group.queue.join(request, waiter, attempt, now);
        self.busy.insert(id);
    }

    /// Ends a pass that nobody wants any more, and calls that were made for it alone.
    pub(super) fn withdraw(&mut self, id: PassId) {
        let Some(pass) = self.passes.remove(&id) else { return };
        let mut unwanted = Vec::new();
        for request in pass.waiting().filter_map(|index| pass.plan.requests().get(index)) {
            let Some(group) = self.groups.get_mut(pass.group) else { return };
            if group.queue.leave(request, id) {
                continue;
            }
            for &call in group.in_flight.get(request).into_iter().flatten() {
                if let Some(Job::Fetch(flight)) = self.jobs.get_mut(&call)
                    && !flight.leave(request, id)
                {
                    unwanted.push(call);
                }
            }
        }
        for call in unwanted {
            if let Some(Job::Fetch(flight)) = self.jobs.remove(&call) {
                flight.abort.abort();
                self.landed(call, &flight);
            }
        }
    }

    pub(super) fn give_up_validations(&mut self) {
        self.jobs.retain(|_, job| match job {
            Job::Fetch(_) => true,
            Job::Validate { plugin, abort, .. } => {
                abort.abort();
                self.slots.ended(plugin);
                false
            }
        });
    }

    /// Starts every call that may go now; says when the next one may by the clock alone.
    pub(super) fn start_calls(&mut self, now: Instant) -> Option<Instant> {
        loop {
            self.starved = false;
            if self.slots.are_taken() || self.outbox.len() >= self.config.deliveries {
                return None;
            }
            if self.ledger.is_full() && self.values_will_go(now) {
                self.starved = true;
                return None;
            }
            match self.next_call(now) {
                (Some((group, Next::Fetch(lane))), _) => self.fetch(group, &lane, now),
                (Some((group, Next::Validate)), _) => self.validate(group),
                (None, wake) => return wake,
            }
        }
    }

    /// The most urgent thing that may be done, or when there will be one.
    fn next_call(&mut self, now: Instant) -> (Option<(GroupId, Next)>, Option<Instant>) {
        let gather = Gather { quiet: self.config.gather, at_most: self.config.gather_at_most };
        let mut slow: HashMap<GroupId, bool> = HashMap::new();
        let mut suspects: HashMap<PluginId, usize> = HashMap::new();
        for job in self.jobs.values() {
            if let Job::Fetch(flight) = job {
                *slow.entry(flight.group).or_default() |= is_slow(flight.started, now);
            }
        }
        for (id, slow) in &slow {
            if let Some(group) = self.groups.get(*id).filter(|group| *slow || group.failing) {
                *suspects.entry(group.key.plugin.clone()).or_default() += group.running;
            }
        }
        let (mut best, mut wake): (Option<(Rank, GroupId, Next)>, Option<Instant>) = (None, None);
        let mut later = |at: Instant| wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
        let mut idle = Vec::new();
        for &id in &self.busy {
            let Some(group) = self.groups.get_mut(id).filter(|group| !group.queue.is_empty()) else {
                idle.push(id);
                continue;
            };
            let (rank, lane) = match group.queue.ready(now, gather) {
                Ready::Now(rank, lane) => (rank, lane),
                Ready::At(at) => {
                    later(at);
                    continue;
                }
                Ready::Never => continue,
            };
            let next = match group.settings {
                Settings::Accepted => Next::Fetch(lane),
                Settings::Unknown => Next::Validate,
                Settings::Asked => continue,
            };
            let at = group.pace.next_call(now);
            if at > now {
                later(at);
                continue;
            }
            let applicant = Applicant {
                plugin: &group.key.plugin,
                share: group.source.concurrent_calls(),
                running: group.running,
                failing: group.failing,
                slow: slow.get(&id).copied().unwrap_or(false),
                suspects: suspects.get(&group.key.plugin).copied().unwrap_or(0),
            };
            if self.slots.admits(&applicant) && best.as_ref().is_none_or(|(best, ..)| rank < *best) {
                best = Some((rank, id, next));
            }
        }
        for id in idle {
            self.busy.remove(&id);
        }
        (best.map(|(_, id, next)| (id, next)), wake)
    }

    fn fetch(&mut self, id: GroupId, lane: &LaneKey, now: Instant) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let taken = group.queue.cut(lane, group.source.max_batch());
        let asked: Vec<Asked> = taken.into_iter().map(Asked::new).collect();
        if asked.is_empty() {
            return;
        }
        let attempt = asked.iter().map(|asked| asked.attempt).max().unwrap_or(1);
        let namespace = match lane.compartments.as_slice() {
            [namespace] => namespace.clone(),
            _ => None,
        };
        let key = GroupKey { namespace, ..group.key.clone() };
        let planned: Vec<_> = asked.iter().map(Asked::planned).collect();
        let (source, longest) = (Arc::clone(&group.source), self.config.call_at_most);
        let abort = self.calls.spawn(async move {
            let call = source.fetch(&key, attempt, &planned);
            Ended::Fetched(timeout(longest, call).await.unwrap_or(Err(CallError::Wall(longest))))
        });
        let call = abort.id();
        for asked in &asked {
            group.in_flight.entry(asked.request.clone()).or_default().push(call);
        }
        group.running += 1;
        group.pace.called(now);
        self.slots.started(&group.key.plugin);
        let compartments = lane.compartments.clone();
        let plugin = group.key.plugin.clone();
        self.jobs.insert(call, Job::Fetch(Flight { group: id, plugin, asked, compartments, started: now, abort }));
    }

    fn validate(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let (source, settings) = (Arc::clone(&group.source), group.key.settings.clone());
        let longest = self.config.call_at_most;
        let abort = self.calls.spawn(async move {
            let answer = timeout(longest, source.validate(&settings)).await;
            Ended::Validated(answer.unwrap_or_else(|_| Err(Failure::from(&CallError::Wall(longest)))))
        });
        group.settings = Settings::Asked;
        group.running += 1;
        let plugin = group.key.plugin.clone();
        self.slots.started(&plugin);
        self.jobs.insert(abort.id(), Job::Validate { group: id, plugin, abort });
    }

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

    fn landed(&mut self, call: Id, flight: &Flight) {
        self.slots.ended(&flight.plugin);
        if let Some(group) = self.groups.get_mut(flight.group) {
            group.running = group.running.saturating_sub(1);
            group.landed(call, flight.asked.iter().map(|asked| &asked.request));
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
            given => Err(CallError::Protocol(format!("it gave {given} outcomes for {asked} requests"))),
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
                if flight.asked.len() > 1 && group.faults < SPLIT_BUDGET {
                    let mut first: Vec<Taken> = flight.asked.into_iter().map(Asked::apart).collect();
                    let second = first.split_off(first.len() / 2);
                    group.queue.put_back_apart(first);
                    group.queue.put_back_apart(second);
                    self.busy.insert(id);
                } else {
                    let answer = match flight.asked.len() {
                        1 => Answer::Failed(failure),
                        _ => Answer::CallFailed(failure),
                    };
                    self.fail(flight.asked.into_iter().map(Asked::into_taken).collect(), &answer, now);
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
        let Some(group) = self.groups.get_mut(id) else { return false };
        let wait = group.pace.pause(now, rest, random);
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
