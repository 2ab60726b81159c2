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

static CRASHED: OnceLock<watch::Sender<Option<String>>> = OnceLock::new();

fn crashed() -> &'static watch::Sender<Option<String>> {
    CRASHED.get_or_init(|| watch::Sender::new(None))
}

/// Remembers the first panic of any thread, for [`crash`].
pub fn watch_for_crashes() {
    std::panic::set_hook(Box::new(|info| {
        let line = describe(info);
        tracing::error!("{line}");
        crashed().send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(line);
            is_first
        });
    }));
}

/// Where it was. What it said only if that is a fixed text: anything else may quote a secret.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    match info.payload().downcast_ref::<&'static str>() {
        Some(text) => format!("a task crashed{place}: {text}"),
        None => format!("a task crashed{place}"),
    }
}

/// Returns when something panicked.
pub async fn crash() -> String {
    let mut crashes = crashed().subscribe();
    match crashes.wait_for(Option::is_some).await {
        Ok(line) => line.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
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
