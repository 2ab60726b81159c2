//! The cache folder, and the lock that builders of one entry take.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

/// `$KEYHOLE_CACHE_DIR`, else `$XDG_CACHE_HOME/keyhole`, else `~/.cache/keyhole`. It is created when absent.
pub fn root() -> anyhow::Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("KEYHOLE_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("keyhole")))
        .or_else(|| env::home_dir().map(|home| home.join(".cache/keyhole")))
        .context("no place for the cache: set KEYHOLE_CACHE_DIR")?;
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    root.canonicalize().context("the cache folder is unreachable")
}

/// The name of an entry: the first 16 hexadecimal digits of a hash of what it is made from.
pub fn key(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Held while an entry of the cache is built; other builders of the same entry wait.
pub struct Lock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Lock {
    /// Waits for the lock that belongs to `entry`: a file beside it.
    pub fn of(entry: &Path) -> anyhow::Result<Self> {
        let path = entry.with_added_extension("lock");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self(file))
    }
}
