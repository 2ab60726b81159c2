//! A folder of this process in the system's temporary folder.
//!
//! A run that is killed cannot remove its folders, and a fixture in a `static` is never dropped. So every
//! folder holds a lock file that its process keeps locked, and whoever makes a new folder first removes
//! those whose lock is free.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

const PREFIX: &str = "keyhole-test-";
/// The file that the owner of a folder keeps locked.
const LOCK: &str = "lock";

/// A folder that is removed when this is dropped, or by a later run.
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// A new, empty folder; `name` helps people to recognise it.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        sweep();
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{name}-"))
            .disable_cleanup(true)
            .tempdir()?;
        let path = folder.path().to_path_buf();
        // Locked before it has the name that a sweep looks for.
        let lock = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path.join("lock.new"))?;
        lock.lock().context("cannot lock a new folder")?;
        fs::rename(path.join("lock.new"), path.join(LOCK))?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a folder, its lock last: one that could not be emptied is found again by the next sweep.
fn remove(path: &Path) {
    let is_lock = |entry: &fs::DirEntry| entry.file_name() == LOCK;
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| !is_lock(entry)) {
        let _ = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
            _ => fs::remove_file(entry.path()),
        };
    }
    let is_empty = fs::read_dir(path).is_ok_and(|left| left.flatten().all(|entry| is_lock(&entry)));
    if is_empty {
        let _ = fs::remove_dir_all(path);
    }
}

/// Removes the folders of processes that are gone. One without a lock file is being made right now.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
    {
        let Ok(lock) = OpenOptions::new().write(true).open(entry.path().join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            remove(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_an_abandoned_one_with_the_next() {
        let mine = Scratch::new("unit").unwrap();
        let abandoned = env::temp_dir().join(format!("{PREFIX}abandoned-{}", std::process::id()));
        fs::create_dir_all(&abandoned).unwrap();
        fs::write(abandoned.join("lock"), "").unwrap();
        let next = Scratch::new("unit").unwrap();
        assert!(mine.path().exists() && next.path().exists() && !abandoned.exists());
        let path = mine.path().to_path_buf();
        drop(mine);
        assert!(!path.exists());
    }
}
