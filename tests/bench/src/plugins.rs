//! Plugins that are not part of the host: four languages, installed by an object, many at once, and what the
//! others notice while a large one is compiled.

mod cluster;
mod languages;

use crate::machine;

#[derive(clap::Args)]
pub struct Arguments {
    /// Calls of each kind.
    #[arg(long, default_value_t = 1_000)]
    calls: usize,
    /// Plugins that are loaded at once.
    #[arg(long, default_value_t = 50)]
    plugins: usize,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    println!(
        "Measured on {} with `cargo xtask bench plugins`.\n",
        machine::describe()
    );
    languages::measure(arguments.calls).await?;
    cluster::measure(arguments.plugins).await
}
