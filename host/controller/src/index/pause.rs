//! Pauses that double with each failure in a row.

use std::time::Duration;

use keyhole_core::schedule::LONGEST_BACKOFF;

/// `first`, doubled for each of so many failures, and no longer than any back-off.
pub(super) fn doubled(first: Duration, failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(LONGEST_BACKOFF)
}
