//! The sandbox against guests that misbehave (`tests/hostile`). Each test asserts the exact typed
//! error, that the next call on the same plugin works, and that nothing of the instance is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod blindness;
mod concurrency;
mod credentials;
mod egress;
mod endurance;
mod guest;
mod limits;
mod load;
mod output;
mod protocol;
mod sessions;
mod stats;
