//! How fast a group may call, and when it must not call at all.
//!
//! A token bucket keeps a group below the rate that its store allows; a store that says "throttled" or
//! cannot be reached pauses the whole group, for as long as the store asks or with growing steps.
//! Without this a throttled store would be asked again at once by every object that waits for it.

use std::time::Duration;

use keyhole_core::schedule::{Backoff, LONGEST_BACKOFF};
use tokio::time::Instant;

/// A store that asks to be called again "in 0 ms" still gets this much rest.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// The pace of one group.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    burst: f64,
    tokens: f64,
    refilled: Instant,
    paused_until: Option<Instant>,
    backoff: Backoff,
}

impl Pace {
    pub(super) fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        let per_second = if per_second.is_finite() {
            per_second.max(0.01)
        } else {
            f64::MAX
        };
        Self {
            per_second,
            burst,
            tokens: burst,
            refilled: now,
            paused_until: None,
            backoff: Backoff::new(None),
        }
    }

    /// The earliest moment for the next call; not later than `now` when it may go at once.
    pub(super) fn next_call(&mut self, now: Instant) -> Instant {
        self.refill(now);
        let token = if self.tokens >= 1.0 {
            now
        } else {
            // A nanosecond more, so that the token is whole when the timer fires.
            now + Duration::from_secs_f64((1.0 - self.tokens) / self.per_second) + Duration::from_nanos(1)
        };
        self.paused_until.map_or(token, |until| until.max(token))
    }

    /// A call begins.
    pub(super) fn called(&mut self, now: Instant) {
        self.refill(now);
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    /// A call brought answers.
    pub(super) fn answered(&mut self) {
        self.backoff.reset();
    }

    /// The store asks for rest, or cannot answer. Returns how long the group pauses from now. Calls
    /// that began before the pause and fail in it do not lengthen the steps.
    pub(super) fn pause(&mut self, now: Instant, asked: Option<Duration>, random: f64) -> Duration {
        let paused = self.paused_until.filter(|&until| until > now);
        let wait = match (asked, paused) {
            (Some(asked), _) => asked.clamp(LEAST_PAUSE, LONGEST_BACKOFF),
            (None, Some(until)) => until - now,
            (None, None) => self.backoff.next(random),
        };
        let until = paused.map_or(now + wait, |until| until.max(now + wait));
        self.paused_until = Some(until);
        until - now
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, 3, start);
        let mut now = start;
        for _ in 0..13 {
            now = pace.next_call(now).max(now);
            pace.called(now);
        }
        let took = now - start;
        assert!(
            took >= Duration::from_millis(999) && took < Duration::from_millis(1001),
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_says_how_long_a_pause_is_within_reason() {
        let now = Instant::now();
        let mut pace = Pace::new(10.0, 3, now);
        assert_eq!(
            pace.pause(now, Some(Duration::from_secs(7)), 0.0),
            Duration::from_secs(7)
        );
        assert_eq!(pace.next_call(now), now + Duration::from_secs(7));
        let mut pace = Pace::new(10.0, 3, now);
        assert_eq!(pace.pause(now, Some(Duration::MAX), 0.0), LONGEST_BACKOFF);
        let mut pace = Pace::new(10.0, 3, now);
        assert_eq!(pace.pause(now, Some(Duration::ZERO), 0.0), LEAST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_that_fail_at_once_are_one_step() {
        let now = Instant::now();
        let mut pace = Pace::new(10.0, 3, now);
        for _ in 0..8 {
            assert_eq!(pace.pause(now, None, 1.0), Duration::from_secs(1));
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.pause(later, None, 1.0), Duration::from_secs(2));
        pace.answered();
        assert_eq!(
            pace.pause(later + Duration::from_secs(2), None, 1.0),
            Duration::from_secs(1)
        );
    }
}
