//! A registry (distribution) and cosign, the real ones, for tests of plugins from registries.
//!
//! Both are built from the Go module `tests/registry`, once per state of its `go.sum`. A build takes about six
//! minutes on two cores, and 160 MB.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::cache::Lock;
use crate::go_module::GoModule;

const MODULE: GoModule = GoModule {
    name: "registry",
    sums: include_bytes!("../../registry/go.sum"),
    linker_flags: "-s -w",
};

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
        let folder = MODULE.folder()?;
        let (registry, cosign) = (folder.join("registry"), folder.join("cosign"));
        Ok((registry.is_file() && cosign.is_file()).then_some(Self { registry, cosign }))
    }

    /// The binaries, built first where they are missing.
    pub fn ensure() -> anyhow::Result<Self> {
        if let Some(found) = Self::find()? {
            return Ok(found);
        }
        let folder = MODULE.folder()?;
        let _lock = Lock::of(&folder)?;
        if Self::find()?.is_none() {
            MODULE
                .build(PACKAGES, &folder)
                .context("cannot build the test registry and cosign from tests/registry")?;
        }
        Self::find()?.context("the registry and cosign were built, but are not complete")
    }
}
