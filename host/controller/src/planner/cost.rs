//! What the calls of one group cost in exchanges.
//!
//! A store counts HTTP exchanges, the planner makes calls. How many of the one make the other depends on
//! plugin, identity and what is asked: twenty keys are one exchange in a batch, twenty where batches are
//! denied, and a path is one for each of its pages. Nobody but the plugin knows, so it is learned from
//! the calls that ended. Until then a key counts as one exchange and a path as ten, which errs on the side of
//! the store: the first call waits for no token that it does not need, and the second waits for the first.

use keyhole_core::{Request, Selector};

/// How much of what was learned a new call leaves standing.
const MEMORY: f64 = 0.5;
/// Exchanges of a key that nothing is known of.
const KEY: f64 = 1.0;
/// Exchanges of a path that nothing is known of.
const PATH: f64 = 10.0;

/// What a group's calls cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    key: Unit,
    path: Unit,
}

/// The requests of a call, by what they are likely to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    keys: u32,
    paths: u32,
}

impl Load {
    pub(super) fn of<'a>(requests: impl Iterator<Item = &'a Request>) -> Self {
        let mut load = Self::default();
        for request in requests {
            match request.selector {
                Selector::Key(_) => load.keys = load.keys.saturating_add(1),
                Selector::Prefix { .. } => load.paths = load.paths.saturating_add(1),
            }
        }
        load
    }
}

impl Cost {
    /// The exchanges that a call of these requests is expected to make; at least one.
    pub(super) fn of(&self, load: Load) -> f64 {
        let (keys, paths) = self.parts(load);
        (keys + paths).max(1.0)
    }

    /// How many requests a call may have to stay within `exchanges`; at least one.
    pub(super) fn requests_within(&self, exchanges: f64) -> usize {
        let path = self.path.each().unwrap_or(0.0);
        let key = self.key.each().unwrap_or(if path > 0.0 { 0.0 } else { KEY });
        let dearest = key.max(path);
        let requests = (exchanges / dearest.max(f64::EPSILON)).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to what a batch can be"
        )]
        let requests = requests.clamp(1.0, 65_536.0) as usize;
        requests
    }

    /// A call of these requests made so many exchanges.
    pub(super) fn learn(&mut self, load: Load, exchanges: f64) {
        let (keys, paths) = self.parts(load);
        let share = if keys + paths > 0.0 { keys / (keys + paths) } else { 0.0 };
        self.key.learn(load.keys, exchanges * share);
        self.path.learn(load.paths, exchanges * (1.0 - share));
    }

    fn parts(&self, load: Load) -> (f64, f64) {
        (
            self.key.each().unwrap_or(KEY) * f64::from(load.keys),
            self.path.each().unwrap_or(PATH) * f64::from(load.paths),
        )
    }
}

/// Exchanges over requests, of the latest calls most.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    exchanges: f64,
    requests: f64,
}

impl Unit {
    fn each(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.exchanges / self.requests)
    }

    fn learn(&mut self, requests: u32, exchanges: f64) {
        if requests == 0 {
            return;
        }
        self.exchanges = self.exchanges * MEMORY + exchanges;
        self.requests = self.requests * MEMORY + f64::from(requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn keys(keys: u32) -> Load {
        Load { keys, paths: 0 }
    }

    const fn paths(paths: u32) -> Load {
        Load { keys: 0, paths }
    }

    #[test]
    fn a_key_counts_as_one_exchange_and_a_path_as_ten_until_more_is_known() {
        let cost = Cost::default();
        assert_eq!(
            (cost.of(keys(20)), cost.of(paths(3)), cost.of(keys(0))),
            (20.0, 30.0, 1.0)
        );
    }

    #[test]
    fn a_batch_becomes_cheap_and_singles_dear_within_a_few_calls() {
        let mut cost = Cost::default();
        cost.learn(keys(20), 1.0);
        assert_eq!(cost.of(keys(20)), 1.0);
        for _ in 0..4 {
            cost.learn(keys(20), 20.0);
        }
        assert!(cost.of(keys(20)) > 18.0, "{}", cost.of(keys(20)));
    }

    #[test]
    fn one_key_alone_does_not_make_batches_look_dear() {
        let mut cost = Cost::default();
        cost.learn(keys(20), 1.0);
        cost.learn(keys(1), 1.0);
        assert!(cost.of(keys(20)) < 3.0, "{}", cost.of(keys(20)));
    }

    #[test]
    fn keys_and_paths_are_told_apart() {
        let mut cost = Cost::default();
        cost.learn(keys(10), 1.0);
        cost.learn(paths(2), 6.0);
        assert_eq!((cost.of(keys(10)), cost.of(paths(2))), (1.0, 6.0));
        assert_eq!(cost.of(Load { keys: 10, paths: 2 }), 7.0);
    }

    #[test]
    fn a_call_is_cut_to_what_it_may_cost() {
        let mut cost = Cost::default();
        assert_eq!(cost.requests_within(5.0), 5);
        cost.learn(keys(20), 1.0);
        assert_eq!(cost.requests_within(1.0), 20);
        cost.learn(paths(1), 3.0);
        assert_eq!((cost.requests_within(6.0), cost.requests_within(0.1)), (2, 1));
    }
}
