//! Who answers requests: one loaded plugin, seen by the planner.

use std::sync::Arc;

use futures::future::BoxFuture;
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Failure, GroupKey, Outcome};
use keyhole_plugins::LivePlugin;
pub use keyhole_sandbox::{Exchanges, PlannedRequest};

/// A source of answers. Each method may be called many times at once; the planner keeps to the
/// numbers given here. Futures are dropped when nobody waits for the answer any more.
pub trait Fetch: Send + Sync {
    /// The largest number of requests of one call; at least 1.
    fn max_batch(&self) -> usize;

    /// How many calls may run at once; at least 1.
    fn concurrent_calls(&self) -> usize;

    /// Whether the plugin accepts these settings. Asked once before the first call of a group.
    fn validate<'a>(&'a self, settings: &'a JsonText) -> BoxFuture<'a, Result<(), Failure>>;

    /// One outcome per request, in order. Must end by itself: the sandbox's wall clock bounds it.
    /// `compartments` are the namespaces that the call serves, none where the administrator lets the plugin's batches be
    /// shared. `attempt` is 1 for the first time that these requests are asked, 2 for the next. What is asked of
    /// the store counts in `exchanges` as it happens, so that a call which was given up is paid for too.
    fn fetch<'a>(
        &'a self,
        group: &'a GroupKey,
        compartments: &'a Arc<[Arc<str>]>,
        attempt: u32,
        requests: &'a [PlannedRequest],
        exchanges: &'a Exchanges,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>>;
}

impl Fetch for LivePlugin {
    fn max_batch(&self) -> usize {
        LivePlugin::max_batch(self)
    }

    fn concurrent_calls(&self) -> usize {
        LivePlugin::concurrent_calls(self)
    }

    fn validate<'a>(&'a self, settings: &'a JsonText) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(LivePlugin::validate(self, settings))
    }

    fn fetch<'a>(
        &'a self,
        group: &'a GroupKey,
        compartments: &'a Arc<[Arc<str>]>,
        attempt: u32,
        requests: &'a [PlannedRequest],
        exchanges: &'a Exchanges,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        Box::pin(LivePlugin::fetch(
            self,
            group,
            compartments,
            attempt,
            requests,
            exchanges,
        ))
    }
}
