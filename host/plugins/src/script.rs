//! JavaScript when it is needed, and not before.
//!
//! Most clusters have no expression that only JavaScript can judge, and then its component is neither
//! hashed nor compiled nor mapped. The first question loads it, through the same cache and child process
//! as a plugin; questions that come meanwhile wait for that. If it cannot be loaded, every question is
//! answered with why, and a new attempt is made only after a while: a folder that is full or a child that
//! is killed would otherwise cost seconds of compilation for every object.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyhole_core::permission::{MatchError, Matcher, Matching, Question};
use keyhole_sandbox::{Engine, LoadError, Script, ScriptLimits};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::compile_cache::{CacheError, CompileCache};
use crate::source::PluginFile;

/// Before the second attempt to load. Doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Loading must come to an end. Compiling takes seconds, minutes on a machine that is very busy.
const LOADING: Duration = Duration::from_secs(300);

/// Why JavaScript is not there.
#[derive(Debug, thiserror::Error)]
enum ScriptError {
    #[error(transparent)]
    Compile(#[from] CacheError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("it was not loaded within {} s", LOADING.as_secs())]
    TooSlow,
}

/// A component that is loaded by the first question.
#[derive(Debug)]
pub struct LazyScript {
    engine: Engine,
    cache: Arc<CompileCache>,
    component: &'static [u8],
    limits: ScriptLimits,
    loaded: OnceCell<Script>,
    failed: Mutex<Option<Failed>>,
}

/// The last attempt to load, if it failed.
#[derive(Clone, Debug)]
struct Failed {
    why: String,
    next: Instant,
    pause: Duration,
}

impl LazyScript {
    /// What is to be loaded, and how. Takes no time.
    #[must_use]
    pub fn new(engine: Engine, cache: Arc<CompileCache>, component: &'static [u8], limits: ScriptLimits) -> Self {
        Self {
            engine,
            cache,
            component,
            limits,
            loaded: OnceCell::new(),
            failed: Mutex::new(None),
        }
    }

    /// Whether something has needed it so far.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded.initialized()
    }

    async fn script(&self) -> Result<&Script, String> {
        self.loaded
            .get_or_try_init(async || {
                if let Some(failed) = self.last_failure()
                    && failed.next > Instant::now()
                {
                    return Err(failed.why);
                }
                let loaded = tokio::time::timeout(LOADING, self.load()).await;
                loaded
                    .unwrap_or(Err(ScriptError::TooSlow))
                    .map_err(|error| self.note(&error))
            })
            .await
    }

    async fn load(&self) -> Result<Script, ScriptError> {
        let component = self.component;
        let file = tokio::task::spawn_blocking(move || PluginFile::new("javascript".into(), Cow::Borrowed(component)));
        let file = file.await.map_err(|_| CacheError::Cancelled)?;
        let component = self.cache.component(&self.engine, &file).await?;
        Ok(Script::load(&self.engine, &component, self.limits.clone()).await?)
    }

    fn last_failure(&self) -> Option<Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: &ScriptError) -> String {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = failed
            .as_ref()
            .map_or(FIRST_PAUSE, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        let why = error.to_string();
        tracing::warn!(%error, again_in_s = pause.as_secs(), "JavaScript cannot be loaded; expressions that need it deny");
        *failed = Some(Failed {
            why: why.clone(),
            next: Instant::now() + pause,
            pause,
        });
        why
    }
}

impl Matcher for LazyScript {
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a> {
        Box::pin(async move {
            match self.script().await {
                Ok(script) => script.matches(question).await,
                Err(why) => Err(MatchError::Unavailable(why)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sandbox::EngineConfig;

    fn question() -> Question {
        Question {
            expression: "(?=a)".into(),
            text: "a".into(),
            anchored: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_loaded_is_tried_again_only_after_a_while() {
        let engine = Engine::new(&EngineConfig::default()).unwrap();
        let cache = Arc::new(CompileCache::in_memory());
        let script = LazyScript::new(engine, cache, b"no component", ScriptLimits::default());
        assert!(
            script.last_failure().is_none(),
            "nothing is loaded before the first question"
        );
        let mut pauses = Vec::new();
        for _ in 0..3 {
            let error = script.matches(&question()).await.unwrap_err();
            assert!(
                matches!(&error, MatchError::Unavailable(why) if why.contains("not a WebAssembly component")),
                "{error}"
            );
            let failed = script.last_failure().unwrap();
            pauses.push(failed.pause.as_secs());
            script.matches(&question()).await.unwrap_err();
            assert_eq!(
                script.last_failure().unwrap().next,
                failed.next,
                "no attempt before its time"
            );
            tokio::time::advance(failed.pause).await;
        }
        assert_eq!(pauses, [1, 2, 4]);
        assert!(!script.is_loaded());
    }
}
