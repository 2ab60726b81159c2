//! etcd, kube-apiserver and kube-controller-manager, the real ones.
//!
//! Taken from `KUBEBUILDER_ASSETS` (the convention of envtest) where that is set; what is not there, and
//! everything otherwise, is built from the Go module `tests/control-plane`, once per state of its `go.sum`.
//! A build takes about eight minutes on two cores, and 240 MB.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cache::Lock;
use crate::go_module::GoModule;

const MODULE: GoModule = GoModule {
    name: "control-plane",
    sums: include_bytes!("../../control-plane/go.sum"),
    linker_flags: VERSION_FLAGS,
};

/// Kubernetes prints this as its version; without the flags it says v0.0.0 and clients complain.
pub(crate) const VERSION_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
     -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37";

/// What the three are called: here, by envtest, and as a Go package.
const BINARIES: [(&str, &str, &str); 3] = [
    ("server", "etcd", "go.etcd.io/etcd/server/v3"),
    (
        "kube-apiserver",
        "kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-apiserver",
    ),
    (
        "kube-controller-manager",
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
];

/// Paths of the binaries.
#[derive(Clone, Debug)]
pub struct ControlPlaneBinaries {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub apiserver: PathBuf,
    /// kube-controller-manager.
    pub controller_manager: PathBuf,
}

impl ControlPlaneBinaries {
    /// The binaries, if all of them are there.
    pub fn find() -> anyhow::Result<Option<Self>> {
        let built = MODULE.folder()?;
        let given = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        let mut paths = BINARIES.iter().map(|(ours, envtests, _)| {
            let given = given
                .as_ref()
                .map(|folder| folder.join(envtests))
                .filter(|path| path.is_file());
            given.or_else(|| Some(built.join(ours)).filter(|path| path.is_file()))
        });
        let mut next = || paths.next().flatten();
        let (etcd, apiserver, controller_manager) = (next(), next(), next());
        Ok(match (etcd, apiserver, controller_manager) {
            (Some(etcd), Some(apiserver), Some(controller_manager)) => Some(Self {
                etcd,
                apiserver,
                controller_manager,
            }),
            _ => None,
        })
    }

    /// The binaries, built first where they are missing.
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = MODULE.folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            build(&folder).context("cannot build the test control plane from tests/control-plane")?;
        }
        Self::find()?.context("the control plane was built, but is not complete")
    }
}

/// Builds what `KUBEBUILDER_ASSETS` does not hold.
fn build(folder: &Path) -> anyhow::Result<()> {
    let given = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let is_given = |name: &str| given.as_ref().is_some_and(|folder| folder.join(name).is_file());
    let packages = BINARIES
        .iter()
        .filter(|(_, envtests, _)| !is_given(envtests))
        .map(|(_, _, package)| *package);
    MODULE.build(packages, folder)
}
