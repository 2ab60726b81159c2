//! Waiting for a condition.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a condition is looked at. Short beside everything that is waited for, cheap beside a request.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Calls `probe` until it gives a value, at most for `within`. The error says what was waited for and what
/// the last look found.
pub async fn eventually<T, E: Display>(
    within: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        let found = match tokio::time::timeout(within.saturating_sub(start.elapsed()) + LOOK_EVERY, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(found)) => found.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if start.elapsed() >= within {
            bail!("waited {} s for {what}; last: {found}", within.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The same without a runtime.
pub fn eventually_blocking<T, E: Display>(
    within: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(found) if start.elapsed() >= within => {
                bail!("waited {} s for {what}; last: {found}", within.as_secs())
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_says_what_was_waited_for_and_what_was_found() {
        let mut looks = 0;
        let error = eventually(Duration::from_millis(60), "the moon", async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}: clouds"))
        });
        let text = error.await.unwrap_err().to_string();
        assert!(text.contains("the moon") && text.contains("clouds"), "{text}");
        assert!(looks > 1);
    }

    #[tokio::test]
    async fn a_probe_that_never_answers_is_given_up() {
        let never = eventually(Duration::from_millis(20), "an answer", async || {
            std::future::pending::<Result<(), String>>().await
        });
        assert!(never.await.unwrap_err().to_string().contains("no answer"));
    }
}
