//! The native end of [`http`](crate::http).

use crate::http::{Failure, Received, Sent};

pub(crate) struct Pending(Received);

pub(crate) fn start(sent: Sent) -> Result<Pending, Failure> {
    super::http::answer(sent).map(Pending)
}

pub(crate) fn finish(Pending(received): Pending, limit: usize) -> Result<Received, Failure> {
    if received.body.len() > limit {
        return Err(Failure::TooLarge(limit));
    }
    Ok(received)
}
