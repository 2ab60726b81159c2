//! The fake judged from outside: requests signed with `aws-sigv4`, right and wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something missing should stop right there"
)]

mod faults;
mod process;
mod secrets_manager;
mod signature;
mod signer;
mod sts;
mod system_manager;
