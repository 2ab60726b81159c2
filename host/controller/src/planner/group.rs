//! Requests that may meet in a call: those for one plugin with one set of settings as one identity.
//!
//! Namespaces do not divide groups, even where batches must not mix them: equal requests are joined. The
//! queue's lanes keep tenants apart. What several groups share of their store is in [`super::store`].

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::{GroupKey, Request};
use tokio::task::Id;
use tokio::time::Instant;

use super::cost::Cost;
use super::fetch::Fetch;
use super::queue::Queue;
use super::rest::Rest;
use super::store::StoreId;

/// Tells groups apart while the planner runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GroupId(u64);

/// What the plugin says about a group's settings.
#[derive(Clone, Debug)]
pub(super) enum Settings {
    /// Not asked yet.
    Unknown,
    /// Being asked.
    Asked,
    /// Nothing is wrong with them.
    Accepted,
}

/// One group.
pub(super) struct Group {
    /// Without a namespace.
    pub(super) key: GroupKey,
    /// The newest plugin that a plan came with; the same file, perhaps under another grant.
    pub(super) source: Arc<dyn Fetch>,
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    /// Whose quota its calls count against.
    pub(super) store: StoreId,
    pub(super) cost: Cost,
    /// The calls that ask for a request, the newest last.
    pub(super) in_flight: HashMap<Request, Vec<Id>>,
    /// Calls in flight, validation included.
    pub(super) running: usize,
    /// Weight of the calls that failed since the last that brought answers, see [`super::batch::SPLIT_BUDGET`].
    pub(super) faults: u32,
    /// The last call found its backend in trouble.
    pub(super) failing: bool,
    /// Pauses for what concerns this group alone: its identity, its plugin, some of its requests.
    pub(super) rest: Rest,
    objects: usize,
    intervals: BTreeMap<Duration, usize>,
}

impl Group {
    /// Length and phase of the common ticks of objects with this interval.
    ///
    /// The length is the interval, rounded down to a multiple of the group's shortest: so objects of one
    /// interval meet each time, and each of their ticks is one of the shortest interval's as well. The
    /// phase differs from group to group, so that not all groups of a cluster call in the same second.
    pub(super) fn ticks(&self, interval: Duration) -> (Duration, Duration) {
        let shortest = self
            .intervals
            .first_key_value()
            .map_or(interval, |(shortest, _)| *shortest);
        let times = interval.as_nanos().checked_div(shortest.as_nanos()).unwrap_or(0).max(1);
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        let hash = hasher.finish();
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is smaller than a u32")]
        let whole = (hash % u64::from(times)) as u32;
        #[expect(clippy::cast_precision_loss, reason = "any fraction does")]
        let part = hash as f64 / (u64::MAX as f64 + 1.0);
        let phase = shortest.saturating_mul(whole).saturating_add(shortest.mul_f64(part));
        (shortest.saturating_mul(times), phase)
    }

    /// Notes that this call asks for these requests no more.
    pub(super) fn landed<'a>(&mut self, call: Id, requests: impl Iterator<Item = &'a Request>) {
        for request in requests {
            if let Some(calls) = self.in_flight.get_mut(request) {
                calls.retain(|&other| other != call);
                if calls.is_empty() {
                    self.in_flight.remove(request);
                }
            }
        }
    }
}

/// All groups that have an object.
#[derive(Default)]
pub(super) struct Groups {
    ids: HashMap<GroupKey, GroupId>,
    groups: BTreeMap<GroupId, Group>,
    last: u64,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn get(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(&id)
    }

    /// Adds an object to its group, which may be new.
    pub(super) fn enter(
        &mut self,
        key: &GroupKey,
        source: &Arc<dyn Fetch>,
        interval: Option<Duration>,
        store: impl FnOnce(&GroupKey) -> StoreId,
    ) -> GroupId {
        let key = GroupKey {
            namespace: None,
            ..key.clone()
        };
        let id = *self.ids.entry(key.clone()).or_insert_with(|| {
            self.last += 1;
            GroupId(self.last)
        });
        let group = self.groups.entry(id).or_insert_with(|| Group {
            store: store(&key),
            key,
            source: Arc::clone(source),
            settings: Settings::Unknown,
            queue: Queue::default(),
            cost: Cost::default(),
            in_flight: HashMap::new(),
            running: 0,
            faults: 0,
            failing: false,
            rest: Rest::default(),
            objects: 0,
            intervals: BTreeMap::new(),
        });
        if !Arc::ptr_eq(&group.source, source) {
            group.source = Arc::clone(source);
            group.settings = Settings::Unknown;
        }
        group.objects += 1;
        if let Some(interval) = interval {
            *group.intervals.entry(interval).or_default() += 1;
        }
        id
    }

    /// All groups of one store.
    pub(super) fn of_store(&self, store: StoreId) -> Vec<GroupId> {
        self.groups
            .iter()
            .filter(|(_, group)| group.store == store)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Takes an object out; a group without objects ends. Returns the store that it leaves then.
    pub(super) fn leave(&mut self, id: GroupId, interval: Option<Duration>) -> Option<StoreId> {
        let group = self.groups.get_mut(&id)?;
        group.objects = group.objects.saturating_sub(1);
        if let Some(interval) = interval
            && let Some(count) = group.intervals.get_mut(&interval)
        {
            *count -= 1;
            if *count == 0 {
                group.intervals.remove(&interval);
            }
        }
        if group.objects > 0 {
            return None;
        }
        let group = self.groups.remove(&id)?;
        self.ids.remove(&group.key);
        Some(group.store)
    }
}

/// For a call that has been running for longer than this, its backend counts as slow.
pub(super) const SLOW: Duration = Duration::from_secs(2);

/// Whether a call that began then is slow by now.
pub(super) fn is_slow(started: Instant, now: Instant) -> bool {
    now.saturating_duration_since(started) > SLOW
}
