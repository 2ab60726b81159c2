//! The plugins that are installed by a BackendPlugin, in the real sandbox against real servers: OpenBao, whose
//! Kubernetes auth asks a real API server about real tokens.
//!
//! All tests share one control plane and one OpenBao, and each has a login mount and entries of its own; what
//! harms the server has its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something missing should stop right there"
)]

mod catalog;
mod http;
mod vault;
mod world;
