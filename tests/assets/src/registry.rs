//! A registry (distribution) and cosign, the real ones, for tests of plugins from registries.
//!
//! Both are built from the Go module `tests/registry`, once per state of its `go.sum`. A build takes about six
//! minutes on two cores, and 160 MB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use crate::cache::{Lock, root};
use crate::run::run;

const SUMS: &[u8] = include_bytes!("../../registry/go.sum");
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../registry");

const PACKAGES: [&str; 2] = [
    "github.com/distribution/distribution/v3/cmd/registry",
    "github.com/sigstore/cosign/v3/cmd/cosign",
];

/// Paths of the binaries.
#[derive(Clone, Debug)]
pub struct RegistryBinaries {
    /// The registry.
    pub registry: PathBuf,
    /// cosign.
    pub cosign: PathBuf,
}

impl RegistryBinaries {
    /// The binaries, if both are there.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let folder = folder()?;
        let (registry, cosign) = (folder.join("registry"), folder.join("cosign"));
        Ok((registry.is_file() && cosign.is_file()).then_some(Self { registry, cosign }))
    }

    /// The binaries, built first where they are missing.
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            build(&folder).context("cannot build the test registry and cosign from tests/registry")?;
        }
        Self::find()?.context("the registry and cosign were built, but are not complete")
    }
}

/// `<cache>/registry/<first 16 hex digits of the SHA-256 of go.sum>`.
fn folder() -> anyhow::Result<PathBuf> {
    let key: String = Sha256::digest(SUMS)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(root()?.join("registry").join(key))
}

/// Builds beside the folder and moves it there in one step.
fn build(folder: &Path) -> anyhow::Result<()> {
    let partial = folder.with_added_extension("partial");
    for stale in [&partial, &folder.to_path_buf()] {
        if stale.exists() {
            fs::remove_dir_all(stale)?;
        }
    }
    fs::create_dir_all(&partial)?;
    let mut out = partial.clone().into_os_string();
    out.push("/");
    run(Command::new("go")
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(out)
        .args(PACKAGES)
        .current_dir(MODULE)
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS"))?;
    fs::rename(&partial, folder)?;
    Ok(())
}
