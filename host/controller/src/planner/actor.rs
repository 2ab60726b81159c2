//! The loop that owns all of the planner's state.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CallObserver, Delivery, PlannerConfig, PlannerHandle};

/// The planner, to be run by whoever owns its task.
pub struct Planner {
    _config: PlannerConfig,
}

impl Planner {
    /// A planner, the handle to talk to it, and the deliveries. `now` anchors the common ticks.
    #[must_use]
    pub fn new(
        _config: PlannerConfig,
        _now: Timestamp,
        _observer: Option<Arc<dyn CallObserver>>,
    ) -> (Self, PlannerHandle, mpsc::Receiver<Delivery>) {
        unimplemented!()
    }

    /// Runs until `shutdown`, then lets calls in flight end within the configured grace, hands out what
    /// they complete, and closes the deliveries.
    pub async fn run(self, _shutdown: CancellationToken) {}
}
