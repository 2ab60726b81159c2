//! Files that are made from the code: CRDs, manifests and pages of the reference.
//!
//! The binary prints them, except for the catalogue of compatibility, which comes from the tests themselves, and
//! the plugin contract, which comes from its WIT file. This writes them down, and `--check` (part of
//! `cargo xtask test`) fails when a file is not what would be written, so that they cannot drift apart. What
//! people write by hand is checked as far as it names tests and files ([`pages`]).

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::{binaries, cargo, root, run as run_command};
use crate::tools::{self, Needs};
use crate::{catalogue, contract, pages};

/// Arguments of `generate`.
#[derive(Args)]
pub struct GenerateArgs {
    /// Write nothing; fail when a file is not up to date
    #[arg(long)]
    pub check: bool,
}

/// Each file with the arguments of `keyhole` that print it.
const FILES: [(&str, &[&str]); 10] = [
    (
        "deploy/crds/externalsecrets.yaml",
        &["crds", "--kind", "ExternalSecret"],
    ),
    ("deploy/crds/backendplugins.yaml", &["crds", "--kind", "BackendPlugin"]),
    ("deploy/install.yaml", &["manifests"]),
    ("deploy/install-no-list.yaml", &["manifests", "--no-list"]),
    (
        "deploy/install-namespaces.yaml",
        &["manifests", "--watched-namespaces", "team-a,team-b"],
    ),
    ("docs/reference/backendplugin.md", &["docs", "backendplugin"]),
    ("docs/reference/externalsecret.md", &["docs", "externalsecret"]),
    ("docs/reference/flags.md", &["docs", "flags"]),
    ("docs/reference/metrics.md", &["docs", "metrics"]),
    ("docs/reference/reasons.md", &["docs", "reasons"]),
];

/// Builds the binary and generates or checks.
pub fn run(args: GenerateArgs) -> anyhow::Result<()> {
    let GenerateArgs { check } = args;
    tools::check(Needs::default())?;
    run_command(&mut cargo(["build", "--workspace"]))?;
    generate(check)
}

/// Generates or checks with the binary that is there.
pub fn generate(check: bool) -> anyhow::Result<()> {
    let binary = binaries()?.join("keyhole");
    let mut files = Vec::new();
    for (file, args) in FILES {
        files.push((file, print(&binary, args)?));
    }
    files.push((catalogue::PAGE, catalogue::page(&root())?.into_bytes()));
    files.push((contract::PAGE, contract::page(&root())?.into_bytes()));
    let mut stale = Vec::new();
    for (file, wanted) in files {
        let path = root().join(file);
        if fs::read(&path).ok().as_ref() == Some(&wanted) {
            continue;
        }
        if check {
            stale.push(file);
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, wanted).with_context(|| format!("cannot write {file}"))?;
        println!("wrote {file}");
    }
    if !stale.is_empty() {
        bail!("not up to date: {}; run `cargo xtask generate`", stale.join(", "));
    }
    pages::check(&root())
}

/// What the binary prints, in an empty environment: variables would show up as defaults.
fn print(binary: &Path, args: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(binary).args(args).env_clear().output();
    let output = output.with_context(|| format!("cannot run {}", binary.display()))?;
    if !output.status.success() {
        bail!(
            "`keyhole {}` failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}
