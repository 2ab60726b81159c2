//! The project's commands: `cargo xtask demo | test | bench | plugins | examples | generate`.
//!
//! Each checks for what it needs before it starts anything, adds what it can (the wasm target, the
//! Kubernetes binaries, the Python environment) and says in one line how to get what it cannot.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its user"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests"))]

mod bench;
mod cargo;
mod catalogue;
mod contract;
mod demo;
mod examples;
mod generate;
mod pages;
mod plugins;
mod progress;
mod sources;
mod tally;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show an ExternalSecret become a Secret, on a real API server on this machine
    Demo(demo::DemoArgs),
    /// Run every test, with every server it needs
    Test,
    /// Measure, and print a table
    Bench(bench::BenchArgs),
    /// Build the plugins that are installed by a BackendPlugin into target/plugins
    Plugins,
    /// Build the examples in JavaScript, Python and Go, and print where they are
    Examples,
    /// Write what is generated from the code: CRDs, manifests, reference
    Generate(generate::GenerateArgs),
}

fn main() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let outcome = match Args::parse().command {
        Command::Demo(args) => demo::run(args).map(done),
        Command::Test => test::run(),
        Command::Bench(args) => bench::run(args).map(done),
        Command::Plugins => plugins::run().map(done),
        Command::Examples => examples::run().map(done),
        Command::Generate(args) => generate::run(args).map(done),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
