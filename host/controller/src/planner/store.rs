//! What shares a quota, and is up or down as a whole.
//!
//! AWS counts requests by account and region, separately for each service, whoever sends them. So groups of one
//! plugin, region and account have one pace and one breaker between them: three roles of an account
//! would otherwise each ask at the full rate and throttle each other. The account is that of the
//! group's role. The operator's own identity counts as an account of its own, since nobody tells the host which
//! it is; where a role lies in the operator's account, two paces find their shares of one quota, which
//! costs some throttled calls more. A plugin without a region keeps its address in its settings, so there
//! the settings stand in for region and account.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use keyhole_core::request::JsonText;
use keyhole_core::{Failure, GroupKey, Identity};
use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState, Moment, Witnesses};
use super::pace::Pace;
use super::rest::Rest;

/// Tells stores apart while the planner runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StoreId(u64);

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Aws {
        region: Arc<str>,
        /// Nothing for the operator's own. A service account without a role that the object names may be
        /// anywhere, so it counts as an account of its own.
        account: Option<Box<str>>,
    },
    Settings(JsonText),
}

/// What groups of one store have in common. Not the plugin's digest: a new version meets the old quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct StoreKey {
    plugin: Arc<str>,
    place: Place,
}

impl StoreKey {
    fn of(group: &GroupKey) -> Self {
        let place = match &group.region {
            Some(region) => Place::Aws {
                region: Arc::clone(region),
                account: account(&group.identity),
            },
            None => Place::Settings(group.settings.clone()),
        };
        Self {
            plugin: Arc::clone(&group.plugin.name),
            place,
        }
    }
}

fn account(identity: &Identity) -> Option<Box<str>> {
    match (&identity.role, &identity.account) {
        (Some(role), _) => Some(role.account().into()),
        (None, Some(account)) => Some(account.to_string().into()),
        (None, None) => None,
    }
}

/// A store as metrics show it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreState {
    /// Name of the plugin that asks it.
    pub plugin: Arc<str>,
    /// Exchanges per second that it is allowed to be asked.
    pub per_second: f64,
    /// How its breaker stands.
    pub breaker: BreakerState,
}

/// What a call was charged with when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// Exchanges.
    pub(super) expected: f64,
    is_probe: bool,
}

/// One store.
#[derive(Debug)]
pub(super) struct Store {
    key: StoreKey,
    pace: Pace,
    throttle: Rest,
    breaker: Breaker,
    groups: usize,
}

impl Store {
    /// The earliest moment for the next call, which is expected to make so many exchanges; nothing while the
    /// answer to a probe is waited for.
    pub(super) fn next_call(&mut self, now: Instant, expected: f64) -> Option<Instant> {
        let breaker = self.breaker.next_call(now)?;
        let throttle = self.throttle.until(now).unwrap_or(now);
        Some(self.pace.next_call(now, expected).max(breaker).max(throttle))
    }

    /// What one call should not cost more than; nothing while no limit is known.
    pub(super) fn most_at_once(&self) -> Option<f64> {
        self.pace.most_at_once()
    }

    /// A call begins that is expected to make so many exchanges.
    pub(super) fn begin(&mut self, now: Instant, expected: f64) -> Charge {
        self.pace.begin(now, expected);
        Charge {
            expected,
            is_probe: self.breaker.begin(),
        }
    }

    /// A call has ended or was given up, after so many exchanges.
    pub(super) fn landed(&mut self, now: Instant, charge: Charge, exchanges: f64) {
        self.pace.settle(now, charge.expected, exchanges);
        if charge.is_probe {
            self.breaker.probe_ended();
        }
    }

    /// The store answered; so many exchanges got what they asked for.
    pub(super) fn answered(&mut self, now: Instant, exchanges: f64) {
        self.breaker.answered();
        self.pace.passed(now, exchanges);
        if exchanges > 0.0 {
            self.throttle.reset();
        }
    }

    /// The store asks for fewer calls in answer to one that began at `began`. Returns the pause from now.
    pub(super) fn throttled(
        &mut self,
        failure: Failure,
        asked: Option<Duration>,
        began: Instant,
        at: Moment,
    ) -> Duration {
        let Moment { now, random, .. } = at;
        self.breaker.answered();
        if self.pace.throttled(began, now) || asked.is_some() {
            let wait = self.throttle.begin(failure, asked, now, random);
            self.pace.save_nothing_until(now + wait);
            return wait;
        }
        self.throttle.until(now).map_or(Duration::ZERO, |until| until - now)
    }

    /// A call that began at `began` did not find the store in order. Returns the pause from now; nothing when
    /// it may be the requests rather than the store.
    pub(super) fn failed(
        &mut self,
        failure: Failure,
        asked: Option<Duration>,
        witnesses: Witnesses,
        began: Instant,
        at: Moment,
    ) -> Option<Duration> {
        self.breaker.failed(failure, asked, witnesses, began, at)
    }

    /// What to say to objects in place of letting them wait.
    pub(super) fn refusal(&self, now: Instant, hold: Duration) -> Option<Failure> {
        self.breaker.refusal(now).or_else(|| self.throttle.refusal(now, hold))
    }

    /// Whether nothing is asked of it now because of what it answered.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.throttle.until(now).is_some() || self.breaker.next_call(now).is_none_or(|at| at > now)
    }

    pub(super) fn state(&self) -> StoreState {
        StoreState {
            plugin: Arc::clone(&self.key.plugin),
            per_second: self.pace.per_second(),
            breaker: self.breaker.state(),
        }
    }
}

/// All stores that have a group.
#[derive(Default)]
pub(super) struct Stores {
    ids: HashMap<StoreKey, StoreId>,
    stores: BTreeMap<StoreId, Store>,
    last: u64,
}

impl Stores {
    pub(super) fn get(&self, id: StoreId) -> Option<&Store> {
        self.stores.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: StoreId) -> Option<&mut Store> {
        self.stores.get_mut(&id)
    }

    pub(super) fn states(&self) -> impl Iterator<Item = StoreState> + '_ {
        self.stores.values().map(Store::state)
    }

    /// Adds a group to its store, which may be new.
    pub(super) fn enter(&mut self, group: &GroupKey, pace: impl FnOnce() -> Pace) -> StoreId {
        let key = StoreKey::of(group);
        let id = *self.ids.entry(key.clone()).or_insert_with(|| {
            self.last += 1;
            StoreId(self.last)
        });
        let store = self.stores.entry(id).or_insert_with(|| Store {
            key,
            pace: pace(),
            throttle: Rest::default(),
            breaker: Breaker::default(),
            groups: 0,
        });
        store.groups += 1;
        id
    }

    /// Takes a group out; a store without groups is forgotten.
    pub(super) fn leave(&mut self, id: StoreId) {
        let Some(store) = self.stores.get_mut(&id) else { return };
        store.groups = store.groups.saturating_sub(1);
        if store.groups == 0
            && let Some(store) = self.stores.remove(&id)
        {
            self.ids.remove(&store.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::PluginId;

    fn group(plugin: &str, digest: &str, region: Option<&str>, role: Option<&str>, settings: &str) -> GroupKey {
        GroupKey {
            plugin: PluginId {
                name: plugin.into(),
                digest: digest.into(),
            },
            settings: JsonText::new(serde_json::json!({ "address": settings }).as_object().unwrap()),
            region: region.map(Into::into),
            identity: Identity {
                account: None,
                role: role.map(|role| role.parse().unwrap()),
                namespace_tag: None,
            },
            namespace: None,
        }
    }

    #[test]
    fn groups_of_one_plugin_region_and_account_share_a_quota() {
        const A: &str = "arn:aws:iam::1:role/a";
        const B: &str = "arn:aws:iam::1:role/b";
        let one = StoreKey::of(&group("sm", "1", Some("eu"), Some(A), "x"));
        assert_eq!(one, StoreKey::of(&group("sm", "2", Some("eu"), Some(B), "y")));
        for other in [
            group("ssm", "1", Some("eu"), Some(A), "x"),
            group("sm", "1", Some("us"), Some(A), "x"),
            group("sm", "1", Some("eu"), Some("arn:aws:iam::2:role/a"), "x"),
            group("sm", "1", Some("eu"), None, "x"),
        ] {
            assert_ne!(one, StoreKey::of(&other), "{other:?}");
        }
    }

    #[test]
    fn without_a_region_it_is_the_settings_that_say_where() {
        let one = StoreKey::of(&group("vault", "1", None, None, "https://a"));
        assert_eq!(one, StoreKey::of(&group("vault", "2", None, None, "https://a")));
        assert_ne!(one, StoreKey::of(&group("vault", "1", None, None, "https://b")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_lives_as_long_as_a_group_of_it() {
        let mut stores = Stores::default();
        let key = group("sm", "1", Some("eu"), None, "x");
        let pace = || Pace::new(1.0, 1.0, 1, Instant::now());
        let id = stores.enter(&key, pace);
        assert_eq!(stores.enter(&key, pace), id);
        stores.leave(id);
        assert!(stores.get(id).is_some());
        stores.leave(id);
        assert!(stores.get(id).is_none());
        assert_ne!(stores.enter(&key, pace), id);
    }
}
