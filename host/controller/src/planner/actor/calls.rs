//! How calls begin, and how they are given up when nobody waits for them any more.

use std::collections::HashMap;
use std::sync::Arc;

use keyhole_core::{CallError, Failure, GroupKey, Outcome, PluginId};
use tokio::task::{AbortHandle, Id};
use tokio::time::{Instant, timeout};

use super::Planner;
use crate::planner::PassId;
use crate::planner::batch::{Asked, Flight};
use crate::planner::cost::Load;
use crate::planner::fetch::Exchanges;
use crate::planner::group::{Group, GroupId, Settings, is_slow};
use crate::planner::queue::{Gather, LaneKey, Rank, Ready, Waiter};
use crate::planner::slots::Applicant;
use crate::planner::store::{Store, StoreId};

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

/// A call that may go now.
struct Candidate {
    rank: Rank,
    group: GroupId,
    store: StoreId,
    next: Next,
}

impl Planner {
    /// Makes a pass wait for one of its requests: on a call in flight that will do, or in the queue.
    pub(super) fn ask(&mut self, pass: PassId, index: usize, attempt: u32, now: Instant) {
        let Some(waiting) = self.passes.get(&pass) else { return };
        let (id, plan) = (waiting.group, Arc::clone(&waiting.plan));
        let (Some(request), Some(group)) = (plan.requests().get(index), self.groups.get_mut(id)) else {
            return;
        };
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
                && waiting.cause.may_join_calls_in_flight()
                && flight.offer(request, &waiter)
            {
                if let Some(observer) = &self.observer {
                    observer.request_joined(&group.key);
                }
                return;
            }
        }
        let is_joined = group.queue.join(request, waiter, attempt, now);
        if let (true, Some(observer)) = (is_joined, &self.observer) {
            observer.request_joined(&group.key);
        }
        self.busy.insert(id);
    }

    /// Ends a pass that nobody wants any more, and calls that were made for it alone.
    pub(super) fn withdraw(&mut self, id: PassId) {
        let Some(pass) = self.passes.remove(&id) else { return };
        let mut unwanted = Vec::new();
        for request in pass.waiting().filter_map(|index| pass.plan.requests().get(index)) {
            let Some(group) = self.groups.get_mut(pass.group) else {
                return;
            };
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
        let gather = Gather {
            quiet: self.config.gather,
            at_most: self.config.gather_at_most,
        };
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
        let (mut able, mut wake): (Vec<Candidate>, Option<Instant>) = (Vec::new(), None);
        // Of each store, the most urgent call that waits until it may be asked so much at once. Were cheaper
        // calls behind it let through meanwhile, there would never be enough for it.
        let mut saving: HashMap<StoreId, Rank> = HashMap::new();
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
            let Some(store) = self.stores.get_mut(group.store) else {
                continue;
            };
            let (next, expected) = match group.settings {
                Settings::Accepted => {
                    let most = largest_call(group, store);
                    let load = Load::of(group.queue.first(&lane, most));
                    (Next::Fetch(lane), group.cost.of(load))
                }
                Settings::Unknown => (Next::Validate, 1.0),
                Settings::Asked => continue,
            };
            // While the answer to a probe is waited for, its end is what makes the next turn.
            let Some(at) = store.next_call(now, expected) else {
                continue;
            };
            if let Some(rest) = group.rest.until(now) {
                later(rest.max(at));
                continue;
            }
            if at > now {
                later(at);
            }
            let applicant = Applicant {
                plugin: &group.key.plugin,
                share: group.source.concurrent_calls(),
                running: group.running,
                failing: group.failing,
                slow: slow.get(&id).copied().unwrap_or(false),
                suspects: suspects.get(&group.key.plugin).copied().unwrap_or(0),
            };
            if !self.slots.admits(&applicant) {
                continue;
            }
            let store = group.store;
            if at > now {
                saving
                    .entry(store)
                    .and_modify(|first| *first = rank.min(*first))
                    .or_insert(rank);
                continue;
            }
            able.push(Candidate {
                rank,
                group: id,
                store,
                next,
            });
        }
        for id in idle {
            self.busy.remove(&id);
        }
        let best = able
            .into_iter()
            .filter(|able| saving.get(&able.store).is_none_or(|first| able.rank < *first))
            .min_by_key(|able| able.rank);
        (best.map(|best| (best.group, best.next)), wake)
    }

    fn fetch(&mut self, id: GroupId, lane: &LaneKey, now: Instant) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let Some(store) = self.stores.get_mut(group.store) else {
            return;
        };
        let taken = group.queue.cut(lane, largest_call(group, store));
        let asked: Vec<Asked> = taken.into_iter().map(Asked::new).collect();
        if asked.is_empty() {
            return;
        }
        let attempt = asked.iter().map(|asked| asked.attempt).max().unwrap_or(1);
        let namespace = match lane.compartments.as_slice() {
            [namespace] => namespace.clone(),
            _ => None,
        };
        let key = GroupKey {
            namespace,
            ..group.key.clone()
        };
        let served: Arc<[Arc<str>]> = lane.compartments.iter().flatten().cloned().collect();
        let planned: Vec<_> = asked.iter().map(Asked::planned).collect();
        let (source, longest) = (Arc::clone(&group.source), self.config.call_at_most);
        let exchanges = Exchanges::default();
        let counted = exchanges.clone();
        let abort = self.calls.spawn(async move {
            let call = source.fetch(&key, &served, attempt, &planned, &counted);
            Ended::Fetched(timeout(longest, call).await.unwrap_or(Err(CallError::Wall(longest))))
        });
        let call = abort.id();
        for asked in &asked {
            group.in_flight.entry(asked.request.clone()).or_default().push(call);
        }
        group.running += 1;
        let load = Load::of(asked.iter().map(|asked| &asked.request));
        let charge = store.begin(now, group.cost.of(load));
        self.slots.started(&group.key.plugin);
        let compartments = lane.compartments.clone();
        let plugin = group.key.plugin.clone();
        self.jobs.insert(
            call,
            Job::Fetch(Flight {
                group: id,
                plugin,
                asked,
                compartments,
                started: now,
                abort,
                store: group.store,
                load,
                charge,
                exchanges,
            }),
        );
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
        self.jobs.insert(
            abort.id(),
            Job::Validate {
                group: id,
                plugin,
                abort,
            },
        );
    }

    /// A call has ended or was given up: what it held is free, and what it cost is paid.
    pub(super) fn landed(&mut self, call: Id, flight: &Flight) {
        self.slots.ended(&flight.plugin);
        if let Some(store) = self.stores.get_mut(flight.store) {
            store.landed(Instant::now(), flight.charge, flight.cost());
        }
        if let Some(group) = self.groups.get_mut(flight.group) {
            group.running = group.running.saturating_sub(1);
            group.landed(call, flight.asked.iter().map(|asked| &asked.request));
        }
    }
}

/// How many requests the next call of a group may have: what the plugin takes, but no more than its store can
/// be asked at once.
fn largest_call(group: &Group, store: &Store) -> usize {
    let affordable = store
        .most_at_once()
        .map_or(usize::MAX, |most| group.cost.requests_within(most));
    group.source.max_batch().min(affordable)
}
