//! kubectl, the real one, for tests that run the commands of a page as they stand in it.
//!
//! Taken from `KUBEBUILDER_ASSETS` (the convention of envtest) where that holds one, else built from the Go module
//! `tests/kubectl`, once per state of its `go.sum`. What happens to be in `PATH` is not used: it may be of any
//! version, and what a page shows is what one of them prints.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use crate::cache::{Lock, root};
use crate::control_plane::VERSION_FLAGS;
use crate::run::run;

const SUMS: &[u8] = include_bytes!("../../kubectl/go.sum");
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kubectl");
const PACKAGE: &str = "k8s.io/kubernetes/cmd/kubectl";

/// The path of kubectl.
#[derive(Clone, Debug)]
pub struct Kubectl(pub PathBuf);

impl Kubectl {
    /// It, if it is there.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let given = env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join("kubectl"));
        let built = folder()?.join("kubectl");
        Ok(given.into_iter().chain([built]).find(|path| path.is_file()).map(Self))
    }

    /// It, built first where it is missing.
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            build(&folder).context("cannot build kubectl from tests/kubectl")?;
        }
        Self::find()?.context("kubectl was built, but is not there")
    }
}

/// `<cache>/kubectl/<first 16 hex digits of the SHA-256 of go.sum>`.
fn folder() -> anyhow::Result<PathBuf> {
    let key: String = Sha256::digest(SUMS)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(root()?.join("kubectl").join(key))
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
        .args(["build", "-trimpath", "-ldflags", VERSION_FLAGS, "-o"])
        .arg(out)
        .arg(PACKAGE)
        .current_dir(MODULE)
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS"))?;
    fs::rename(&partial, folder)?;
    Ok(())
}
