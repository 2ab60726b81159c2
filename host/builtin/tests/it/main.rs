//! The built-in plugins in the real sandbox, against an AWS that verifies every signature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod description;
mod faults;
mod javascript;
mod parameter_faults;
mod secrets_manager;
mod system_manager;
mod world;
