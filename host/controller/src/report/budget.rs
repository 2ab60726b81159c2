//! How many heartbeats the whole host may write.
//!
//! A heartbeat moves `lastSync` on and says nothing else. A small cluster sees one per sync, as with
//! KES; ten thousand objects cost no more writes than the budget, and their `lastSync` lags instead.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that holds at most one second's worth.
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    /// When the next write would be due if they came evenly; at most one second in the past.
    next: Option<Instant>,
}

impl Budget {
    /// This many writes per second; none at all for zero.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second, next: None }
    }

    /// Takes one write if there is one to take.
    pub fn take(&mut self, now: Instant) -> bool {
        let Some(gap) = Duration::from_secs(1).checked_div(self.per_second) else {
            return false;
        };
        let full = now
            .checked_sub(Duration::from_secs(1).saturating_sub(gap))
            .unwrap_or(now);
        let next = self.next.map_or(full, |next| next.max(full));
        if next > now {
            return false;
        }
        self.next = Some(next + gap);
        true
    }

    /// When there is one to take again, if ever.
    #[must_use]
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        (self.per_second > 0).then(|| self.next.map_or(now, |next| next.max(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_then_an_even_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(10);
        let burst = (0..100).filter(|_| budget.take(start)).count();
        assert_eq!(burst, 10);
        assert_eq!(budget.ready_at(start), Some(start + Duration::from_millis(100)));
        let steady = (0..10_000)
            .filter(|ms| budget.take(start + Duration::from_millis(*ms)))
            .count();
        assert_eq!(
            steady, 99,
            "ten a second for ten seconds, less the one that is not due yet"
        );
    }

    #[test]
    fn a_long_quiet_time_saves_up_no_more_than_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(10);
        assert!(budget.take(start));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| budget.take(later)).count(), 10);
    }

    #[test]
    fn no_budget_means_no_heartbeat() {
        let mut budget = Budget::new(0);
        assert!(!budget.take(Instant::now()));
        assert_eq!(budget.ready_at(Instant::now()), None);
    }
}
