//! Says what goes on and for how long, so that nobody wonders whether a long step hangs.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

/// A step in the background says that it still runs so often.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// The clock of one command.
#[derive(Clone, Copy)]
pub struct Progress(Instant);

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// One line with the time since the start.
    pub fn say(&self, what: &str) {
        println!("[{}] {what}", clock(self.0.elapsed()));
    }

    /// Runs `work` in a thread and reports its start, that it still runs, and its end.
    pub fn background<T: Send + 'static>(
        self,
        what: &'static str,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Background<T> {
        self.say(&format!("{what}: started"));
        let (done, wait) = mpsc::channel::<()>();
        let reminder = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(REMIND_EVERY) {
                self.say(&format!("{what}: still at it"));
            }
        });
        let worker = thread::spawn(move || {
            let start = Instant::now();
            let outcome = work();
            drop(done);
            let _ = reminder.join();
            let word = if outcome.is_ok() { "done" } else { "failed" };
            self.say(&format!("{what}: {word} after {}", clock(start.elapsed())));
            outcome
        });
        Background { what, worker }
    }
}

/// Work in a thread.
pub struct Background<T> {
    what: &'static str,
    worker: JoinHandle<anyhow::Result<T>>,
}

impl<T> Background<T> {
    /// Waits for the end.
    pub fn join(self) -> anyhow::Result<T> {
        let what = self.what;
        self.worker
            .join()
            .map_err(|_| anyhow!("{what} panicked"))?
            .context(what)
    }
}

/// `m:ss`.
pub fn clock(elapsed: Duration) -> String {
    format!("{}:{:02}", elapsed.as_secs() / 60, elapsed.as_secs() % 60)
}
