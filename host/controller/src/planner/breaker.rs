//! Keeps a store that is down from being asked by everybody who needs it.
//!
//! The first failures are met with short pauses, in which objects wait without a word: most outages are a
//! lost connection. When call after call fails, the breaker *opens*: nothing is asked, and whatever waits
//! or comes is told the one thing that is wrong. After a while, longer each time, one call goes
//! out as a probe (*half-open*) and everything else waits for it. Any answer of the store closes the breaker.
//! Without this, each of a thousand objects would find out for itself, with a time-out of its own.
//!
//! It takes several requests to say that a store is down. One entry that its store cannot read fails each
//! time that it is asked alone, and must not shut the store to the others.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use keyhole_core::{Failure, Request};
use tokio::time::Instant;

use super::rest::Rest;

/// Rounds of failed calls after which the breaker opens.
const OPENS_AFTER: u32 = 3;

/// Different requests that must have failed since the last answer for a store to count as down.
const WITNESSES: usize = 3;

/// What is said about a store while nothing is asked of it. No numbers: the text stands in statuses, which
/// are written whenever they change.
const REMEDY: &str = "it is asked again by itself; until it answers, nothing else is asked of it";

/// How the breaker of a store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BreakerState {
    /// Calls may go.
    Closed,
    /// No call may go.
    Open,
    /// One call has gone to see.
    HalfOpen,
}

impl BreakerState {
    /// Every state there is.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// As a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The breaker of one store.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    rest: Rest,
    failures: u32,
    /// Which requests failed since the last answer, as far as it matters.
    failed: BTreeSet<u64>,
    counted: Option<Instant>,
    is_open: bool,
    is_probing: bool,
}

impl Breaker {
    pub(super) fn state(&self) -> BreakerState {
        match (self.is_open, self.is_probing) {
            (false, _) => BreakerState::Closed,
            (true, false) => BreakerState::Open,
            (true, true) => BreakerState::HalfOpen,
        }
    }

    /// The earliest moment for the next call; nothing while the answer to a probe is waited for.
    pub(super) fn next_call(&self, now: Instant) -> Option<Instant> {
        (!self.is_probing).then(|| self.rest.until(now).unwrap_or(now))
    }

    /// A call begins. Whether it is a probe.
    pub(super) fn begin(&mut self) -> bool {
        self.is_probing = self.is_open;
        self.is_open
    }

    /// A probe has ended or was given up, whatever it found.
    pub(super) fn probe_ended(&mut self) {
        self.is_probing = false;
    }

    /// The store is there.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.failed.clear();
        self.is_open = false;
        self.is_probing = false;
        self.rest.reset();
    }

    /// A call that began at `began` did not find the store in order. Returns the pause from now; nothing when
    /// it may be the requests rather than the store. Calls that were already on their way when the last
    /// failure was counted are part of it.
    pub(super) fn failed(
        &mut self,
        failure: Failure,
        asked: Option<Duration>,
        witnesses: Witnesses,
        began: Instant,
        at: Moment,
    ) -> Option<Duration> {
        let Moment { now, random, hold } = at;
        let unheard = witnesses.0.into_iter().flatten();
        self.failed
            .extend(unheard.take(WITNESSES.saturating_sub(self.failed.len())));
        let is_told_to_wait = asked.is_some_and(|asked| asked > hold);
        if self.failed.len() < WITNESSES && !is_told_to_wait && !self.is_open {
            return None;
        }
        let is_old = self.counted.is_some_and(|counted| began < counted);
        if is_old && asked.is_none() {
            return Some(self.rest.until(now).map_or(Duration::ZERO, |until| until - now));
        }
        if !is_old {
            self.failures = self.failures.saturating_add(1);
            self.counted = Some(now);
        }
        let failure = match failure.remedy {
            Some(_) => failure,
            None => failure.remedy(REMEDY),
        };
        let wait = self.rest.begin(failure, asked, now, random);
        self.is_open |= self.failures >= OPENS_AFTER || is_told_to_wait;
        Some(wait)
    }

    /// What to say to objects while the breaker is open. While a probe is due or out they wait for it.
    pub(super) fn refusal(&self, now: Instant) -> Option<Failure> {
        if self.is_open {
            self.rest.refusal(now, Duration::ZERO)
        } else {
            None
        }
    }
}

/// Requests of a failed call, enough of them to tell one sick entry from a store that is down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Witnesses([Option<u64>; WITNESSES]);

impl Witnesses {
    pub(super) fn of<'a>(requests: impl Iterator<Item = &'a Request>) -> Self {
        let mut witnesses = Self::default();
        for (place, request) in witnesses.0.iter_mut().zip(requests) {
            let mut hasher = DefaultHasher::new();
            request.hash(&mut hasher);
            *place = Some(hasher.finish());
        }
        witnesses
    }
}

/// When something went wrong, and what depends on the planner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// A fresh number in `0.0..1.0`.
    pub(super) random: f64,
    /// See [`super::PlannerConfig::hold`].
    pub(super) hold: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::Reason;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fail(breaker: &mut Breaker, asked: Option<Duration>, began: Instant, now: Instant) -> Duration {
        let at = Moment {
            now,
            random: 1.0,
            hold: s(5),
        };
        let many = Witnesses([Some(1), Some(2), Some(3)]);
        let failure = Failure::new(Reason::Unavailable, "gone");
        breaker.failed(failure, asked, many, began, at).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_sick_entry_is_not_a_store_that_is_down() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let mut fail = |number, later| {
            let at = Moment {
                now: now + s(later),
                random: 1.0,
                hold: s(5),
            };
            let one = Witnesses([Some(number), None, None]);
            breaker.failed(Failure::new(Reason::Unavailable, "sick"), None, one, at.now, at)
        };
        for later in 0..10 {
            assert_eq!(fail(1, later), None);
        }
        assert_eq!(fail(2, 10), None);
        assert_eq!(fail(3, 11), Some(s(1)), "now it is more than some entries");
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_some_failures_probes_once_and_closes_on_an_answer() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        for (expected, state) in [
            (1, BreakerState::Closed),
            (2, BreakerState::Closed),
            (4, BreakerState::Open),
        ] {
            assert!(!breaker.begin());
            assert_eq!(fail(&mut breaker, None, now, now), s(expected));
            assert_eq!(breaker.state(), state);
            assert_eq!(breaker.next_call(now), Some(now + s(expected)));
            assert_eq!(breaker.refusal(now).is_some(), state == BreakerState::Open);
            now += s(expected);
        }
        assert_eq!(breaker.next_call(now), Some(now));
        assert!(breaker.begin(), "a probe");
        assert_eq!(
            (breaker.state(), breaker.next_call(now)),
            (BreakerState::HalfOpen, None)
        );
        assert!(breaker.refusal(now).is_none(), "what comes waits for it");
        breaker.probe_ended();
        assert_eq!(fail(&mut breaker, None, now, now), s(8));
        assert_eq!(breaker.state(), BreakerState::Open);
        now += s(8);
        assert!(breaker.begin());
        breaker.probe_ended();
        breaker.answered();
        assert_eq!(
            (breaker.state(), breaker.next_call(now)),
            (BreakerState::Closed, Some(now))
        );
        assert_eq!(fail(&mut breaker, None, now, now), s(1), "and starts over");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_fail_together_count_once() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for later in 0..8 {
            fail(&mut breaker, None, now, now + s(later));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_asks_for_a_long_rest_gets_it_at_once() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(fail(&mut breaker, Some(s(100)), now, now), s(100));
        let told = breaker.refusal(now).unwrap();
        assert_eq!((told.retry_after, told.remedy.as_deref()), (Some(s(100)), Some(REMEDY)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_an_earlier_call_ends_the_wait_for_the_probe() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, Some(s(100)), now, now);
        let now = now + s(100);
        assert!(breaker.begin());
        breaker.answered();
        assert_eq!(
            (breaker.state(), breaker.next_call(now)),
            (BreakerState::Closed, Some(now))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_given_up_is_not_waited_for() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        fail(&mut breaker, Some(s(100)), now, now);
        let now = now + s(100);
        assert!(breaker.begin());
        breaker.probe_ended();
        assert_eq!(breaker.next_call(now), Some(now));
    }
}
