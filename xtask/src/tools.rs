//! What has to be on the machine. All that is missing is named at once, each with its remedy.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use keyhole_test_assets::{ControlPlaneBinaries, Example, Kubectl, MotoEnvironment, OpenBao, RegistryBinaries};

const WASM_TARGET: &str = "wasm32-wasip2";

/// What a command needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// The test control plane.
    pub control_plane: bool,
    /// moto.
    pub moto: bool,
    /// A registry, and cosign.
    pub registry: bool,
    /// OpenBao.
    pub openbao: bool,
    /// kubectl.
    pub kubectl: bool,
    /// The examples in other languages than Rust.
    pub examples: bool,
}

/// Checks, and adds the wasm target when rustup can.
pub fn check(needs: Needs) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    if let Err(error) = wasm_target() {
        missing.push(format!("{error:#}"));
    }
    let control_plane = needs.control_plane && ControlPlaneBinaries::find()?.is_none();
    let registry = needs.registry && RegistryBinaries::find()?.is_none();
    let kubectl = needs.kubectl && Kubectl::find()?.is_none();
    if (control_plane || registry || kubectl) && !answers("go", &["version"]) {
        missing.push("Go builds the test control plane, kubectl, the registry and cosign: install it from https://go.dev/dl/ (1.26, or 1.21 and up, which fetches 1.26 itself)".to_owned());
    }
    let lacks_moto = needs.moto && MotoEnvironment::find()?.is_none();
    let lacks_openbao = needs.openbao && OpenBao::find()?.is_none();
    if (lacks_moto || lacks_openbao) && !answers("python3", &["-c", "import venv, ensurepip"]) {
        missing.push(
            "Python 3 with venv brings moto and OpenBao: install it (Debian and Ubuntu: apt install python3-venv)"
                .to_owned(),
        );
    }
    if needs.examples {
        missing.extend(examples()?);
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("something is missing\n  - {}", missing.join("\n  - "))
}

/// What is missing to build the examples that are not built yet.
fn examples() -> anyhow::Result<Vec<String>> {
    let mut missing = Vec::new();
    let absent = |example: Example| anyhow::Ok(example.find()?.is_none());
    let node = "process.exit(Number(process.versions.node.split('.')[0]) < 20 ? 1 : 0)";
    if (absent(Example::JavaScript)? || absent(Example::Go)?)
        && !(answers("node", &["-e", node]) && answers("npm", &["--version"]))
    {
        missing.push("Node with npm builds the examples in JavaScript and Go: install version 20 or later from https://nodejs.org/".to_owned());
    }
    let python = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
    if absent(Example::Python)? && !answers("python3", &["-c", python]) {
        missing.push("Python 3.10 or later with venv builds the example in Python: install it (Debian and Ubuntu: apt install python3-venv)".to_owned());
    }
    if absent(Example::Go)? && !answers("go", &["version"]) {
        missing.push("Go builds the example in Go: install it from https://go.dev/dl/ (1.25 or later)".to_owned());
    }
    Ok(missing)
}

/// The target of the plugins: there, or added.
fn wasm_target() -> anyhow::Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output();
    let folder = String::from_utf8(output.context("rustc does not run")?.stdout)?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    println!("adding the Rust target {WASM_TARGET}");
    let added = Command::new("rustup").args(["target", "add", WASM_TARGET]).status();
    if added.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("the plugins need the Rust target {WASM_TARGET}: rustup target add {WASM_TARGET}")
}

fn answers(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
