//! What all instances of an engine take together. Tests, and the metrics of an operator who wonders
//! where memory went, read that both are back at zero when nothing runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instances and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) instances: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
}

/// One living instance. Counts from creation to drop.
#[derive(Debug)]
pub(crate) struct Living(Arc<Gauges>);

impl Living {
    pub(crate) fn begin(gauges: &Arc<Gauges>) -> Self {
        gauges.instances.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(gauges))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Ordering::AcqRel);
    }
}
