//! A pause, why it was taken, and when it ends.
//!
//! Whoever is asked for rest takes as long as was asked for, or steps that grow from one second. Objects that
//! would have to wait for longer than a moment are told why instead of standing still without a word.

use std::time::Duration;

use keyhole_core::Failure;
use keyhole_core::schedule::{Backoff, LONGEST_BACKOFF};
use tokio::time::Instant;

/// A store that asks to be called again "in 0 ms" still gets this much rest.
const LEAST_REST: Duration = Duration::from_millis(100);

/// Pauses of a group or a store.
#[derive(Debug)]
pub(super) struct Rest {
    backoff: Backoff,
    trouble: Option<(Failure, Instant)>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            backoff: Backoff::new(None),
            trouble: None,
        }
    }
}

impl Rest {
    /// Begins a pause, or makes one longer; returns how long it is from now. Calls that began before a
    /// pause and fail in it do not lengthen the steps.
    pub(super) fn begin(&mut self, failure: Failure, asked: Option<Duration>, now: Instant, random: f64) -> Duration {
        let paused = self.until(now);
        let wait = match (asked, paused) {
            (Some(asked), _) => asked.clamp(LEAST_REST, LONGEST_BACKOFF),
            (None, Some(until)) => until - now,
            (None, None) => self.backoff.next(random),
        };
        let until = paused.map_or(now + wait, |until| until.max(now + wait));
        self.trouble = Some((failure, until));
        until - now
    }

    /// What the pauses were for is over: the next one is short again.
    pub(super) fn reset(&mut self) {
        self.backoff.reset();
    }

    /// The end of a pause that lasts.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let (_, until) = self.trouble.as_ref()?;
        (*until > now).then_some(*until)
    }

    /// What to say to objects that would have to wait longer than `hold` for the end of the pause.
    pub(super) fn refusal(&self, now: Instant, hold: Duration) -> Option<Failure> {
        let (failure, until) = self.trouble.as_ref()?;
        let left = until.saturating_duration_since(now);
        (left > hold).then(|| Failure {
            retry_after: Some(left),
            ..failure.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::Reason;

    fn failure() -> Failure {
        Failure::new(Reason::Throttled, "busy")
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_says_how_long_a_pause_is_within_reason() {
        let now = Instant::now();
        let begin = |asked| Rest::default().begin(failure(), Some(asked), now, 0.0);
        assert_eq!(begin(Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(begin(Duration::MAX), LONGEST_BACKOFF);
        assert_eq!(begin(Duration::ZERO), LEAST_REST);
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_that_fail_at_once_are_one_step() {
        let now = Instant::now();
        let mut rest = Rest::default();
        for _ in 0..8 {
            assert_eq!(rest.begin(failure(), None, now, 1.0), Duration::from_secs(1));
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(rest.begin(failure(), None, later, 1.0), Duration::from_secs(2));
        rest.reset();
        let later = later + Duration::from_secs(2);
        assert_eq!(rest.begin(failure(), None, later, 1.0), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_long_pause_is_told() {
        let now = Instant::now();
        let mut rest = Rest::default();
        rest.begin(failure(), Some(Duration::from_secs(7)), now, 0.0);
        let told = rest.refusal(now, Duration::from_secs(5)).unwrap();
        assert_eq!(told.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(rest.refusal(now + Duration::from_secs(2), Duration::from_secs(5)), None);
    }
}
