//! Sources against a real registry and what the real cosign signs; a registry that misbehaves is scripted. And what
//! authors build, in the real sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod authors;
mod compiler;
mod proxy;
mod pulling;
mod pushing;
mod script;
mod signatures;
mod strange;
mod world;
