//! How often a watch that fails is tried again: soon, and never less often than every ten seconds, so that a
//! definition or a right that an administrator adds later is found while they still look.

use std::time::Duration;

use futures::Stream;
use kube_runtime::utils::{Backoff, StreamBackoff};
use kube_runtime::watcher::{Error, Event};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// Doubling waits with a short end.
#[derive(Debug)]
pub(super) struct Persistence {
    next: Duration,
}

impl Default for Persistence {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Iterator for Persistence {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        Some(wait)
    }
}

impl Backoff for Persistence {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// The stream with these waits after its errors.
pub(super) fn persistent<K>(
    stream: impl Stream<Item = Result<Event<K>, Error>>,
    waits: Persistence,
) -> impl Stream<Item = Result<Event<K>, Error>> {
    StreamBackoff::new(stream, waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_at_ten_seconds_and_begin_anew_after_a_success() {
        let mut waits = Persistence::default();
        let seconds: Vec<_> = waits.by_ref().take(6).map(|wait| wait.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        waits.reset();
        assert_eq!(waits.next(), Some(FIRST));
    }
}
