//! The clock that running guests are measured against.
//!
//! It is a thread of the operating system, not a task: a guest in an endless loop can occupy every
//! worker of the runtime, and a ticker that waits for a worker would stop exactly then.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::load_error::LoadError;

/// Advances the epoch of its engines until dropped.
pub(super) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(super) fn start(engines: Vec<EngineWeak>, tick: Duration) -> Result<Self, LoadError> {
        let (stop, stopped) = sync_channel(0);
        let run = move || {
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                for engine in &engines {
                    if let Some(engine) = engine.upgrade() {
                        engine.increment_epoch();
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("sandbox-ticker".to_owned()).spawn(run);
        let thread = thread.map_err(|error| LoadError::Engine(format!("no thread for the ticker: {error}")))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread never panics; there would be nobody to tell.
            let _ = thread.join();
        }
    }
}
