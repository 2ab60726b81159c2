//! The controller against a real API server, with a store in memory in place of a plugin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod indiscreet;
mod old_crd;
mod permission;
mod plane;
mod report;
mod secrets;
mod start;
mod status;
mod store;
mod takeover;
mod world;
