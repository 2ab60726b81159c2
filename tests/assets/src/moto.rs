//! A Python environment with `moto`, the independent judge of what AWS would answer.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::cache::{Lock, root};
use crate::run::run;

/// The exact version, so that a run today and one in a year judge alike.
const REQUIREMENT: &str = "moto[server]==5.2.5";

/// A virtual environment that is complete.
#[derive(Clone, Debug)]
pub struct MotoEnvironment {
    /// Its Python; `python -m moto.server` starts the server.
    pub python: PathBuf,
}

impl MotoEnvironment {
    /// The environment, if it is there and complete.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let folder = folder()?;
        let python = folder.join("bin/python");
        Ok((folder.join("complete").is_file() && python.is_file()).then_some(Self { python }))
    }

    /// The environment, created first where it is missing (half a minute, 320 MB).
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            // Environments hold absolute paths: made in place, and marked at the very end.
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
                .context("cannot create a virtual environment (Debian and Ubuntu have it in python3-venv)")?;
            run(Command::new(folder.join("bin/python")).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                REQUIREMENT,
            ]))
            .context("cannot install moto")?;
            fs::write(folder.join("complete"), REQUIREMENT)?;
        }
        Self::find()?.context("the environment was made, but is not complete")
    }
}

/// `<cache>/python/moto-5.2.5`, by requirement.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(root()?.join("python").join(REQUIREMENT.replace("[server]==", "-")))
}
