//! Objects whose `lastSync` waits for the budget, in order.

use super::Desk;
use super::worker::Work;

impl Desk {
    /// There may be a heartbeat for the object that waits longest.
    pub(super) fn heartbeat(&mut self) {
        self.state.next_heartbeat = None;
        while let Some(key) = self.state.heartbeats.front().cloned() {
            let due = self
                .index
                .heartbeat(&key)
                .filter(|_| !self.state.waiting.contains_key(&key));
            if let Some(at) = due {
                match self.reporter.take_heartbeat() {
                    Ok(()) => drop(self.enqueue(key.clone(), Work::Heartbeat(at))),
                    Err(Some(next)) => {
                        self.state.next_heartbeat = Some(next);
                        return;
                    }
                    Err(None) => {}
                }
            }
            self.state.heartbeats.pop_front();
            self.state.heartbeat_queued.remove(&key);
        }
    }
}
