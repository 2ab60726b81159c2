//! The benchmarks behind `docs/reference/performance.md`.
//!
//! They print Markdown tables of ratios and counts. Nothing here asserts: a timed test flakes, a table
//! in a review does not. Run through `cargo xtask bench`, which builds everything in the profile that
//! tests and demo use too.

mod control;
mod machine;
mod objects;
mod plugins;
mod sandbox;
mod table;
mod throttle;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures Keyhole and prints Markdown tables")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// A call into a fresh sandbox: time, compile, load, memory.
    Sandbox(sandbox::Arguments),
    /// The whole operator against a real API server and an AWS emulator.
    Control(control::Arguments),
    /// The same against stores with a quota: what is wasted, and who hears of it.
    Throttle(throttle::Arguments),
    /// Plugins that are not part of the host.
    Plugins(plugins::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        Some(what) => measure(what).await,
        None => {
            for all in ["sandbox", "control", "throttle", "plugins"] {
                if let Some(what) = Arguments::parse_from(["keyhole-bench", all]).what {
                    measure(what).await?;
                }
            }
            Ok(())
        }
    }
}

async fn measure(what: What) -> anyhow::Result<()> {
    match what {
        What::Sandbox(arguments) => sandbox::run(arguments).await,
        What::Control(arguments) => control::run(arguments).await,
        What::Throttle(arguments) => throttle::run(arguments).await,
        What::Plugins(arguments) => plugins::run(arguments).await,
    }
}
