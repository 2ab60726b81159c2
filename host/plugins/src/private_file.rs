//! Files that only this user or root can have written, and how they come into place whole.
//!
//! A cache that others may write to is a way into the host, so such a file counts as absent. A cache that grows
//! over its volume has the whole operator evicted, so each folder is kept within a number of files and bytes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a killed process left behind goes after this.
const STALE: Duration = Duration::from_secs(3600);

/// Opens a regular file that only this user or root can have written.
pub(crate) fn open_trusted(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let ours = metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_file() || !ours {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write it"));
    }
    Ok(file)
}

/// A file that goes when it was not renamed.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    /// A name that nobody else has. The file is not made yet.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let name = format!(".{}-{:016x}.tmp", std::process::id(), fastrand::u64(..));
        Self(folder.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what processes left behind that were killed.
pub(crate) fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_stale =
            modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE));
        if is_stale && path.extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(path);
        }
    }
}

/// Keeps the files with this extension that were used last, up to a number and a size. `newest` always stays.
pub(crate) fn keep(folder: &Path, newest: &Path, extension: &str, most: usize, most_bytes: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| {
            let metadata = fs::symlink_metadata(&path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), path))
        })
        .collect();
    files.sort_by_key(|(used, _, path)| (path == newest, *used));
    let (mut kept, mut bytes) = (0, 0_u64);
    for (_, size, path) in files.into_iter().rev() {
        kept += 1;
        bytes = bytes.saturating_add(size);
        if path != newest && (kept > most || bytes > most_bytes) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Notes that a file was used. That this cannot be noted matters little: it goes earlier.
pub(crate) fn used(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}
