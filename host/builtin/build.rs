//! Builds the built-in plugins and the host's JavaScript, so that `cargo build` alone gives a complete binary.
//!
//! `KEYHOLE_PLUGINS_DIR` supplies ready `NAME.wasm` files instead, for images and build farms where
//! the WebAssembly toolchain is elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

/// Components by name, and the cargo package that each is built from.
const COMPONENTS: &[(&str, &str)] = &[
    ("javascript", "keyhole-javascript"),
    ("secrets-manager", "keyhole-secrets-manager"),
    ("system-manager", "keyhole-system-manager"),
];

const READY: &str = "KEYHOLE_PLUGINS_DIR";

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={READY}");
    match components() {
        Ok(()) => ExitCode::SUCCESS,
        // Cargo shows these lines and nothing else; an error returned from here would come with a
        // backtrace and all of our output.
        Err(error) => {
            for line in format!("{error:#}").lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn components() -> anyhow::Result<()> {
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    match std::env::var_os(READY).filter(|folder| !folder.is_empty()) {
        Some(folder) => take(Path::new(&folder), &out_dir),
        None => build(&out_dir),
    }
}

fn take(folder: &Path, out_dir: &Path) -> anyhow::Result<()> {
    for (name, _) in COMPONENTS {
        let file = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        embed(&file, name, out_dir).with_context(|| format!("{READY} is set, so {} is needed", file.display()))?;
    }
    Ok(())
}

fn build(out_dir: &Path) -> anyhow::Result<()> {
    let manifest_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let workspace = manifest_dir.join("../../plugins");
    for source in keyhole_guests::sources(&workspace) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let target_dir = guests_dir(out_dir);
    for (name, package) in COMPONENTS {
        let file = keyhole_guests::build(&workspace, package, &target_dir)?;
        embed(&file, name, out_dir)?;
    }
    Ok(())
}

/// `TARGET/guests`, beside the profiles' folders: all of them share one build of the guests, which
/// also outlives this package's own build folder.
fn guests_dir(out_dir: &Path) -> PathBuf {
    let build = out_dir
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    build
        .and_then(|build| build.parent()?.parent())
        .unwrap_or(out_dir)
        .join("guests")
}

/// Puts the component where `include_bytes!` finds it. An unchanged one is left alone, so that nothing
/// is compiled for it.
fn embed(file: &Path, name: &str, out_dir: &Path) -> anyhow::Result<()> {
    let component = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let embedded = out_dir.join(format!("{name}.wasm"));
    if fs::read(&embedded).is_ok_and(|present| present == component) {
        return Ok(());
    }
    fs::write(&embedded, component).with_context(|| format!("cannot write {}", embedded.display()))
}
