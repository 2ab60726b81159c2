//! Objects whose permission is being found out.
//!
//! An expression may take its whole CPU limit, and a namespace may have thousands of objects. So few
//! judgements run at once, and namespaces take turns: a slow expression delays its own namespace. The
//! queue holds each object once, with its newest case.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use keyhole_core::permission::Ruling;
use tokio::task::{JoinError, JoinSet};

use crate::index::Case;
use crate::permission::Expressions;
use crate::plan::ObjectKey;

/// Judgements that run at once.
const MOST: usize = 4;
/// Of one namespace.
const MOST_OF_ONE: usize = 2;

/// What came of a case.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) key: ObjectKey,
    pub(super) ticket: u64,
    pub(super) ruling: Ruling,
}

/// Cases that wait, and those that are heard.
#[derive(Default)]
pub(super) struct Bench {
    cases: HashMap<ObjectKey, Case>,
    /// Keys of `cases` by namespace.
    queues: HashMap<Arc<str>, VecDeque<ObjectKey>>,
    /// Keys of `queues`, the next one first.
    turns: VecDeque<Arc<str>>,
    /// How many of each namespace are heard.
    heard: HashMap<Arc<str>, usize>,
    jobs: JoinSet<Judged>,
}

impl Bench {
    /// A case to be heard. Replaces one of the same object that still waits.
    pub(super) fn add(&mut self, case: Case) {
        let key = case.key.clone();
        if self.cases.insert(key.clone(), case).is_some() {
            return;
        }
        let namespace = Arc::clone(&key.namespace);
        let queue = self.queues.entry(Arc::clone(&namespace)).or_default();
        if queue.is_empty() {
            self.turns.push_back(namespace);
        }
        queue.push_back(key);
    }

    /// Hears as many cases as may be heard at once.
    pub(super) fn start(&mut self, expressions: &Arc<Expressions>) {
        while self.jobs.len() < MOST {
            let Some(case) = self.take() else { return };
            *self.heard.entry(Arc::clone(&case.key.namespace)).or_default() += 1;
            let expressions = Arc::clone(expressions);
            self.jobs.spawn(async move {
                let Case {
                    key,
                    ticket,
                    rules,
                    claims,
                } = case;
                let ruling = rules.judge(&claims, &*expressions).await;
                Judged { key, ticket, ruling }
            });
        }
    }

    /// The next case of the namespace whose turn it is, of those that may have another one heard.
    fn take(&mut self) -> Option<Case> {
        let free = |namespace: &Arc<str>| self.heard.get(namespace).is_none_or(|heard| *heard < MOST_OF_ONE);
        let turn = self.turns.iter().position(free)?;
        let namespace = self.turns.remove(turn)?;
        let queue = self.queues.get_mut(&namespace)?;
        let key = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        self.cases.remove(&key?)
    }

    /// The next judgement that is there. Nothing when none is on its way. May be dropped at any time.
    pub(super) async fn next(&mut self) -> Option<Result<Judged, JoinError>> {
        let judged = self.jobs.join_next().await?;
        if let Ok(judged) = &judged
            && let Some(heard) = self.heard.get_mut(&judged.key.namespace)
        {
            *heard = heard.saturating_sub(1);
            if *heard == 0 {
                self.heard.remove(&judged.key.namespace);
            }
        }
        Some(judged)
    }

    /// Cases that wait.
    pub(super) fn waiting(&self) -> usize {
        self.cases.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_core::permission::{Claims, Policy};
    use std::collections::BTreeMap;

    fn case(namespace: &str, name: &str, ticket: u64) -> Case {
        Case {
            key: ObjectKey::new(namespace, name),
            ticket,
            rules: Arc::new(Arc::new(Policy::default()).rules(namespace, &BTreeMap::new())),
            claims: Arc::new(Claims::default()),
        }
    }

    #[test]
    fn namespaces_take_turns() {
        let mut bench = Bench::default();
        for name in ["1", "2", "3"] {
            bench.add(case("busy", name, 0));
        }
        bench.add(case("quiet", "1", 0));
        let order: Vec<_> = std::iter::from_fn(|| bench.take())
            .map(|case| case.key.to_string())
            .collect();
        assert_eq!(order, ["busy/1", "quiet/1", "busy/2", "busy/3"]);
        assert_eq!(bench.waiting(), 0);
    }

    #[test]
    fn a_namespace_with_slow_cases_leaves_room_for_others() {
        let mut bench = Bench::default();
        bench.heard.insert("busy".into(), MOST_OF_ONE);
        bench.add(case("busy", "1", 0));
        assert!(bench.take().is_none());
        bench.add(case("quiet", "1", 0));
        assert_eq!(bench.take().unwrap().key.to_string(), "quiet/1");
        bench.heard.clear();
        assert_eq!(bench.take().unwrap().key.to_string(), "busy/1");
    }

    #[test]
    fn an_object_waits_once_with_its_newest_case() {
        let mut bench = Bench::default();
        bench.add(case("ns", "a", 1));
        bench.add(case("ns", "a", 2));
        assert_eq!(bench.take().unwrap().ticket, 2);
        assert!(bench.take().is_none());
    }
}
