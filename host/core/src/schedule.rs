//! When an object is due: pure arithmetic on times since an epoch that the caller chooses.
//!
//! Refreshes of a group fall on common ticks so that batches are full, but never later than an object's
//! own interval allows. Failures back off, jittered, so that a store that comes back is not met by
//! every object at once. After a restart, old objects are spread over one interval for the same reason.
//! Randomness comes in as a number, so every rule can be tested.

use std::time::Duration;

/// The first step of a back-off.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// No back-off is longer than this, or than the object's interval if that is shorter.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// How often a grid is halved to find a tick at which objects can meet.
const FINEST: u32 = 6;

/// Back-off of one object or group: 1 s doubling up to a cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// For an object that is refreshed every `interval`, or that is not refreshed at all (`None`).
    #[must_use]
    pub fn new(interval: Option<Duration>) -> Self {
        let cap = interval
            .filter(|interval| !interval.is_zero())
            .unwrap_or(LONGEST_BACKOFF)
            .min(LONGEST_BACKOFF);
        Self { cap, failures: 0 }
    }

    /// How long to wait after one more failure: anything between half of the first step and the
    /// current step. `random` is a fresh number in `0.0..1.0`.
    pub fn next(&mut self, random: f64) -> Duration {
        let step = FIRST_BACKOFF
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(self.cap);
        if step < self.cap {
            self.failures = self.failures.saturating_add(1);
        }
        let least = (FIRST_BACKOFF / 2).min(step);
        least + (step - least).mul_f64(fraction(random))
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The last of the ticks `phase + k * interval` that is not later than `now + interval`. Objects of one
/// interval and phase meet there, and none waits longer than its interval. Always later than `now`,
/// except for a zero interval.
#[must_use]
pub fn next_tick(now: Duration, interval: Duration, phase: Duration) -> Duration {
    last_tick(now, now.saturating_add(interval), interval, phase)
}

/// The last of the ticks `phase + k * grid` after `now` and not later than `due`; `due` itself when
/// there is none. With a grid finer than the intervals, objects of several intervals meet.
#[must_use]
pub fn last_tick(now: Duration, due: Duration, grid: Duration, phase: Duration) -> Duration {
    if grid.is_zero() {
        return due;
    }
    let (grid_ns, phase_ns, due_ns) = (grid.as_nanos(), phase.as_nanos() % grid.as_nanos(), due.as_nanos());
    let Some(beyond) = due_ns.checked_sub(phase_ns).map(|since| since % grid_ns) else {
        return due;
    };
    let tick = due.saturating_sub(from_nanos(beyond));
    if tick > now { tick } else { due }
}

/// The next refresh of an object that was fetched from `started` on and is done `now`: on the last tick of `grid`
/// that is not later than `interval` allows.
///
/// Where that tick went by during the pass, staying at the due time would miss it each time. A tick of a
/// finer grid leads to the next one, and objects of one pass that were done in other moments meet there,
/// too: without it each of them would be asked for alone.
#[must_use]
pub fn next_refresh(started: Duration, now: Duration, interval: Duration, grid: Duration, phase: Duration) -> Duration {
    let due = started.saturating_add(interval);
    if due <= now {
        // The pass took longer than the interval; catching up would only make it take longer.
        return last_tick(now, now.saturating_add(interval), grid, phase);
    }
    let tick = last_tick(now, due, grid, phase);
    if tick < due || last_tick(started, due, grid, phase) == due {
        return tick;
    }
    let mut finer = (1..=FINEST).map(|halvings| last_tick(now, due, grid / 2_u32.pow(halvings), phase));
    finer.find(|&tick| tick < due).unwrap_or_else(|| now + (due - now) / 2)
}

/// When an object that was found at start is first due. Never synced, or synced in the future: now.
/// Synced less than one interval ago: after the rest of it. Longer ago: somewhere in the coming
/// interval, by `spread` in `0.0..1.0`.
#[must_use]
pub fn first_due(last_sync: Option<Duration>, interval: Duration, now: Duration, spread: f64) -> Duration {
    match last_sync {
        Some(last) if last <= now => {
            let due = last.saturating_add(interval);
            if due > now {
                due
            } else {
                now.saturating_add(interval.mul_f64(fraction(spread)))
            }
        }
        _ => now,
    }
}

/// `number` as a fraction, whatever the caller handed in.
fn fraction(number: f64) -> f64 {
    if number.is_finite() {
        number.clamp(0.0, 1.0)
    } else {
        0.5
    }
}

fn from_nanos(nanos: u128) -> Duration {
    const PER_SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / PER_SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % PER_SECOND).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn back_off_doubles_from_one_second_to_its_cap() {
        let steps = |interval, random| {
            let mut backoff = Backoff::new(interval);
            (0..12).map(|_| backoff.next(random).as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(
            steps(Some(s(10)), 1.0),
            [1., 2., 4., 8., 10., 10., 10., 10., 10., 10., 10., 10.]
        );
        assert_eq!(
            steps(Some(s(3600)), 1.0),
            [1., 2., 4., 8., 16., 32., 64., 128., 256., 300., 300., 300.]
        );
        assert_eq!(steps(None, 1.0), steps(Some(s(300)), 1.0));
        assert_eq!(
            steps(None, 1.0),
            steps(Some(Duration::ZERO), 1.0),
            "no refresh is no reason to hurry"
        );
        assert!(steps(Some(s(10)), 0.0).iter().all(|&step| step == 0.5));
        assert_eq!(steps(None, 0.5)[..3], [0.75, 1.25, 2.25]);
    }

    #[test]
    fn back_off_never_ends_and_never_grows_over_its_cap() {
        let mut random = fastrand::Rng::with_seed(7);
        for interval in [
            None,
            Some(Duration::from_millis(100)),
            Some(s(1)),
            Some(s(7)),
            Some(Duration::MAX),
        ] {
            let cap = interval.unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF);
            let mut backoff = Backoff::new(interval);
            for _ in 0..10_000 {
                let wait = backoff.next(random.f64());
                assert!(wait <= cap && wait >= cap.min(s(1) / 2), "{interval:?} {wait:?}");
            }
            assert!(backoff.next(f64::NAN) <= cap);
        }
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new(None);
        backoff.next(1.0);
        backoff.next(1.0);
        backoff.reset();
        assert_eq!(backoff.next(1.0), s(1));
    }

    #[test]
    fn a_tick_is_aligned_after_now_and_within_the_interval() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let now = Duration::from_millis(random.u64(0..10_000_000));
            let interval = Duration::from_millis(random.u64(1..100_000));
            let phase = Duration::from_millis(random.u64(0..200_000));
            let tick = next_tick(now, interval, phase);
            assert!(
                tick > now && tick <= now + interval,
                "{now:?} {interval:?} {phase:?} {tick:?}"
            );
            let aligned = tick.as_nanos() % interval.as_nanos() == phase.as_nanos() % interval.as_nanos();
            assert!(
                aligned || now + interval < phase,
                "{now:?} {interval:?} {phase:?} {tick:?}"
            );
        }
    }

    #[test]
    fn objects_of_one_group_meet_after_one_round() {
        let (interval, phase) = (s(10), s(3));
        let first: Vec<_> = (0..50).map(|i| s(100) + Duration::from_millis(200 * i)).collect();
        let meeting: std::collections::BTreeSet<_> = first.iter().map(|&now| next_tick(now, interval, phase)).collect();
        assert_eq!(meeting.into_iter().collect::<Vec<_>>(), [s(103), s(113)]);
        assert_eq!(next_tick(s(103), interval, phase), s(113));
        assert_eq!(next_tick(s(113), interval, phase), s(123));
    }

    #[test]
    fn a_grid_finer_than_the_interval_is_used_late_not_early() {
        assert_eq!(last_tick(s(101), s(131), s(10), s(0)), s(130));
        assert_eq!(last_tick(s(101), s(105), s(10), s(0)), s(105));
        assert_eq!(last_tick(s(1), s(2), s(10), s(5)), s(2));
        assert_eq!(last_tick(s(1), s(2), s(0), s(5)), s(2));
        assert_eq!(next_tick(s(5), Duration::MAX, s(0)), Duration::MAX);
    }

    #[test]
    fn objects_of_a_pass_in_which_a_tick_went_by_meet_before_the_next_one() {
        let (interval, phase) = (s(20), s(0));
        // Fetched at 97, written one after the other until 103; the tick was at 100.
        let written = (0..600).map(|nth| s(97) + Duration::from_millis(10 * nth));
        let next: std::collections::BTreeSet<_> = written
            .map(|now| next_refresh(s(97), now, interval, interval, phase))
            .collect();
        assert_eq!(next.into_iter().collect::<Vec<_>>(), [s(100), s(110)]);
        assert_eq!(next_refresh(s(110), s(111), interval, interval, phase), s(120));
        // So late that no finer tick is left: half time.
        let late = s(117) - Duration::from_millis(20);
        assert_eq!(
            next_refresh(s(97), late, interval, interval, phase),
            late + Duration::from_millis(10)
        );
        // A pass that took longer than the interval.
        assert_eq!(next_refresh(s(97), s(130), interval, interval, phase), s(140));
    }

    #[test]
    fn a_refresh_is_after_now_and_within_the_interval() {
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..20_000 {
            let started = Duration::from_millis(random.u64(0..10_000_000));
            let interval = Duration::from_millis(random.u64(10..100_000));
            let now = started + interval.mul_f64(random.f64() * 0.99);
            let grid = interval / random.u32(1..4);
            let next = next_refresh(
                started,
                now,
                interval,
                grid,
                Duration::from_millis(random.u64(0..200_000)),
            );
            assert!(
                next > now && next <= started + interval,
                "{started:?} {now:?} {interval:?} {grid:?} {next:?}"
            );
        }
    }

    #[test]
    fn after_a_restart_recent_objects_wait_and_old_ones_are_spread() {
        let interval = s(60);
        assert_eq!(first_due(None, interval, s(1000), 0.5), s(1000));
        assert_eq!(first_due(Some(s(1001)), interval, s(1000), 0.5), s(1000));
        assert_eq!(first_due(Some(s(990)), interval, s(1000), 0.5), s(1050));
        assert_eq!(first_due(Some(s(940)), interval, s(1000), 0.5), s(1030));
        assert_eq!(first_due(Some(s(0)), interval, s(1000), 0.0), s(1000));
        assert_eq!(first_due(Some(s(0)), interval, s(1000), 1.0), s(1060));
        assert_eq!(first_due(Some(s(0)), Duration::ZERO, s(1000), 1.0), s(1000));
    }
}
