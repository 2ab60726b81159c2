//! Secrets asked one by one, several at a time.
//!
//! When the service asks for fewer calls or does not know the identity, the questions not yet put
//! would fare alike: they are given the same answer without a call, and the host asks again in time.

use std::cell::RefCell;

use futures_util::StreamExt;
use futures_util::stream;

use crate::api::Api;
use crate::ask::Ask;
use crate::batch::Answers;
use crate::fault::{Cause, Class, Fault};

/// Calls under way at once. GetSecretValue is allowed 10,000 times a second in a region, so this
/// bounds connections rather than calls.
pub const CONCURRENCY: usize = 8;

/// Asks for everything that has no answer yet.
pub async fn ask(api: &impl Api, asks: &[Ask], answers: &mut Answers) {
    let verdict: RefCell<Option<Fault>> = RefCell::new(None);
    let verdict = &verdict;
    let open = asks
        .iter()
        .zip(answers.iter_mut())
        .filter(|(_, answer)| answer.is_none());
    let open = open.map(|(ask, answer)| async move {
        let known = verdict.borrow().clone();
        let fetched = match known {
            Some(fault) => Err(fault),
            None => api.get(ask).await,
        };
        if let Err(fault) = &fetched
            && matches!(fault.class(), Class::Throttled | Class::Unauthenticated)
        {
            verdict.borrow_mut().get_or_insert_with(|| fault.clone());
        }
        *answer = Some(fetched);
    });
    stream::iter(open)
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<()>>()
        .await;
}

/// Asks for one of what has no answer yet; if the service cannot be reached, that is the answer to all
/// the rest. `turn` varies which one it is, so that a single bad one cannot stand for the others for
/// ever.
pub async fn probe(api: &impl Api, asks: &[Ask], answers: &mut Answers, turn: usize) {
    let open: Vec<usize> = (0..asks.len())
        .filter(|&position| answers.get(position).is_some_and(Option::is_none))
        .collect();
    let Some(&position) = open.get(turn % open.len().max(1)) else {
        return;
    };
    let Some(ask) = asks.get(position) else { return };
    let fetched = api.get(ask).await;
    let unreachable = match &fetched {
        Err(fault) if matches!(fault.cause, Cause::Unreachable | Cause::TimedOut) => Some(fault.clone()),
        _ => None,
    };
    if let Some(answer) = answers.get_mut(position) {
        *answer = Some(fetched);
    }
    if let Some(fault) = unreachable {
        for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
            *answer = Some(Err(fault.clone()));
        }
    }
}
