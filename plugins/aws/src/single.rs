//! Questions put one by one, several at a time.
//!
//! Some answers hold for everybody: the service asks for fewer calls, it does not know the identity, or
//! nobody can be reached at all. Questions not yet put are then given the same answer without a call,
//! and the host asks again in time. A single entry that cannot be reached says nothing about the
//! others, so that is believed only when as many as go out at once have all met nobody.

use std::cell::RefCell;

use futures_util::StreamExt;
use futures_util::stream;

use crate::batch::Answers;
use crate::fault::{Cause, Class, Fault};

/// Puts every question that has no answer yet; at most `concurrency` calls are under way at once.
pub async fn ask<A, T>(
    asks: &[A],
    answers: &mut Answers<T>,
    concurrency: usize,
    call: impl AsyncFn(&A) -> Result<T, Fault>,
) {
    let (news, call) = (&RefCell::new(News::of(concurrency)), &call);
    let open = asks
        .iter()
        .zip(answers.iter_mut())
        .filter(|(_, answer)| answer.is_none());
    let open = open.map(|(ask, answer)| async move {
        let verdict = news.borrow().verdict.clone();
        *answer = Some(match verdict {
            Some(fault) => Err(fault),
            None => {
                let fetched = call(ask).await;
                news.borrow_mut().hear(fetched.as_ref().err());
                fetched
            }
        });
    });
    stream::iter(open)
        .buffer_unordered(concurrency)
        .collect::<Vec<()>>()
        .await;
}

/// What the answers so far say about those to come.
struct News {
    /// The answer to everything else.
    verdict: Option<Fault>,
    /// Somebody answered.
    reached: bool,
    /// How many met nobody.
    lost: usize,
    /// How many must meet nobody before that is believed of all.
    enough: usize,
}

impl News {
    fn of(concurrency: usize) -> Self {
        Self {
            verdict: None,
            reached: false,
            lost: 0,
            enough: concurrency,
        }
    }

    fn hear(&mut self, fault: Option<&Fault>) {
        let heard = match fault {
            Some(fault) if matches!(fault.cause, Cause::Unreachable | Cause::TimedOut) => {
                self.lost += 1;
                !self.reached && self.lost >= self.enough
            }
            Some(fault) => {
                self.reached = true;
                matches!(fault.class(), Class::Throttled | Class::Unauthenticated)
            }
            None => {
                self.reached = true;
                false
            }
        };
        if heard && self.verdict.is_none() {
            self.verdict = fault.cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_executor::block_on;

    use super::*;

    /// Answers of 20 questions, 4 at a time, and how many were put.
    fn asked(answer: impl Fn(usize) -> Result<usize, Fault>) -> (Answers<usize>, usize) {
        let asks: Vec<usize> = (0..20).collect();
        let (mut answers, put) = (vec![None; asks.len()], Cell::new(0));
        block_on(ask(&asks, &mut answers, 4, async |&number: &usize| {
            put.set(put.get() + 1);
            answer(number)
        }));
        (answers, put.get())
    }

    #[test]
    fn what_is_answered_is_not_asked_again() {
        let mut answers: Answers<u8> = vec![Some(Ok(1)), None];
        block_on(ask(&[1, 2], &mut answers, 4, async |&number: &u8| Ok(number * 10)));
        assert_eq!(answers, [Some(Ok(1)), Some(Ok(20))]);
    }

    #[test]
    fn throttling_ends_the_asking() {
        let throttled = Fault::refused(Some("ThrottlingException".to_owned()), None);
        let (answers, put) = asked(|number| match number {
            0 => Err(throttled.clone()),
            other => Ok(other),
        });
        assert_eq!(put, 1);
        assert!(answers.iter().all(|answer| *answer == Some(Err(throttled.clone()))));
    }

    #[test]
    fn a_dead_network_is_believed_after_one_wave_and_a_lost_entry_is_not() {
        let lost = || Err(Fault::of(Cause::Unreachable));
        assert_eq!(asked(|_| lost()).1, 4);
        let (answers, put) = asked(|number| if number == 0 { Ok(0) } else { lost() });
        assert_eq!((put, &answers[0]), (20, &Some(Ok(0))));
    }
}
