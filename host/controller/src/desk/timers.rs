//! What is to be done at a certain time.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use crate::plan::ObjectKey;

/// What a time was set for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// Look at the object's Secret.
    Look(ObjectKey),
    /// Have the object judged again.
    Judge(ObjectKey),
    /// Try again to show the object's last result.
    Report(ObjectKey),
}

/// Times in order. Each object has at most one of each kind.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeMap<(Instant, u64), Timer>,
    places: HashMap<Timer, (Instant, u64)>,
    count: u64,
}

impl Timers {
    /// Sets a time; of one that was set before, the earlier counts.
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        if let Some(place) = self.places.get(&timer) {
            if place.0 <= at {
                return;
            }
            self.by_time.remove(place);
        }
        self.count += 1;
        self.places.insert(timer.clone(), (at, self.count));
        self.by_time.insert((at, self.count), timer);
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    /// One whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let due = self.by_time.first_entry().filter(|entry| entry.key().0 <= now)?;
        let timer = due.remove();
        self.places.remove(&timer);
        Some(timer)
    }

    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timers_come_in_the_order_of_their_times() {
        let now = Instant::now();
        let look = |name| Timer::Look(ObjectKey::new("ns", name));
        let mut timers = Timers::default();
        timers.set(now + Duration::from_secs(2), look("b"));
        timers.set(now + Duration::from_secs(1), look("a"));
        timers.set(now + Duration::from_secs(1), look("a2"));
        assert_eq!(timers.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(timers.pop(now), None);
        let later = now + Duration::from_secs(5);
        let order: Vec<_> = std::iter::from_fn(|| timers.pop(later)).collect();
        assert_eq!(order, [look("a"), look("a2"), look("b")]);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn of_two_times_for_the_same_the_earlier_counts() {
        let (now, report) = (Instant::now(), || Timer::Report(ObjectKey::new("ns", "a")));
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        for seconds in [20, 30, 10, 40] {
            timers.set(at(seconds), report());
        }
        assert_eq!((timers.len(), timers.next()), (1, Some(at(10))));
        assert_eq!(timers.pop(at(10)), Some(report()));
        timers.set(at(20), report());
        assert_eq!((timers.len(), timers.next()), (1, Some(at(20))));
    }
}
