//! When a watch has failed for so long that what it showed must not be trusted any more.
//!
//! What namespaces permit is known from a watch. While that is down, a limit may have been set that nobody
//! has told of, so after a while the namespaces count as unknown and their objects are held.

use std::time::Duration;

use tokio::time::Instant;

/// How long a watch may fail until what it showed of namespaces is not trusted any more. An API server that
/// is replaced or overloaded is back by then.
pub(super) const OUTAGE: Duration = Duration::from_secs(60);
/// More than this between two errors, and the watch has worked in between: attempts are at most 30 s apart.
const QUIET: Duration = Duration::from_secs(120);

/// Errors of a watch with nothing good between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    /// The first and the last error.
    between: Option<(Instant, Instant)>,
}

impl Outage {
    /// There is an error now. Returns whether it has been so for too long. Errors far apart are two
    /// outages: a quiet watch shows nothing when it works again.
    pub(super) fn goes_on(&mut self, now: Instant) -> bool {
        let began = match self.between {
            Some((began, last)) if now.duration_since(last) <= QUIET => began,
            _ => now,
        };
        self.between = Some((began, now));
        now.duration_since(began) >= OUTAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_fails_for_a_minute_is_lost_and_one_that_fails_now_and_then_is_not() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        let lost: Vec<_> = [0, 30, 59, 60, 90].map(|at| outage.goes_on(after(at))).to_vec();
        assert_eq!(lost, [false, false, false, true, true]);
        let mut rare = Outage::default();
        assert!((0..10).all(|hour| !rare.goes_on(after(hour * 3600))));
    }
}
