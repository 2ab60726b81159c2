//! `cargo xtask bench`: gets everything ready and hands over to `tests/bench`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use crate::cargo::binaries;
use crate::demo::prepare;
use crate::progress::Progress;
use crate::tools::{self, Needs};

/// Arguments of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Passed on: a benchmark (`sandbox`, `control`, `throttle`, `plugins`) and its arguments; all of them when absent
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// Prepares and runs the benchmarks.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let BenchArgs { args } = args;
    let needs = Needs {
        control_plane: true,
        registry: true,
        examples: true,
        ..Needs::default()
    };
    tools::check(needs)?;
    prepare(Progress::start(), needs)?;
    Err(Command::new(binaries()?.join("keyhole-bench")).args(args).exec().into())
}
