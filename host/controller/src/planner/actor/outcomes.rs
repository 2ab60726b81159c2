//! What comes of calls that ended: answers to hand on, requests to ask again, failures to tell.

use std::time::Duration;

use keyhole_core::{CallError, Failure, Outcome, Reason, StoreErrorKind};
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::Planner;
use super::calls::{Ended, Job};
use super::pauses::{Source, Word};
use crate::planner::CallReport;
use crate::planner::batch::{Asked, Flight, Remedy, SPLIT_BUDGET, Trouble, is_answer, remedy, trouble_of};
use crate::planner::breaker::Witnesses;
use crate::planner::group::{GroupId, Settings};
use crate::planner::pass::{Answer, answer_of};
use crate::planner::queue::Taken;

/// A request that may be answered later.
struct Troubled {
    asked: Asked,
    trouble: Trouble,
    rest: Option<Duration>,
    /// What its own objects are told.
    own: Failure,
    /// What objects are told that wait for the same store.
    to_all: Failure,
}

/// What one answer says to everybody who needs the store. A plugin's text about one entry may name it, and
/// others, of other tenants, have nothing to do with it; what the host found names the host alone.
fn told_to_all(kind: &StoreErrorKind, trouble: Trouble) -> Failure {
    match (kind, trouble) {
        (StoreErrorKind::Host(error), _) => Failure::from(&**error),
        (_, Trouble::Throttled) => Failure::new(Reason::Throttled, "the store asks for fewer calls"),
        (_, Trouble::Away | Trouble::Host) => Failure::new(
            Reason::Unavailable,
            "the store cannot answer at the moment; it failed for several entries in a row",
        ),
    }
}

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
            observer.call_ended(&CallReport {
                group: &group.key,
                requests: asked,
                throttled: throttled(&result, asked),
                took: now.saturating_duration_since(flight.started),
                result: result.as_ref().map(|_| ()),
            });
        }
        match result {
            Ok(outcomes) => self.answered(flight, outcomes, now),
            Err(error) => self.call_failed(flight, &error, now),
        }
    }

    fn answered(&mut self, flight: Flight, outcomes: Vec<Outcome>, now: Instant) {
        let (mut word, mut source) = (word_of(&flight), source_of(&flight));
        let mut troubled = Vec::new();
        for (asked, outcome) in flight.asked.into_iter().zip(outcomes) {
            match answer_of(outcome, &asked.request.selector, asked.known.is_some(), &self.ledger) {
                Ok(answer) => {
                    word.answered += 1;
                    self.answer(&asked.into_taken(), &answer, now);
                }
                Err(error) => match trouble_of(&error.kind) {
                    Some((trouble, rest)) => {
                        word.throttled += usize::from(trouble == Trouble::Throttled);
                        troubled.push(Troubled {
                            asked,
                            trouble,
                            rest,
                            to_all: told_to_all(&error.kind, trouble),
                            own: Failure::from(&error),
                        });
                    }
                    None => {
                        word.answered += 1;
                        self.answer(&asked.into_taken(), &Answer::Failed(Failure::from(&error)), now);
                    }
                },
            }
        }
        source.brought_answers = word.answered > 0;
        self.heard(source, word, now);
        if let Some(group) = self.groups.get_mut(source.group) {
            group.faults = 0;
            group.failing = word.answered == 0 && word.throttled == 0;
            if troubled.is_empty() {
                group.rest.reset();
            }
        }
        self.again(source, troubled, now);
    }

    /// Pauses once for each kind of trouble, for the longest rest that is asked for, and then asks again for
    /// what met it, if that is worth waiting for.
    fn again(&mut self, source: Source, troubled: Vec<Troubled>, now: Instant) {
        let mut waits = Vec::new();
        for kind in [Trouble::Throttled, Trouble::Away, Trouble::Host] {
            let met = || troubled.iter().filter(|troubled| troubled.trouble == kind);
            if let Some(last) = met().next_back() {
                let longest = met().filter_map(|troubled| troubled.rest).max();
                waits.push((kind, self.pause(source, kind, &last.to_all, longest, now)));
            }
        }
        if troubled.is_empty() {
            return;
        }
        let refusal = self.refusal(source.group, now).map(Answer::CallFailed);
        for Troubled {
            asked, trouble, own, ..
        } in troubled
        {
            let is_worth_it = waits.iter().any(|&(kind, is_short)| kind == trouble && is_short);
            let own = Answer::Failed(own);
            let answer = refusal.as_ref().or((!is_worth_it).then_some(&own));
            self.ask_again_or_fail(source.group, asked, trouble, answer, &own, now);
        }
        self.refuse_what_waits(source.store, now);
    }

    fn call_failed(&mut self, flight: Flight, error: &CallError, now: Instant) {
        let failure = Failure::from(error);
        let (id, mut word, source) = (flight.group, word_of(&flight), source_of(&flight));
        if is_answer(error) {
            word.answered = word.asked;
        }
        if matches!(remedy(error), Remedy::Pause(Trouble::Throttled, _)) {
            word.throttled = word.asked;
        }
        self.heard(source, word, now);
        let Some(group) = self.groups.get_mut(id) else { return };
        match remedy(error) {
            Remedy::Pause(trouble, rest) => {
                group.failing = trouble != Trouble::Throttled;
                let is_worth_it = self.pause(source, trouble, &failure, rest, now);
                let own = Answer::CallFailed(failure);
                let refusal = self.refusal(id, now).map(Answer::CallFailed);
                let answer = refusal.as_ref().or((!is_worth_it).then_some(&own));
                for asked in flight.asked {
                    self.ask_again_or_fail(id, asked, trouble, answer, &own, now);
                }
                self.refuse_what_waits(source.store, now);
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
                        self.pause(source, Trouble::Host, &failure, None, now);
                        self.refuse_what_waits(source.store, now);
                    }
                }
            }
            Remedy::Fail => {
                let failed = flight.asked.into_iter().map(Asked::into_taken).collect();
                self.fail(failed, &Answer::CallFailed(failure), now);
            }
        }
    }
}

fn source_of(flight: &Flight) -> Source {
    Source {
        group: flight.group,
        store: flight.store,
        started: flight.started,
        brought_answers: false,
        witnesses: Witnesses::of(flight.asked.iter().map(|asked| &asked.request)),
    }
}

fn word_of(flight: &Flight) -> Word {
    Word {
        load: flight.load,
        asked: flight.asked.len(),
        answered: 0,
        throttled: 0,
        cost: flight.cost(),
        succeeded: f64::from(flight.exchanges.succeeded()),
        expected: flight.charge.expected,
    }
}

/// How many of the requests of a call the store wants to be asked more slowly.
fn throttled(result: &Result<Vec<Outcome>, CallError>, asked: usize) -> usize {
    let is_throttled = |outcome: &&Outcome| match outcome {
        Outcome::Failed(error) => matches!(error.kind, StoreErrorKind::Throttled(_)),
        Outcome::Value(_) | Outcome::Values(_) | Outcome::Unchanged => false,
    };
    match result {
        Ok(outcomes) => outcomes.iter().filter(is_throttled).count(),
        Err(error) if matches!(remedy(error), Remedy::Pause(Trouble::Throttled, _)) => asked,
        Err(_) => 0,
    }
}
