//! Ending the process: signals, and tasks that crash.
//!
//! The first SIGTERM or SIGINT asks everything to finish, the second ends at once. A panic anywhere is
//! a bug whose reach nobody knows; what is left running could serve half of what it should without
//! anybody noticing, so the process ends and is restarted whole. All state is in the API server.

use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::text;

static CRASHED: OnceLock<watch::Sender<bool>> = OnceLock::new();

fn crashed() -> &'static watch::Sender<bool> {
    CRASHED.get_or_init(|| watch::Sender::new(false))
}

/// Tells the first panic of any thread in one line on standard error, and wakes [`crash`].
pub fn watch_for_crashes() {
    std::panic::set_hook(Box::new(|info| {
        if !crashed().send_replace(true) {
            text::say(&describe(info));
        }
    }));
}

/// Where it was. What it said only if that is a fixed text: anything else may quote a secret.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    match info.payload().downcast_ref::<&'static str>() {
        Some(text) => format!("keyhole: a task crashed{place}: {text}"),
        None => format!("keyhole: a task crashed{place}"),
    }
}

/// Returns when something panicked.
pub async fn crash() {
    if crashed().subscribe().wait_for(|crashed| *crashed).await.is_err() {
        // The sender is never dropped.
        std::future::pending().await
    }
}

/// Cancels `token` at the first signal; returns at the second, with its number.
pub async fn signals(token: CancellationToken) -> std::io::Result<u8> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => 15,
            _ = interrupt.recv() => 2,
        }
    };
    let first = next().await;
    tracing::info!(signal = first, "stopping; a second signal ends at once");
    token.cancel();
    Ok(next().await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What the hook would say about a panic of `task`.
    fn said(task: impl FnOnce() + std::panic::UnwindSafe) -> String {
        static LINE: Mutex<String> = Mutex::new(String::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|info| *LINE.lock().unwrap() = describe(info)));
        assert!(std::panic::catch_unwind(task).is_err());
        std::panic::set_hook(before);
        LINE.lock().unwrap().clone()
    }

    #[test]
    fn a_crash_tells_its_place_and_no_text_that_was_put_together() {
        let value = "hunter2".to_owned();
        let line = said(move || panic!("cannot use {value}"));
        assert!(
            line.starts_with("keyhole: a task crashed at host/keyhole/src/stop.rs:"),
            "{line}"
        );
        assert!(!line.contains("hunter2"), "{line}");
        assert!(said(|| panic!("a fixed text")).ends_with(": a fixed text"));
    }
}
