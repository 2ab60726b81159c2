//! Who judges the expressions of namespaces.
//!
//! What a namespace permits is decided by `keyhole_core::permission`; what it needs an answer for comes
//! here. An answer is remembered, found by an engine of linear time where the expression means the same
//! to it, or found by JavaScript in its sandbox. Memory is bounded by weight: texts are tenants', and a
//! tenant can write many.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use keyhole_core::permission::{MatchError, Matcher, Matching, Question, dialect};
use prometheus::IntCounterVec;
use regex::Regex;

/// Bytes of questions whose verdicts are remembered, in each of two generations.
const VERDICTS: usize = 4 << 20;
/// Bytes that a verdict takes beside the texts of its question.
const VERDICT: usize = 160;
/// Expressions that are kept compiled, in each of two generations. One may take half a MiB; few namespaces
/// have one of their own.
const COMPILED: usize = 64;

/// What came of a question.
type Verdict = Result<bool, MatchError>;

/// Expressions, anchored or not, as far as they may run here.
type Compiled = Recent<(Arc<str>, bool), Option<Regex>>;

/// Judges expressions.
pub(crate) struct Expressions {
    script: Arc<dyn Matcher>,
    verdicts: Mutex<Recent<Question, Verdict>>,
    compiled: Mutex<Compiled>,
    judged: IntCounterVec,
}

impl Expressions {
    /// Judges by itself what it can, and asks `script` for the rest. Counts in `judged`, by engine and
    /// verdict.
    pub(crate) fn new(script: Arc<dyn Matcher>, judged: IntCounterVec) -> Self {
        Self {
            script,
            verdicts: Mutex::new(Recent::new(VERDICTS)),
            compiled: Mutex::new(Recent::new(COMPILED)),
            judged,
        }
    }

    /// What the engine of linear time says, if it may say anything.
    fn here(&self, question: &Question) -> Option<bool> {
        if !dialect::reads_alike(&question.text) {
            return None;
        }
        let key = (Arc::clone(&question.expression), question.anchored);
        let mut compiled = lock(&self.compiled);
        let regex = match compiled.get(&key) {
            Some(known) => known,
            None => {
                let regex = dialect::compile(&key.0, key.1);
                compiled.put(key, regex.clone(), 1);
                regex
            }
        };
        drop(compiled);
        Some(regex?.is_match(&question.text))
    }

    async fn answer(&self, question: &Question) -> Verdict {
        let known = lock(&self.verdicts).get(question);
        if let Some(known) = known {
            self.count("memory", &known);
            return known;
        }
        let answer = match self.here(question) {
            Some(matches) => {
                self.count("regex", &Ok(matches));
                Ok(matches)
            }
            None => {
                let answer = self.script.matches(question).await;
                self.count("javascript", &answer);
                answer
            }
        };
        // Whether an engine is there says nothing about the question.
        if !matches!(answer, Err(MatchError::Unavailable(_))) {
            let weight = question.expression.len() + question.text.len() + VERDICT;
            lock(&self.verdicts).put(question.clone(), answer.clone(), weight);
        }
        answer
    }

    fn count(&self, engine: &str, answer: &Verdict) {
        let verdict = match answer {
            Ok(true) => "match",
            Ok(false) => "no_match",
            Err(MatchError::Malformed(_)) => "malformed",
            Err(MatchError::Exhausted(_)) => "exhausted",
            Err(MatchError::Unavailable(_)) => "unavailable",
        };
        self.judged.with_label_values(&[engine, verdict]).inc();
    }
}

impl Matcher for Expressions {
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a> {
        Box::pin(self.answer(question))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A map that forgets. What is used lives in the young generation; when that is full it becomes the old
/// one, and what nobody asked for since is gone with the one before.
struct Recent<K, V> {
    most: usize,
    weight: usize,
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
}

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// Of at most twice this weight.
    fn new(most: usize) -> Self {
        Self {
            most,
            weight: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.old.remove_entry(key)?;
        self.put(key, value.clone(), weight);
        Some(value)
    }

    /// Something heavier than a whole generation is not kept.
    fn put(&mut self, key: K, value: V, weight: usize) {
        if weight > self.most {
            return;
        }
        if self.weight + weight > self.most {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        match self.young.insert(key, (value, weight)) {
            Some((_, replaced)) => self.weight = self.weight - replaced + weight,
            None => self.weight += weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;

    /// Says what it is told, and counts how often it is asked.
    struct Script {
        says: Result<bool, MatchError>,
        asked: Mutex<usize>,
    }

    impl Matcher for Script {
        fn matches<'a>(&'a self, _: &'a Question) -> Matching<'a> {
            *self.asked.lock().unwrap() += 1;
            Box::pin(std::future::ready(self.says.clone()))
        }
    }

    fn expressions(says: Result<bool, MatchError>) -> (Expressions, Arc<Script>) {
        let script = Arc::new(Script {
            says,
            asked: Mutex::default(),
        });
        let judged = IntCounterVec::new(Opts::new("judged", "x"), &["engine", "verdict"]).unwrap();
        (
            Expressions::new(Arc::clone(&script) as Arc<dyn Matcher>, judged),
            script,
        )
    }

    fn question(expression: &str, text: &str) -> Question {
        Question {
            expression: expression.into(),
            text: text.into(),
            anchored: false,
        }
    }

    #[tokio::test]
    async fn javascript_is_asked_only_for_what_nothing_else_can_judge() {
        let (expressions, script) = expressions(Ok(true));
        assert_eq!(expressions.matches(&question("^a", "ab")).await, Ok(true));
        assert_eq!(expressions.matches(&question("^a", "b")).await, Ok(false));
        assert_eq!(*script.asked.lock().unwrap(), 0);
        assert_eq!(expressions.matches(&question("(?=a)", "b")).await, Ok(true));
        assert_eq!(expressions.matches(&question("^.$", "\u{1f600}")).await, Ok(true));
        assert_eq!(*script.asked.lock().unwrap(), 2);
        let counted = |engine, verdict| expressions.judged.with_label_values(&[engine, verdict]).get();
        assert_eq!(
            (
                counted("regex", "match"),
                counted("regex", "no_match"),
                counted("javascript", "match")
            ),
            (1, 1, 2)
        );
    }

    #[tokio::test]
    async fn an_answer_is_remembered_for_its_question_alone() {
        let (expressions, script) = expressions(Err(MatchError::Exhausted("x".into())));
        for _ in 0..3 {
            assert!(expressions.matches(&question("(?=a)", "a")).await.is_err());
        }
        assert_eq!(*script.asked.lock().unwrap(), 1);
        let anchored = Question {
            anchored: true,
            ..question("(?=a)", "a")
        };
        expressions.matches(&anchored).await.unwrap_err();
        expressions.matches(&question("(?=a)", "b")).await.unwrap_err();
        assert_eq!(*script.asked.lock().unwrap(), 3);
    }

    #[tokio::test]
    async fn that_nobody_could_answer_is_not_remembered() {
        let (expressions, script) = expressions(Err(MatchError::Unavailable("x".into())));
        for _ in 0..2 {
            expressions.matches(&question("(?=a)", "a")).await.unwrap_err();
        }
        assert_eq!(*script.asked.lock().unwrap(), 2);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let mut recent = Recent::new(100);
        recent.put(0, "used", 10);
        for key in 1..1000 {
            recent.put(key, "unused", 10);
            assert_eq!(recent.get(&0), Some("used"), "{key}");
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert_eq!(recent.get(&1), None);
        recent.put(2000, "heavy", 101);
        assert_eq!(recent.get(&2000), None);
    }
}
