//! A fast AWS for tests: Secrets Manager, Parameter Store and STS, with every signature verified.
//!
//! moto is the judge of correctness; it cannot throttle, hang, tear a body or say what arrived. This
//! server can, answers in microseconds, and refuses each request whose `SigV4` signature it cannot
//! recompute from a credential that it handed out itself. So a test that sees a value has proved that the
//! host signed with the right session, for the right region and service, over the bytes that arrived.
//!
//! [`FakeAws`] runs in the test's own process on a thread of its own (a paused tokio clock or the end of
//! the runtime that started it does not touch it); the `fake-aws` binary is the same in a process, steered
//! over HTTP by [`FakeAwsClient`].
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

mod body;
mod client;
mod control;
mod error;
mod fault;
mod keyring;
mod ledger;
mod parameters;
mod policy;
mod secrets;
mod secrets_manager;
mod server;
mod signature;
mod socket;
mod state;
mod sts;
mod system_manager;
mod web_identity;

pub use client::FakeAwsClient;
pub use control::ParameterSeed;
pub use fault::{Effect, Fault};
pub use keyring::Credentials;
pub use ledger::{Counts, RequestRecord};
pub use parameters::ParameterType;
pub use policy::Deny;
pub use secrets::Content;
pub use server::{FakeAws, FakeConfig};
