//! How a request leaves: through `wasi:http` in the sandbox, to the test's script natively.

#[cfg(not(target_family = "wasm"))]
pub(super) use crate::testing::transport::{Pending, finish, start};
#[cfg(target_family = "wasm")]
pub(super) use wasi::{Pending, finish, start};

#[cfg(target_family = "wasm")]
mod wasi;

/// An answer as it came.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole answer.
pub(crate) enum Failure {
    /// No connection, no answer in time, or one that breaks off.
    NoAnswer(String),
    /// More than so many bytes.
    TooLarge(usize),
}
