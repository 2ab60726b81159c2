//! How soon a Secret that somebody else changed is looked at again.
//!
//! The first repair comes at once. If the Secret is changed again soon after, somebody else writes it
//! too, and two writers that answer each other at once would keep the API server and the store
//! busy for ever: so the wait doubles, from one second up to the object's interval.

use std::time::Duration;

use tokio::time::Instant;

use super::pause::doubled;

const FIRST: Duration = Duration::from_secs(1);
/// So many repairs in a row are no accident.
const TWO_WRITERS: u32 = 3;
/// Repairs are in a row if they are not further apart than this: whoever writes the Secret every ten seconds, as a
/// KES that was not stopped does, is a second writer of an object with a shorter interval, too.
const ROW: Duration = Duration::from_secs(60);

/// What is worth telling about a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody changed or deleted the Secret, and it was put right.
    Repaired,
    /// Somebody keeps changing it.
    TwoWriters,
}

/// The back-off of one object's repairs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RepairGate {
    /// No look before this.
    next: Option<Instant>,
    wait: Duration,
    streak: u32,
    /// Looks in a row at which the Secret could not be read.
    unread: u32,
}

impl RepairGate {
    /// When a change seen `now` may be looked at: now, or later.
    #[must_use]
    pub fn open_at(&self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// The Secret is looked at now, and may turn out to be as it should.
    pub fn looked(&mut self, now: Instant) {
        self.next = Some(self.open_at(now).max(now + doubled(FIRST, self.unread)));
    }

    /// The Secret that was looked at could not be read.
    pub fn failed(&mut self) {
        self.unread = self.unread.saturating_add(1);
    }

    /// It was read.
    pub fn succeeded(&mut self) {
        self.unread = 0;
    }

    /// The Secret is repaired now. `interval` is the object's. Returns what is worth an event: the first
    /// repair of a row, and the one that shows that there are two writers.
    pub fn repaired(&mut self, now: Instant, interval: Duration) -> Option<Notice> {
        let longest = interval.max(FIRST);
        let quiet = self
            .next
            .is_none_or(|next| now.saturating_duration_since(next) > longest.max(self.wait * 2).max(ROW));
        if quiet {
            self.wait = FIRST;
            self.streak = 1;
        } else {
            self.wait = (self.wait * 2).clamp(FIRST, longest);
            self.streak = self.streak.saturating_add(1);
        }
        self.next = Some(now + self.wait);
        match self.streak {
            1 => Some(Notice::Repaired),
            TWO_WRITERS => Some(Notice::TwoWriters),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::schedule::LONGEST_BACKOFF;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn the_first_repair_comes_at_once() {
        let now = Instant::now();
        assert_eq!(RepairGate::default().open_at(now), now);
    }

    #[test]
    fn repairs_in_a_row_wait_longer_up_to_the_interval_and_show_two_writers_once() {
        let mut gate = RepairGate::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        let mut shown = Vec::new();
        for round in 0..7 {
            shown.extend(gate.repaired(now, INTERVAL).map(|notice| (round, notice)));
            waits.push(gate.open_at(now).duration_since(now).as_secs());
            now = gate.open_at(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(shown, [(0, Notice::Repaired), (2, Notice::TwoWriters)]);
    }

    #[test]
    fn after_a_quiet_time_it_starts_again() {
        let mut gate = RepairGate::default();
        let start = Instant::now();
        for _ in 0..5 {
            gate.repaired(gate.open_at(start), INTERVAL);
        }
        let later = start + Duration::from_secs(3600);
        assert_eq!(gate.open_at(later), later);
        assert_eq!(gate.repaired(later, INTERVAL), Some(Notice::Repaired));
        assert_eq!(gate.open_at(later), later + FIRST);
    }

    #[test]
    fn a_look_that_finds_nothing_wrong_holds_off_the_next_for_a_second() {
        let mut gate = RepairGate::default();
        let now = Instant::now();
        gate.looked(now);
        assert_eq!(gate.open_at(now), now + FIRST);
        assert_eq!(gate.repaired(now, INTERVAL), Some(Notice::Repaired));
    }

    #[test]
    fn looks_that_fail_come_further_apart_until_one_succeeds() {
        let mut gate = RepairGate::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            gate.looked(now);
            waits.push(gate.open_at(now).duration_since(now).as_secs());
            gate.failed();
            now = gate.open_at(now);
        }
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&LONGEST_BACKOFF.as_secs()));
        gate.succeeded();
        gate.looked(now);
        assert_eq!(gate.open_at(now), now + FIRST);
    }

    #[test]
    fn an_interval_below_a_second_does_not_shorten_the_wait() {
        let mut gate = RepairGate::default();
        let now = Instant::now();
        gate.repaired(now, Duration::ZERO);
        assert_eq!(gate.open_at(now), now + FIRST);
    }
}
