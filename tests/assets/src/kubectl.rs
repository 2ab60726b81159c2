//! kubectl, the real one, for tests that run the commands of a page as they stand in it.
//!
//! Taken from `KUBEBUILDER_ASSETS` (the convention of envtest) where that holds one, else built from the Go module
//! `tests/kubectl`, once per state of its `go.sum`. What happens to be in `PATH` is not used: it may be of any
//! version, and what a page shows is what one of them prints.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cache::Lock;
use crate::control_plane::VERSION_FLAGS;
use crate::go_module::GoModule;

const MODULE: GoModule = GoModule {
    name: "kubectl",
    sums: include_bytes!("../../kubectl/go.sum"),
    linker_flags: VERSION_FLAGS,
};
const PACKAGE: &str = "k8s.io/kubernetes/cmd/kubectl";

/// The path of kubectl.
#[derive(Clone, Debug)]
pub struct Kubectl(pub PathBuf);

impl Kubectl {
    /// It, if it is there.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let given = env::var_os("KUBEBUILDER_ASSETS").map(|folder| PathBuf::from(folder).join("kubectl"));
        let built = MODULE.folder()?.join("kubectl");
        Ok(given.into_iter().chain([built]).find(|path| path.is_file()).map(Self))
    }

    /// It, built first where it is missing.
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = MODULE.folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            MODULE
                .build([PACKAGE], &folder)
                .context("cannot build kubectl from tests/kubectl")?;
        }
        Self::find()?.context("kubectl was built, but is not there")
    }
}
