//! Builds WebAssembly guests with cargo from within a build script or a test.
//!
//! Invariant: what comes out depends on the guest's sources, its `Cargo.lock` and the toolchain, and
//! on nothing that happens to be in the environment of whoever builds the host. An outer cargo sets
//! dozens of variables (`RUSTFLAGS`, `CARGO_TARGET_DIR`, `CARGO_PROFILE_*`, linkers, wrappers); let
//! through, they would build the guest with the host's flags or into the host's target folder, which
//! is locked by the outer cargo.
//!
//! Nothing in here ever installs anything: a missing target is an error with the command to run.

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

mod environment;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

pub use sources::sources;

/// The only target that guests are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Builds `package` of the cargo workspace in `workspace_dir` for release and returns its `.wasm`.
///
/// `target_dir` must not be the target folder of a cargo that waits for this call: it would wait for
/// ever for the folder's lock. A `Cargo.lock` in the workspace is obeyed (`--locked`).
///
/// # Errors
/// If the target is not installed (one line with the remedy), cargo cannot be started, or the build
/// fails (with all that cargo said).
pub fn build(workspace_dir: &Path, package: &str, target_dir: &Path) -> anyhow::Result<PathBuf> {
    let workspace_dir = workspace_dir
        .canonicalize()
        .with_context(|| format!("no guest workspace at {}", workspace_dir.display()))?;
    require_target(&workspace_dir)?;

    let mut cargo = tool(environment::cargo(), &workspace_dir);
    cargo
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--package",
            package,
            "--target-dir",
        ])
        .arg(target_dir);
    if workspace_dir.join("Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", environment::rustflags(&workspace_dir));
    let output = cargo.output().with_context(|| format!("cannot start {cargo:?}"))?;
    ensure!(
        output.status.success(),
        "cargo could not build guest {package} in {}:\n{}",
        workspace_dir.display(),
        String::from_utf8_lossy(&output.stderr)
    );

    let folder = target_dir.join(TARGET).join("release");
    let library = folder.join(format!("{}.wasm", package.replace('-', "_")));
    let program = folder.join(format!("{package}.wasm"));
    [library, program]
        .into_iter()
        .find(|file| file.is_file())
        .with_context(|| {
            format!(
                "package {package} has no .wasm in {}; is it a cdylib?",
                folder.display()
            )
        })
}

/// Fails unless the toolchain that will build the guest has the target's standard library.
fn require_target(workspace_dir: &Path) -> anyhow::Result<()> {
    let mut rustc = tool("rustc".into(), workspace_dir);
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let output = rustc.output().context("cannot start rustc")?;
    let folder = String::from_utf8_lossy(&output.stdout);
    let installed = output.status.success()
        && std::fs::read_dir(folder.trim()).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        });
    if !installed {
        bail!("the Rust target {TARGET} is not installed; run `rustup target add {TARGET}`");
    }
    Ok(())
}

/// A command in the workspace with the scrubbed environment.
fn tool(program: PathBuf, workspace_dir: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(workspace_dir)
        .env_clear()
        .envs(environment::scrubbed(std::env::vars_os()));
    command
}
