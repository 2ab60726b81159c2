//! A Python environment with `moto`, the independent judge of what AWS would answer.

use std::path::PathBuf;

use crate::python::PythonEnvironment;

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
        Ok(PythonEnvironment::find(REQUIREMENT)?.map(|environment| Self::of(&environment)))
    }

    /// The environment, created first where it is missing (half a minute, 320 MB).
    pub fn ensure() -> anyhow::Result<Self> {
        Ok(Self::of(&PythonEnvironment::ensure(REQUIREMENT)?))
    }

    fn of(environment: &PythonEnvironment) -> Self {
        Self {
            python: environment.python(),
        }
    }
}
