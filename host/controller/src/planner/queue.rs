//! Waiting requests of one group, in the order in which they are asked.
//!
//! Equal requests of several objects are one entry with several waiters. Entries lie in *lanes*; only
//! requests of one lane may travel in one call. A plugin whose batches must not mix namespaces gets a
//! lane per set of namespaces: a request that two namespaces wait for travels with others that the same
//! two wait for, so no answer can be passed from one tenant to another.
//!
//! The order is by *rank*, a moment: that of joining for objects that somebody waits for, [`YIELD`]
//! later for refreshes. So urgent objects overtake, and a refresh that has waited for long is overtaken
//! no more; nothing starves.
//!
//! A lane is ready once no object has joined it for the gather time, or after the longest gather time.
//! It is not enough that a batch is full: while the objects of a first listing stream in, requests that
//! were asked early would be asked again by the next object that needs them, and 500 objects over 100
//! secrets would make fifty calls in place of five.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::Request;
use tokio::time::Instant;

use super::{Cause, PassId};

/// How far objects that somebody waits for may overtake a refresh.
const YIELD: Duration = Duration::from_secs(30);

/// The namespace of a waiter, when its plugin's batches must not mix namespaces.
pub(super) type Compartment = Option<Arc<str>>;

/// One object that needs a request.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// Whose.
    pub(super) pass: PassId,
    /// Which of its requests this is.
    pub(super) index: usize,
    pub(super) compartment: Compartment,
    /// The version that the object has, if it can do without the value.
    pub(super) known: Option<Arc<str>>,
    /// When the object began to wait.
    pub(super) since: Instant,
    pub(super) cause: Cause,
}

impl Waiter {
    fn rank(&self) -> Instant {
        if self.cause.is_urgent() {
            self.since
        } else {
            self.since + YIELD
        }
    }
}

/// Everybody who needs one request.
pub(super) type Waiters = BTreeMap<PassId, Waiter>;

/// A request that leaves the queue.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) request: Request,
    pub(super) waiters: Waiters,
    /// What the plugin is told.
    pub(super) attempt: u32,
    /// How often it was asked in vain since its objects began to wait.
    pub(super) tries: u32,
}

/// Where a request stands in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    at: Instant,
    sequence: u64,
}

/// The namespaces that wait, and the part of a batch that was split; 0 when it was not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneKey {
    pub(super) compartments: Vec<Compartment>,
    part: u64,
}

#[derive(Debug)]
struct Waiting {
    waiters: Waiters,
    compartments: BTreeMap<Compartment, usize>,
    rank: Rank,
    since: Instant,
    joined: Instant,
    attempt: u32,
    tries: u32,
    part: u64,
}

impl Waiting {
    fn lane(&self) -> LaneKey {
        LaneKey {
            compartments: self.compartments.keys().cloned().collect(),
            part: self.part,
        }
    }
}

#[derive(Debug)]
struct Lane {
    ranked: BTreeMap<Rank, Request>,
    since: Instant,
    joined: Instant,
}

/// How long requests wait for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gather {
    /// Anew with each object that joins.
    pub(super) quiet: Duration,
    /// In all.
    pub(super) at_most: Duration,
}

/// What can be asked next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// This lane, whose first request has this rank.
    Now(Rank, LaneKey),
    /// Nothing before then.
    At(Instant),
    /// Nothing waits.
    Never,
}

/// Waiting requests of one group.
#[derive(Debug, Default)]
pub(super) struct Queue {
    requests: HashMap<Request, Waiting>,
    lanes: BTreeMap<LaneKey, Lane>,
    sequence: u64,
    parts: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds a waiter to a request, which may be new. Whether somebody waited for it already.
    pub(super) fn join(&mut self, request: &Request, waiter: Waiter, attempt: u32, now: Instant) -> bool {
        let is_joined = self.requests.contains_key(request);
        let waiters = BTreeMap::from([(waiter.pass, waiter)]);
        self.insert(
            Taken {
                request: request.clone(),
                waiters,
                attempt,
                tries: 0,
            },
            None,
            Some(now),
        );
        is_joined
    }

    /// Takes requests back that are to be asked again, at the rank that they had.
    pub(super) fn put_back(&mut self, taken: Taken) {
        self.insert(taken, None, None);
    }

    /// Takes requests back that must travel in a call of their own.
    pub(super) fn put_back_apart(&mut self, taken: Vec<Taken>) {
        self.parts += 1;
        let part = self.parts;
        for taken in taken {
            self.insert(taken, Some(part), None);
        }
    }

    /// Removes a waiter. Whether it waited here.
    pub(super) fn leave(&mut self, request: &Request, pass: PassId) -> bool {
        let Some(mut waiting) = self.lift(request) else {
            return false;
        };
        let left = waiting.waiters.remove(&pass);
        if let Some(waiter) = &left
            && let Some(count) = waiting.compartments.get_mut(&waiter.compartment)
        {
            *count -= 1;
            if *count == 0 {
                waiting.compartments.remove(&waiter.compartment);
            }
        }
        if !waiting.waiters.is_empty() {
            self.lay(request.clone(), waiting);
        }
        left.is_some()
    }

    /// The lane to be asked next.
    pub(super) fn ready(&self, now: Instant, gather: Gather) -> Ready {
        let (mut best, mut soonest): (Option<(Rank, &LaneKey)>, Option<Instant>) = (None, None);
        for (key, lane) in &self.lanes {
            let Some((&rank, _)) = lane.ranked.first_key_value() else {
                continue;
            };
            let at = match key.part {
                0 => (lane.joined + gather.quiet).min(lane.since + gather.at_most),
                _ => lane.since,
            };
            if at > now {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
            } else if best.is_none_or(|(best, _)| rank < best) {
                best = Some((rank, key));
            }
        }
        match (best, soonest) {
            (Some((rank, key)), _) => Ready::Now(rank, key.clone()),
            (None, Some(at)) => Ready::At(at),
            (None, None) => Ready::Never,
        }
    }

    /// The first requests of a lane, which [`Queue::cut`] would take out.
    pub(super) fn first(&self, lane: &LaneKey, most: usize) -> impl Iterator<Item = &Request> {
        let lane = self.lanes.get(lane).into_iter();
        lane.flat_map(|lane| lane.ranked.values()).take(most.max(1))
    }

    /// Takes the first requests of a lane out, at most `most`.
    pub(super) fn cut(&mut self, lane: &LaneKey, most: usize) -> Vec<Taken> {
        let first: Vec<Request> = self.first(lane, most).cloned().collect();
        let take = |request: Request| {
            let Waiting {
                waiters,
                attempt,
                tries,
                ..
            } = self.lift(&request)?;
            Some(Taken {
                request,
                waiters,
                attempt,
                tries,
            })
        };
        first.into_iter().filter_map(take).collect()
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Taken> {
        self.lanes.clear();
        self.requests
            .drain()
            .map(
                |(
                    request,
                    Waiting {
                        waiters,
                        attempt,
                        tries,
                        ..
                    },
                )| Taken {
                    request,
                    waiters,
                    attempt,
                    tries,
                },
            )
            .collect()
    }

    fn insert(&mut self, taken: Taken, part: Option<u64>, joined: Option<Instant>) {
        let Taken {
            request,
            waiters,
            attempt,
            tries,
        } = taken;
        let Some(at) = waiters.values().map(Waiter::rank).min() else {
            return;
        };
        let Some(since) = waiters.values().map(|waiter| waiter.since).min() else {
            return;
        };
        let joined = joined.unwrap_or(since);
        self.sequence += 1;
        let rank = Rank {
            at,
            sequence: self.sequence,
        };
        let mut waiting = self.lift(&request).unwrap_or_else(|| Waiting {
            waiters: Waiters::new(),
            compartments: BTreeMap::new(),
            rank,
            since,
            joined,
            attempt,
            tries,
            part: 0,
        });
        waiting.rank = waiting.rank.min(rank);
        waiting.since = waiting.since.min(since);
        waiting.joined = waiting.joined.max(joined);
        waiting.attempt = waiting.attempt.max(attempt);
        waiting.tries = waiting.tries.max(tries);
        waiting.part = part.unwrap_or(waiting.part);
        for (pass, waiter) in waiters {
            *waiting.compartments.entry(waiter.compartment.clone()).or_default() += 1;
            waiting.waiters.insert(pass, waiter);
        }
        self.lay(request, waiting);
    }

    fn lift(&mut self, request: &Request) -> Option<Waiting> {
        let waiting = self.requests.remove(request)?;
        let key = waiting.lane();
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.ranked.remove(&waiting.rank);
            if lane.ranked.is_empty() {
                self.lanes.remove(&key);
            }
        }
        Some(waiting)
    }

    fn lay(&mut self, request: Request, waiting: Waiting) {
        let lane = self.lanes.entry(waiting.lane()).or_insert_with(|| Lane {
            ranked: BTreeMap::new(),
            since: waiting.since,
            joined: waiting.joined,
        });
        lane.since = lane.since.min(waiting.since);
        lane.joined = lane.joined.max(waiting.joined);
        lane.ranked.insert(waiting.rank, request.clone());
        self.requests.insert(request, waiting);
    }
}

#[cfg(test)]
mod tests;
