//! Secrets asked one by one, several at a time.
//!
//! Some answers hold for everybody: the service asks for fewer calls, it does not know the identity, or
//! nobody can be reached at all. Questions not yet put are then given the same answer without a call,
//! and the host asks again in time. A single secret that cannot be reached says nothing about the
//! others, so that is believed only when as many as go out at once have all met nobody.

use std::cell::RefCell;

use futures_util::StreamExt;
use futures_util::stream;

use crate::api::{Api, Fetched};
use crate::ask::Ask;
use crate::batch::Answers;
use crate::fault::{Cause, Class, Fault};

/// Calls under way at once. GetSecretValue is allowed 10,000 times a second in a region, so this
/// bounds connections rather than calls.
pub const CONCURRENCY: usize = 8;

/// Asks for everything that has no answer yet.
pub async fn ask(api: &impl Api, asks: &[Ask], answers: &mut Answers) {
    let news = RefCell::new(News::default());
    let news = &news;
    let open = asks
        .iter()
        .zip(answers.iter_mut())
        .filter(|(_, answer)| answer.is_none());
    let open = open.map(|(ask, answer)| async move {
        let verdict = news.borrow().verdict.clone();
        *answer = Some(match verdict {
            Some(fault) => Err(fault),
            None => {
                let fetched = api.get(ask).await;
                news.borrow_mut().hear(&fetched);
                fetched
            }
        });
    });
    stream::iter(open)
        .buffer_unordered(CONCURRENCY)
        .collect::<Vec<()>>()
        .await;
}

/// What the answers so far say about those to come.
#[derive(Default)]
struct News {
    /// The answer to everything else.
    verdict: Option<Fault>,
    /// Somebody answered.
    reached: bool,
    /// How many met nobody.
    lost: usize,
}

impl News {
    fn hear(&mut self, fetched: &Result<Fetched, Fault>) {
        let fault = match fetched {
            Err(fault) if matches!(fault.cause, Cause::Unreachable | Cause::TimedOut) => {
                self.lost += 1;
                (!self.reached && self.lost >= CONCURRENCY).then_some(fault)
            }
            Err(fault) => {
                self.reached = true;
                matches!(fault.class(), Class::Throttled | Class::Unauthenticated).then_some(fault)
            }
            Ok(_) => {
                self.reached = true;
                None
            }
        };
        if let (None, Some(fault)) = (&self.verdict, fault) {
            self.verdict = Some(fault.clone());
        }
    }
}
