//! What tests need and cargo does not build: the Kubernetes binaries, kubectl, a registry with
//! cosign, moto, OpenBao, and the examples in other languages than Rust.
//!
//! They take minutes to make and hardly ever change, so they live in a cache folder outside `target/`, keyed
//! by what they are made from, and survive `cargo clean` and fresh clones. A file lock lets parallel runs
//! share one build; a build appears under its final name only when it is complete, so a run that is killed
//! in the middle leaves nothing that looks finished.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod cache;
mod control_plane;
mod examples;
mod go_module;
mod kubectl;
mod moto;
mod openbao;
mod python;
mod registry;
mod run;
mod scratch;

pub use cache::{Lock, root};
pub use control_plane::ControlPlaneBinaries;
pub use examples::Example;
pub use kubectl::Kubectl;
pub use moto::MotoEnvironment;
pub use openbao::OpenBao;
pub use python::PythonEnvironment;
pub use registry::RegistryBinaries;
pub use scratch::{Scratch, sweep};
