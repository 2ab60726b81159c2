//! Programs of a Go module in `tests/`, built once for each state of its `go.sum`.
//!
//! A folder of the cache is complete or absent: a build goes on beside it and is moved there in one step, so a
//! build that was cut off leaves nothing that could be taken for its result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::cache::{key, root};
use crate::run::run;

/// A module, by the name of its folder in `tests/`.
pub struct GoModule {
    /// The folder's name, in `tests/` and in the cache.
    pub name: &'static str,
    /// Its `go.sum`, which names every version.
    pub sums: &'static [u8],
    /// What the linker is told.
    pub linker_flags: &'static str,
}

impl GoModule {
    /// `<cache>/<name>/<first 16 hex digits of the SHA-256 of go.sum>`.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let sums = Sha256::new_with_prefix(self.sums);
        Ok(root()?.join(self.name).join(key(sums)))
    }

    /// Builds these packages into `folder`, in place of what is there. The folder's lock must be held.
    pub fn build<'a>(&self, packages: impl IntoIterator<Item = &'a str>, folder: &Path) -> anyhow::Result<()> {
        let partial = folder.with_added_extension("partial");
        for stale in [&partial, &folder.to_path_buf()] {
            if stale.exists() {
                fs::remove_dir_all(stale)?;
            }
        }
        fs::create_dir_all(&partial)?;
        let mut out = partial.clone().into_os_string();
        out.push("/");
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.name);
        run(Command::new("go")
            .args(["build", "-trimpath", "-ldflags", self.linker_flags, "-o"])
            .arg(out)
            .args(packages)
            .current_dir(module)
            .env("CGO_ENABLED", "0")
            .env_remove("GOFLAGS"))?;
        fs::rename(&partial, folder)?;
        Ok(())
    }
}
