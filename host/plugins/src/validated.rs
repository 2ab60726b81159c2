//! What a plugin said about settings, so that it is asked once and not for every object.
//!
//! Thousands of objects share a handful of settings. The answer of `validate` depends on the plugin's
//! file and the settings only, so it is kept for as long as the plugin is live; concurrent questions
//! about the same settings share one call. Failed calls are not kept. The number of answers is
//! bounded, because settings are whatever authors of objects write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyhole_core::request::JsonText;
use keyhole_core::{CallError, Failure};
use tokio::sync::OnceCell;

/// Answers that are kept for one plugin.
const CAPACITY: usize = 1024;

/// What the plugin said, once it did.
type Answer = Arc<OnceCell<Option<Failure>>>;

/// The memory of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Validated {
    answers: Mutex<HashMap<JsonText, Answer>>,
}

impl Validated {
    /// The kept answer, or what `ask` says: `None` when nothing is wrong.
    pub(crate) async fn get_or_ask<F>(
        &self,
        settings: &JsonText,
        ask: impl FnOnce() -> F,
    ) -> Result<Option<Failure>, CallError>
    where
        F: Future<Output = Result<Option<Failure>, CallError>>,
    {
        let answer = self.entry(settings);
        answer.get_or_try_init(ask).await.cloned()
    }

    fn entry(&self, settings: &JsonText) -> Answer {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = answers.get(settings) {
            return answer.clone();
        }
        if answers.len() >= CAPACITY {
            // Which ones go matters little: they cost one call of a millisecond to have again.
            let mut kept = CAPACITY / 2;
            answers.retain(|_, _| {
                kept = kept.saturating_sub(1);
                kept > 0
            });
        }
        answers.entry(settings.clone()).or_default().clone()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn settings(number: usize) -> JsonText {
        JsonText::new(json!({"n": number}).as_object().unwrap())
    }

    #[tokio::test]
    async fn concurrent_questions_share_one_call() {
        let validated = Validated::default();
        let calls = AtomicUsize::new(0);
        let ask = || async {
            calls.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(None)
        };
        let settings = settings(1);
        let questions = (0..100).map(|_| validated.get_or_ask(&settings, ask));
        assert!(futures::future::join_all(questions).await.iter().all(Result::is_ok));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failed_call_is_not_kept() {
        let validated = Validated::default();
        let failed = validated
            .get_or_ask(&settings(1), || async { Err(CallError::Host("busy".into())) })
            .await;
        assert!(failed.is_err());
        assert_eq!(
            validated.get_or_ask(&settings(1), || async { Ok(None) }).await,
            Ok(None)
        );
    }

    #[tokio::test]
    async fn the_number_of_answers_is_bounded() {
        let validated = Validated::default();
        for number in 0..3 * CAPACITY {
            validated
                .get_or_ask(&settings(number), || async { Ok(None) })
                .await
                .unwrap();
            assert!(validated.len() <= CAPACITY);
        }
    }
}
