//! `cargo xtask test`: every test there is, and one line at the end that says how it went.

use std::process::{Command, ExitCode};

use crate::cargo::{binaries, cargo, root};
use crate::catalogue;
use crate::demo::prepare;
use crate::generate::generate;
use crate::pages;
use crate::progress::Progress;
use crate::tally::Tally;
use crate::tools::{self, Needs};

/// Ours, and those of guests, which stand apart because they have another target and profile.
const WORKSPACES: [&str; 3] = ["Cargo.toml", "plugins/Cargo.toml", "tests/hostile/Cargo.toml"];

/// Runs everything; one failure does not keep the rest from being run.
pub fn run() -> anyhow::Result<ExitCode> {
    let needs = Needs {
        control_plane: true,
        moto: true,
        registry: true,
        openbao: true,
        kubectl: true,
        examples: true,
    };
    tools::check(needs)?;
    let progress = Progress::start();
    let mut tally = Tally::default();

    progress.say("formatting");
    for workspace in WORKSPACES {
        tally.check(&mut in_workspace(&["fmt", "--all", "--check"], workspace))?;
    }
    prepare(progress, needs)?;

    progress.say("generated files");
    match generate(true) {
        Ok(()) => tally.passed += 1,
        Err(error) => tally.failed.push(format!("generated files: {error:#}")),
    }
    progress.say("tests");
    let keyhole = binaries()?.join("keyhole");
    tally.run(cargo(["test", "--workspace", "--no-fail-fast"]).env("KEYHOLE_BIN", keyhole))?;
    progress.say("tests of the plugins, natively");
    tally.run(&mut in_workspace(
        &["test", "--workspace", "--no-fail-fast"],
        "plugins/Cargo.toml",
    ))?;

    progress.say("catalogue of compatibility");
    match catalogue::unproven(&root(), &tally.passed_names) {
        Ok(missing) => tally.lacks(missing),
        Err(error) => tally.failed.push(format!("{error:#}")),
    }

    progress.say("tests that pages name");
    match pages::unproven(&root(), &tally.passed_names) {
        Ok(missing) => tally.lacks(missing),
        Err(error) => tally.failed.push(format!("{error:#}")),
    }

    progress.say("lints");
    for workspace in WORKSPACES {
        let mut lint = in_workspace(&["clippy", "--workspace", "--all-targets"], workspace);
        tally.check(lint.args(["--", "-D", "warnings"]))?;
    }
    // What lived in a `static` until its process ended.
    keyhole_test_assets::sweep();
    progress.say("done");
    for name in &tally.failed {
        println!("failed: {name}");
    }
    println!("{}", tally.summary());
    Ok(if tally.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn in_workspace(args: &[&str], manifest: &str) -> Command {
    let mut command = cargo(args);
    command.args(["--manifest-path", manifest]);
    command
}
