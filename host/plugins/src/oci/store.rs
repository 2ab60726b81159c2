//! What registries gave, on disk, so that a start needs none of them.
//!
//! A manifest and a component are stored under their digests and hashed anew at each read; a signature is
//! verified anew by whoever reads it. So nothing here is trusted: a file that somebody changed is the same as
//! none, and says so in the log. Only a tag's last digest cannot be checked by itself: it is used when the
//! registry is down, and what it leads to has to meet every demand all the same.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cosign::Signature;
use crate::oci::Reference;
use crate::oci::manifest::MAX_MANIFEST;
use crate::private_file::{Temporary, keep, open_trusted, remove_stale, used};
use crate::source::{Digest, MAX_COMPONENT};

/// Bytes of a folder, with what is being written to it: what does not fit its volume has the operator evicted.
pub const MOST_BYTES: u64 = 160 << 20;
/// Bytes of manifests, of signatures and of tags, each.
const MOST_SMALL_BYTES: u64 = 8 << 20;
/// Components that are kept; those that were used longest ago go first.
const MOST_COMPONENTS: usize = 32;
/// Bytes of them. One always fits.
const MOST_COMPONENT_BYTES: u64 = MOST_BYTES - 3 * MOST_SMALL_BYTES;
const _: () = assert!(MAX_COMPONENT <= MOST_COMPONENT_BYTES);
/// Manifests, signatures and tags, each.
const MOST_SMALL: usize = 256;
/// A signature takes below 8 KiB.
const MAX_SIGNATURE: u64 = 1 << 20;

const COMPONENT: &str = "wasm";
const MANIFEST: &str = "manifest";
const SIGNATURE: &str = "signature";
const TAG: &str = "tag";

/// A folder of what registries gave.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn component(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.content(digest, COMPONENT, MAX_COMPONENT)
    }

    pub(super) fn manifest(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.content(digest, MANIFEST, MAX_MANIFEST)
    }

    /// What signed this manifest when it was last verified. To be verified again.
    pub(super) fn signature(&self, manifest: &Digest) -> Option<Signature> {
        let bytes = self.read(&self.path(manifest, SIGNATURE), MAX_SIGNATURE)?;
        serde_json::from_slice(&bytes).ok()
    }

    /// What the tag of this reference led to when the registry was last asked.
    pub(super) fn tag(&self, reference: &Reference) -> Option<Digest> {
        let bytes = self.read(&self.tag_path(reference), 100)?;
        String::from_utf8(bytes).ok()?.parse().ok()
    }

    pub(super) fn put_component(&self, digest: &Digest, bytes: &[u8]) {
        self.put(&self.path(digest, COMPONENT), bytes);
    }

    pub(super) fn put_manifest(&self, digest: &Digest, bytes: &[u8]) {
        self.put(&self.path(digest, MANIFEST), bytes);
    }

    pub(super) fn put_signature(&self, manifest: &Digest, signature: &Signature) {
        if let Ok(bytes) = serde_json::to_vec(signature) {
            self.put(&self.path(manifest, SIGNATURE), &bytes);
        }
    }

    pub(super) fn put_tag(&self, reference: &Reference, digest: &Digest) {
        self.put(&self.tag_path(reference), digest.as_str().as_bytes());
    }

    fn path(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", digest.hex()))
    }

    fn tag_path(&self, reference: &Reference) -> PathBuf {
        self.path(&Digest::of(reference.to_string().as_bytes()), TAG)
    }

    fn content(&self, digest: &Digest, extension: &str, most: u64) -> Option<Vec<u8>> {
        let path = self.path(digest, extension);
        let bytes = self.read(&path, most)?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        tracing::warn!(file = %path.display(), "its content is not what its name says; it is not used");
        None
    }

    fn read(&self, path: &Path, most: u64) -> Option<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            let file = open_trusted(path)?;
            let mut bytes = Vec::new();
            (&file).take(most + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > most {
                return Err(io::Error::other("it is too large"));
            }
            used(&file);
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a file of a registry is not used");
                None
            }
        }
    }

    /// Not being able to keep something costs a download at the next start, and is no reason to fail now.
    fn put(&self, path: &Path, bytes: &[u8]) {
        // A volume that is full for a moment only is full.
        prune(&self.folder, path, bytes.len() as u64);
        let put = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let temporary = Temporary::in_folder(&self.folder);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(temporary.path())?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(temporary.path(), path)
        };
        if let Err(error) = put() {
            tracing::warn!(folder = %self.folder.display(), %error, "what a registry gave cannot be kept");
        }
    }
}

/// Keeps the folder small when so many bytes have been written to `newest`.
fn prune(folder: &Path, newest: &Path, bytes: u64) {
    remove_stale(folder);
    for (extension, most, most_bytes) in [
        (COMPONENT, MOST_COMPONENTS, MOST_COMPONENT_BYTES),
        (MANIFEST, MOST_SMALL, MOST_SMALL_BYTES),
        (SIGNATURE, MOST_SMALL, MOST_SMALL_BYTES),
        (TAG, MOST_SMALL, MOST_SMALL_BYTES),
    ] {
        let is_newest = newest.extension().is_some_and(|found| found == extension);
        let (more, bytes) = if is_newest { (1, bytes) } else { (0, 0) };
        keep(
            folder,
            newest,
            extension,
            most.saturating_sub(more),
            most_bytes.saturating_sub(bytes),
        );
    }
}

#[cfg(test)]
mod tests;
