//! The memory limit of one instance.
//!
//! All linear memories and tables of an instance count together: a component may bring several, and a
//! limit on each would multiply. A growth over the limit is refused, not trapped, because a guest may
//! live with less; the refusal is remembered, so that a guest that dies of it is told apart from one
//! that crashed for its own reasons.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::ResourceLimiter;

use crate::gauges::Gauges;

/// Bytes of host memory that one table entry takes.
const TABLE_ENTRY: usize = size_of::<usize>();

/// Core instances, memories and tables of one component; far above what toolchains produce. Each takes
/// some memory of the host that no growth reports.
const INSTANCES: usize = 100;
const MEMORIES: usize = 16;
const TABLES: usize = 100;

/// Counts one instance's bytes, in itself and in the engine's gauge.
pub(crate) struct Memory {
    gauges: Arc<Gauges>,
    limit: usize,
    used: usize,
    peak: usize,
    refused: bool,
}

impl Memory {
    pub(crate) fn new(gauges: &Arc<Gauges>, limit: usize) -> Self {
        Self {
            gauges: Arc::clone(gauges),
            limit,
            used: 0,
            peak: 0,
            refused: false,
        }
    }

    /// Whether a growth was refused at some time.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The most bytes at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match self.used.checked_add(bytes) {
            Some(used) if used <= self.limit => {
                self.used = used;
                self.peak = self.peak.max(used);
                self.gauges.bytes.fetch_add(bytes, Ordering::AcqRel);
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.gauges.bytes.fetch_sub(self.used, Ordering::AcqRel);
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Beyond its own declared maximum the growth fails whatever we say; count nothing for it.
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.refused |= desired > self.limit;
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The kernel or the pool had less than the limit: to the guest it is the same.
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY)))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    #[test]
    fn memories_and_tables_count_together_and_leave_nothing_behind() {
        let gauges = Arc::new(Gauges::default());
        let mut memory = Memory::new(&gauges, 4 * PAGE);
        assert!(memory.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(memory.memory_growing(0, PAGE, Some(PAGE)).unwrap());
        assert!(memory.table_growing(0, 16, None).unwrap());
        assert!(
            !memory.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap(),
            "one page is left, less the table"
        );
        assert!(memory.refused());
        assert_eq!(memory.peak(), 3 * PAGE + 16 * TABLE_ENTRY);
        assert_eq!(gauges.bytes.load(Ordering::Acquire), memory.peak());
        drop(memory);
        assert_eq!(gauges.bytes.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_growth_that_the_memory_itself_forbids_is_no_refusal_of_ours() {
        let mut memory = Memory::new(&Arc::default(), 4 * PAGE);
        assert!(!memory.memory_growing(PAGE, 2 * PAGE, Some(PAGE)).unwrap());
        assert!(!memory.refused());
    }
}
