//! The whole, judged from outside: a real API server, the host as a process under the rights of
//! `deploy/install.yaml`, and an AWS that verifies every signature.
//!
//! All cases share one control plane, one AWS and one host, each in a namespace of its own; what harms the
//! control plane or the host has its own. At the end of each case everything that was said anywhere is
//! searched for every secret used so far; see [`search`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that finds something missing should stop right there"
)]

mod case;
mod search;
mod world;

mod admission;
mod create;
mod examples;
mod failures;
mod follow;
mod installation;
mod interruptions;
mod kes;
mod lifecycle;
mod moto;
mod ownership;
mod plugins;
mod quiet;
mod reference;
mod repair;
mod restart;
mod telling;
