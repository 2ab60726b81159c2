//! `cargo xtask test`: every test there is, and one line at the end that says how it went.

use anyhow::bail;

use crate::cargo::{binaries, cargo};
use crate::demo::prepare;
use crate::generate::generate;
use crate::progress::Progress;
use crate::tally::Tally;
use crate::tools::{self, Needs};

/// Workspaces of guests, apart from ours because they have another target and profile.
const GUESTS: [&str; 2] = ["plugins/Cargo.toml", "tests/hostile/Cargo.toml"];

/// Runs everything; an error when anything failed.
pub fn run() -> anyhow::Result<()> {
    let needs = Needs {
        control_plane: true,
        moto: true,
    };
    tools::check(needs)?;
    let progress = Progress::start();
    let mut tally = Tally::default();

    progress.say("formatting");
    tally.check(&mut cargo(["fmt", "--all", "--check"]))?;
    for guests in GUESTS {
        tally.check(&mut cargo(["fmt", "--all", "--check", "--manifest-path", guests]))?;
    }
    prepare(progress, needs)?;

    progress.say("generated files");
    match generate(true) {
        Ok(()) => tally.passed += 1,
        Err(error) => tally.failed.push(format!("generated files: {error:#}")),
    }
    progress.say("tests of the workspace");
    let keyhole = binaries()?.join("keyhole");
    tally.run(cargo(["test", "--workspace", "--no-fail-fast"]).env("KEYHOLE_BIN", keyhole))?;
    progress.say("tests of the plugins, natively");
    tally.run(&mut cargo([
        "test",
        "--manifest-path",
        "plugins/Cargo.toml",
        "--workspace",
        "--no-fail-fast",
    ]))?;

    progress.say("done");
    for name in &tally.failed {
        println!("failed: {name}");
    }
    println!("{}", tally.summary());
    if !tally.failed.is_empty() {
        bail!("{} failed", tally.failed.len());
    }
    Ok(())
}
