//! The binary `keyhole`: arguments in, exit code out. Everything else is a module of its own.

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

mod admin;
mod allocator;
mod args;
mod compile;
mod convert;
mod crds;
mod docs;
mod host;
mod kes_environment;
mod logs;
mod manifests;
mod observe;
mod plugin;
mod precompile;
mod render;
mod run;
mod stop;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::tune();
    stop::watch_for_crashes();
    // Two crates bring a TLS provider each; without a choice the first handshake would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(args) = args::parse() else {
        return ExitCode::from(2);
    };
    match args.run() {
        Ok(code) => code,
        Err(error) => text::fail(&error),
    }
}
