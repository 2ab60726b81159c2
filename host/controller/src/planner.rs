//! When is which request asked for, and together with which others.
//!
//! Objects come in with [`PlannerHandle::submit`], answers go out as [`Delivery`]s. In between, the
//! requests of all objects that share plugin, settings and identity meet in one group: equal requests
//! are asked once, in batches as large as the plugin takes, paced, with objects that somebody waits for
//! before periodic refreshes. One actor owns all of this state; calls run as tasks of their own, so a
//! slow or dead backend delays only its own group, and no reconcile waits for a batch.
//!
//! What holds at any time:
//!
//! * An object is all or nothing: it is delivered with all of its answers, or with what failed.
//! * A delivery belongs to the newest plan that was submitted for its object; results for an older
//!   generation, or for an object that was forgotten, are dropped.
//! * Fetched values live from the end of the call to the end of the write, never longer, and the planner
//!   makes no calls while too many of them are alive. Between refreshes only versions are remembered.
//! * Every wait has a bound: calls by the sandbox, pauses and back-off by five minutes, a delivery whose
//!   [`Done`] never comes by [`PlannerConfig::lost_receipt`].
//!
//! | module | holds |
//! |---|---|
//! | `actor` | the loop, and what it does about objects, calls and deliveries |
//! | `object` | when one object is due |
//! | `pass` | how far one object has come with its requests |
//! | `group` | requests that may meet: waiting and in flight |
//! | `queue` | waiting requests in the order in which they are asked |
//! | `batch` | one call, and what its failure means for its requests |
//! | `slots` | how many calls run at once, and whose |
//! | `store` | what shares a quota: how fast it may be asked, and when it must not be |
//! | `pace`, `cost` | the rate that a store takes, found out, and what a call counts for |
//! | `breaker`, `rest` | stores that are down, and pauses |
//! | `answer` | fetched values and their count |

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_core::{CallError, Failure, GroupKey};
use tokio::sync::{mpsc, watch};

use crate::plan::{ObjectKey, ObjectPlan};

mod actor;
mod answer;
mod batch;
mod breaker;
mod cost;
mod fetch;
mod group;
mod object;
mod pace;
mod pass;
mod queue;
mod rest;
mod slots;
mod store;
#[cfg(test)]
mod tests;

pub use actor::Planner;
pub use answer::Fetched;
pub use breaker::BreakerState;
pub use fetch::{Exchanges, Fetch, PlannedRequest};
pub use store::StoreState;

/// Why an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Not synced yet, or its Secret is missing, or its last attempt failed before this process began.
    New,
    /// The spec changed, or what it refers to (plugin, its settings, the namespace).
    Edit,
    /// The Secret is no longer what was written.
    Repair,
    /// Somebody asks for it now.
    Forced,
    /// It is time. Submitted once for an object that was found in good order at start; from then on
    /// the planner keeps the time by itself.
    Refresh,
}

impl Cause {
    /// As a metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Edit => "edit",
            Self::Repair => "repair",
            Self::Forced => "forced",
            Self::Refresh => "refresh",
        }
    }

    /// Whether somebody waits for the result.
    pub(crate) fn is_urgent(self) -> bool {
        self != Self::Refresh
    }

    /// Whether a call that began before the object was submitted can give its answer. Whoever edits or
    /// forces has often changed the store a moment before, and must not get the value from before that.
    pub(crate) fn may_join_calls_in_flight(self) -> bool {
        matches!(self, Self::New | Self::Repair | Self::Refresh)
    }
}

/// An object that is to be fetched, now and from then on at its interval.
#[derive(Clone, Debug)]
pub struct Submit {
    /// What it asks for. Replaces any earlier plan of the same key.
    pub plan: Arc<ObjectPlan>,
    /// Why.
    pub cause: Cause,
    /// When it was last synced, by its status. Heeded for [`Cause::Refresh`] of an object that the
    /// planner does not know yet: a recent one waits for the rest of its interval, older ones are spread
    /// over one interval, and a time in the future is ignored.
    pub last_sync: Option<Timestamp>,
    /// For each item the version that the object already has, if it can do without the value. The
    /// planner remembers versions between refreshes by itself; this is for what it cannot know.
    pub known: Option<Vec<Option<Arc<str>>>>,
    /// The refresh annotation that is taken care of by what is fetched from now on.
    pub refresh: Option<Arc<str>>,
}

impl Submit {
    /// Without a last sync and without known versions.
    #[must_use]
    pub fn new(plan: Arc<ObjectPlan>, cause: Cause) -> Self {
        Self {
            plan,
            cause,
            last_sync: None,
            known: None,
            refresh: None,
        }
    }
}

/// One result for one object. Answer it with [`Delivery::done`] in every case.
#[derive(Debug)]
pub struct Delivery {
    /// The plan that it was fetched for. Never to be written for another generation or uid.
    pub plan: Arc<ObjectPlan>,
    /// Why it was fetched.
    pub cause: Cause,
    /// The result.
    pub result: Delivered,
    /// The refresh annotation that was known when the fetch began.
    pub refresh: Option<Arc<str>>,
    pass: PassId,
}

/// What came of fetching.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// One answer per item of the plan, in order. Drop them as soon as the Secret is written.
    Answers(Vec<Fetched>),
    /// The store still has what was last written for this very plan.
    Unchanged,
    /// What failed, in merge order; at least one. Nothing is to be written.
    Failed(Vec<Failure>),
}

/// Tells the passes of one object apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PassId(u64);

impl Delivery {
    /// The receipt for this delivery: `Ok` when the Secret is what the plan asks for, else why not.
    #[must_use]
    pub fn done(&self, result: Result<(), Failure>) -> Done {
        Done {
            key: self.plan.key.clone(),
            pass: self.pass,
            result,
        }
    }
}

/// What became of a delivery; drives back-off and the next refresh. Made by [`Delivery::done`].
#[derive(Clone, Debug)]
pub struct Done {
    /// The object.
    pub key: ObjectKey,
    /// Of this very delivery: a receipt that comes late is told from that of a newer generation.
    pass: PassId,
    /// Whether the Secret is now as asked for.
    pub result: Result<(), Failure>,
}

/// What the planner may take. The defaults suit a pod of 100 MiB.
#[derive(Clone, Debug)]
pub struct PlannerConfig {
    /// Calls of all plugins that may run at once.
    pub slots: usize,
    /// A request waits this long for others to join it, anew with each object that joins its group.
    pub gather: Duration,
    /// But never longer than this in all.
    pub gather_at_most: Duration,
    /// Deliveries that wait for a writer before the planner stops making calls.
    pub deliveries: usize,
    /// Bytes of fetched values that may be alive before the planner stops making calls. One call more
    /// than that may end in any case, see [`keyhole_core::limits::Limits::values`].
    pub value_bytes: usize,
    /// Messages to the planner that may wait.
    pub inbox: usize,
    /// HTTP exchanges per second that a store is asked at first. It is asked faster while it takes
    /// everything, and slower once it asks for that.
    pub start_per_second: f64,
    /// No store is asked faster than this.
    pub most_per_second: f64,
    /// Exchanges that may come at once after a quiet time, until a store's limit is known.
    pub burst: u32,
    /// A failed request is asked again within the same pass if the wait is not longer than this;
    /// until then the other values of its object stay in memory. A longer pause fails whatever waits
    /// for it, so that objects say why they wait.
    pub hold: Duration,
    /// A call is given up after this time, whatever its plugin's own limit is.
    pub call_at_most: Duration,
    /// A delivery whose receipt has not come after this time is taken for failed.
    pub lost_receipt: Duration,
    /// How long calls in flight may go on after a shutdown was asked for.
    pub grace: Duration,
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            slots: 32,
            gather: Duration::from_millis(20),
            gather_at_most: Duration::from_secs(1),
            deliveries: 256,
            value_bytes: 32 << 20,
            inbox: 1024,
            // The lowest quota of AWS's stores: GetParameter of Systems Manager, unless it was raised.
            start_per_second: 40.0,
            most_per_second: 1000.0,
            burst: 40,
            hold: Duration::from_secs(5),
            call_at_most: Duration::from_secs(600),
            lost_receipt: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// A call that ended, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct CallReport<'a> {
    /// Whose it was.
    pub group: &'a GroupKey,
    /// How many requests travelled in it.
    pub requests: usize,
    /// Requests that the store wants to be asked more slowly.
    pub throttled: usize,
    /// From beginning to end.
    pub took: Duration,
    /// Whether it failed as a whole.
    pub result: Result<(), &'a CallError>,
}

/// Told about what the planner does, for metrics. Must not block.
pub trait CallObserver: Send + Sync {
    /// A call has ended.
    fn call_ended(&self, report: &CallReport<'_>);

    /// An object needs what another one already waits for, and so costs nothing.
    fn request_joined(&self, group: &GroupKey);
}

/// Numbers for metrics, as of the last turn of the planner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Objects known.
    pub objects: usize,
    /// Groups with at least one object.
    pub groups: usize,
    /// Requests waiting to be asked.
    pub waiting_requests: usize,
    /// Calls in flight.
    pub calls_in_flight: usize,
    /// Deliveries that wait for a writer.
    pub waiting_deliveries: usize,
    /// Bytes of fetched values that are alive, those with writers included; up to the moment.
    pub value_bytes: usize,
}

/// The planner has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the planner has stopped")]
pub struct Stopped;

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum Message {
    Submit(Submit),
    Forget(ObjectKey),
    Done(Done),
}

/// How everybody else talks to the planner. Cheap to clone. The planner never waits for anybody, so
/// each method waits only while a burst of messages is worked off.
#[derive(Clone)]
pub struct PlannerHandle {
    inbox: mpsc::Sender<Message>,
    gauges: watch::Receiver<Gauges>,
    stores: watch::Receiver<Vec<StoreState>>,
    ledger: Arc<answer::Ledger>,
}

impl PlannerHandle {
    /// Makes `submit.plan` the object's plan and fetches it as its cause demands. Objects that are
    /// submitted without a pause in between (a first listing) are gathered into full batches.
    ///
    /// # Errors
    ///
    /// [`Stopped`] after a shutdown.
    pub async fn submit(&self, submit: Submit) -> Result<(), Stopped> {
        self.send(Message::Submit(submit)).await
    }

    /// Forgets the object. What is in flight for it alone is cancelled, and nothing more is delivered.
    ///
    /// # Errors
    ///
    /// [`Stopped`] after a shutdown.
    pub async fn forget(&self, key: ObjectKey) -> Result<(), Stopped> {
        self.send(Message::Forget(key)).await
    }

    /// Says what became of a delivery.
    ///
    /// # Errors
    ///
    /// [`Stopped`] after a shutdown.
    pub async fn done(&self, done: Done) -> Result<(), Stopped> {
        self.send(Message::Done(done)).await
    }

    /// Numbers for metrics.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            value_bytes: self.ledger.bytes(),
            ..*self.gauges.borrow()
        }
    }

    /// The stores that are asked, in no particular order.
    #[must_use]
    pub fn stores(&self) -> Vec<StoreState> {
        self.stores.borrow().clone()
    }

    async fn send(&self, message: Message) -> Result<(), Stopped> {
        self.inbox.send(message).await.map_err(|_| Stopped)
    }
}
