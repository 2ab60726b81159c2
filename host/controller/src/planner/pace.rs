//! How fast a store may be asked.
//!
//! A token bucket of exchanges whose rate is not a setting but found out, because quotas are per account,
//! differ by operation, are raised on request and are shared with strangers. Like TCP it starts low, doubles
//! within a second while everything passes, and once a store has said "throttled" it goes back to what
//! was seen to pass and grows by a tenth a second from there. So a busy store is asked a
//! little more than it allows once in a while, and not all the time.
//!
//! What a call costs is known for sure only when it has ended. It begins on an estimate; the difference
//! is given back, or owed, and nothing is asked while anything is owed. Without this, a call that
//! turns out to be twenty exchanges would count as one.
//!
//! The rate grows only while it is what holds calls back. A store that is asked little says nothing about
//! how much more it would take.

use std::time::Duration;

use keyhole_core::schedule::LONGEST_BACKOFF;
use tokio::time::Instant;

/// No store is asked more seldom, in exchanges per second.
const LEAST_PER_SECOND: f64 = 0.5;
/// Growth per exchange that passed before the limit is known: the rate doubles in a second (ln 2).
const SEARCH: f64 = 0.7;
/// Growth per exchange that passed afterwards: a tenth a second.
const CREEP: f64 = 0.1;
/// A cut leaves what passed in the last second, but not more than this part of the rate,
const CUT_TO_AT_MOST: f64 = 0.7;
/// and not less than this.
const CUT_TO_AT_LEAST: f64 = 0.3;
/// Without anything that passed there is no measure; then this part of the rate is left.
const HALF: f64 = 0.5;
/// Once the limit is known, exchanges of this time may come at once: a store's own burst may be no larger.
const KNOWN_BURST: f64 = 0.25;
/// Debts are paid off in this time at most, however wrong an estimate was.
const LONGEST_DEBT: f64 = 60.0;

/// The pace of one store, in exchanges.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    most: f64,
    burst: f64,
    tokens: f64,
    refilled: Instant,
    /// Above this rate, growth is gentle. Infinite until the store has throttled once.
    known_good: f64,
    /// The last call left nothing for another.
    is_limiting: bool,
    passed: Lately,
    passed_since_cut: bool,
    cut: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: f64, most: f64, burst: u32, now: Instant) -> Self {
        let finite = |number: f64, otherwise: f64| if number.is_finite() { number } else { otherwise };
        let most = finite(most, f64::from(u32::MAX)).max(LEAST_PER_SECOND);
        let burst = f64::from(burst.max(1));
        Self {
            per_second: finite(per_second, most).clamp(LEAST_PER_SECOND, most),
            most,
            burst,
            tokens: burst,
            refilled: now,
            known_good: f64::INFINITY,
            is_limiting: false,
            passed: Lately::new(now),
            passed_since_cut: false,
            cut: None,
        }
    }

    /// Exchanges per second that are allowed now.
    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    /// What one call should not cost more than; nothing while no limit is known.
    pub(super) fn most_at_once(&self) -> Option<f64> {
        self.known_good.is_finite().then_some(self.burst)
    }

    /// The earliest moment for the next call, which is expected to cost so much; not later than `now` when it
    /// may go at once. A call that costs more than can be saved up goes with all that can.
    pub(super) fn next_call(&mut self, now: Instant, cost: f64) -> Instant {
        self.refill(now);
        let needed = cost.min(self.burst).max(1.0);
        if self.tokens >= needed {
            return now;
        }
        let wait = Duration::from_secs_f64((needed - self.tokens) / self.per_second);
        // A nanosecond more, so that the token is whole when the timer fires.
        now + wait.min(LONGEST_BACKOFF) + Duration::from_nanos(1)
    }

    /// A call begins that is expected to cost so much.
    pub(super) fn begin(&mut self, now: Instant, cost: f64) {
        self.refill(now);
        self.pay(cost);
        self.is_limiting = self.tokens < 1.0;
    }

    /// A call has ended that was expected to cost `expected`.
    pub(super) fn settle(&mut self, now: Instant, expected: f64, cost: f64) {
        self.refill(now);
        self.pay(cost - expected);
    }

    /// So many exchanges got through.
    pub(super) fn passed(&mut self, now: Instant, exchanges: f64) {
        if exchanges <= 0.0 {
            return;
        }
        self.passed.add(now, exchanges);
        self.passed_since_cut = true;
        if self.is_limiting {
            let grown = if self.per_second < self.known_good {
                (self.per_second + SEARCH * exchanges).min(self.known_good)
            } else {
                self.per_second + CREEP * exchanges
            };
            self.go_at(grown);
        }
    }

    /// A call that began at `began` was throttled. Those of one round are one reason to go slower:
    /// their fellows that were already on their way say nothing new. Whether this one did.
    pub(super) fn throttled(&mut self, began: Instant, now: Instant) -> bool {
        if self.cut.is_some_and(|cut| began <= cut) {
            return false;
        }
        self.refill(now);
        let rate = self.per_second;
        if self.passed_since_cut {
            let measured = self.passed.per_second(now);
            self.known_good = measured.clamp(rate * CUT_TO_AT_LEAST, rate * CUT_TO_AT_MOST);
            self.go_at(self.known_good);
        } else {
            // Somebody else has all of the quota for the moment. What was good before stays the aim.
            if self.known_good.is_infinite() {
                self.known_good = rate;
            }
            self.go_at(rate * HALF);
        }
        self.tokens = self.tokens.min(0.0);
        self.passed_since_cut = false;
        self.cut = Some(now);
        true
    }

    /// Nothing is saved up before then: a store that asked for rest is not met by a burst after it.
    pub(super) fn save_nothing_until(&mut self, until: Instant) {
        self.refilled = self.refilled.max(until);
    }

    fn go_at(&mut self, per_second: f64) {
        self.per_second = per_second.clamp(LEAST_PER_SECOND, self.most);
        if self.known_good.is_finite() {
            self.burst = (self.per_second * KNOWN_BURST).max(1.0);
        }
    }

    fn pay(&mut self, cost: f64) {
        let deepest = -LONGEST_DEBT * self.per_second;
        self.tokens = (self.tokens - cost).max(deepest).min(self.burst);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.refilled = self.refilled.max(now);
    }
}

/// How much of something there was in the last second, the latest counting most.
#[derive(Debug)]
struct Lately {
    level: f64,
    at: Instant,
}

impl Lately {
    fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now }
    }

    fn add(&mut self, now: Instant, count: f64) {
        self.level = self.per_second(now) + count;
        self.at = now;
    }

    fn per_second(&self, now: Instant) -> f64 {
        self.level * (-now.saturating_duration_since(self.at).as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests;
