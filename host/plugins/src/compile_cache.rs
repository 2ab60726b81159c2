//! Machine code that was compiled before.
//!
//! Compiling a component takes seconds, mapping the result a millisecond. The files are loaded with
//! `unsafe`: whoever can write one runs code in the host. So a file counts only if it belongs to this
//! user or to root, nobody else may write it, and its content has the SHA-256 that its name says;
//! and the file that was checked is the one that is mapped (by descriptor, not by a second look at the
//! path). Anything else is treated as absent and compiled again, never trusted and never fatal.
//!
//! A name is `COMPONENT-ENGINE-CONTENT.cwasm`: digest of the component, compatibility hash of the
//! engine, digest of the file itself. One rename puts it in place, so there is no moment in which a
//! reader could see half of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyhole_sandbox::{Component, Engine, LoadError};
use sha2::{Digest as _, Sha256};

use crate::compile_child::{self, CompileError, Compiler};
use crate::private_file::{Temporary, keep, open_trusted, remove_stale, used};
use crate::source::PluginFile;

/// Files in the writable folder; those that were used longest ago go first.
const MOST_FILES: usize = 32;
/// Bytes of them. What does not fit its volume has the operator evicted. Guests in Python take 50 MiB, others 1.
pub const MOST_BYTES: u64 = 256 << 20;
const _: () = assert!(compile_child::MOST_CODE <= MOST_BYTES);

/// Why there is no compiled component.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Compiling failed.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The engine refused what was compiled.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A folder to write to cannot be used.
    #[error("cannot write compiled plugins to {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runtime is shutting down.
    #[error("compilation was cancelled")]
    Cancelled,
}

/// Compiled components in up to two folders.
#[derive(Clone, Debug)]
pub struct CompileCache {
    /// Filled when the image was built.
    pub read_only: Option<PathBuf>,
    /// Filled at run time.
    pub writable: Option<PathBuf>,
    /// How components are compiled.
    pub compiler: Compiler,
}

impl CompileCache {
    /// No folders: everything is compiled here and kept in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            read_only: None,
            writable: None,
            compiler: Compiler::InProcess,
        }
    }

    /// The compiled component, from a folder or compiled now.
    ///
    /// # Errors
    ///
    /// When the component is refused or cannot be compiled.
    pub async fn component(&self, engine: &Engine, file: &PluginFile) -> Result<Component, CacheError> {
        let key = Key::new(engine, file);
        for folder in [&self.read_only, &self.writable].into_iter().flatten() {
            let is_pruned = self.writable.as_ref() == Some(folder);
            if let Some(component) = load(engine, folder, &key, is_pruned).await? {
                tracing::debug!(plugin = %file.id, folder = %folder.display(), "compiled plugin found");
                return Ok(component);
            }
        }
        let started = std::time::Instant::now();
        if let (Some(folder), Compiler::Child { program }) = (&self.writable, &self.compiler) {
            match store(folder, Mode::Private, program, &key, file).await {
                Ok(_) => {
                    if let Some(component) = load(engine, folder, &key, true).await? {
                        let seconds = started.elapsed().as_secs_f32();
                        tracing::info!(plugin = %file.id, seconds, "plugin compiled");
                        return Ok(component);
                    }
                    tracing::warn!(folder = %folder.display(), "a compiled plugin is gone again; compiling in memory");
                }
                Err(CacheError::Folder { folder, source }) => {
                    tracing::warn!(folder = %folder.display(), error = %source, "no folder for compiled plugins; compiling in memory");
                }
                Err(other) => return Err(other),
            }
        }
        let component = in_memory(engine, file).await?;
        tracing::info!(plugin = %file.id, seconds = started.elapsed().as_secs_f32(), "plugin compiled in memory");
        Ok(component)
    }

    /// Compiles into `folder` what other users will read, as a container image needs it.
    /// Returns the file.
    ///
    /// # Errors
    ///
    /// As [`CompileCache::component`], and when the folder cannot be written.
    pub async fn precompile(
        engine: &Engine,
        file: &PluginFile,
        program: &Path,
        folder: &Path,
    ) -> Result<PathBuf, CacheError> {
        store(folder, Mode::Public, program, &Key::new(engine, file), file).await
    }
}

/// Who may read what is stored. Nobody but the owner may ever write it.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Private,
    Public,
}

impl Mode {
    const fn file(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }

    const fn folder(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Public => 0o755,
        }
    }
}

/// What a file must have been made from and for.
#[derive(Clone, Debug)]
struct Key {
    engine: String,
    stem: Arc<str>,
}

impl Key {
    fn new(engine: &Engine, file: &PluginFile) -> Self {
        let engine = engine.compatibility_hash();
        let component = file.id.digest.trim_start_matches("sha256:");
        let short = engine.get(..16).unwrap_or(&engine);
        Self {
            stem: format!("{component}-{short}-").into(),
            engine,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CacheError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| CacheError::Cancelled)
}

async fn in_memory(engine: &Engine, file: &PluginFile) -> Result<Component, CacheError> {
    let (engine, component) = (engine.clone(), file.component.clone());
    Ok(blocking(move || Component::compile(&engine, &component)).await??)
}

/// `is_pruned`: of a folder that is bounded it is noted what is used.
async fn load(engine: &Engine, folder: &Path, key: &Key, is_pruned: bool) -> Result<Option<Component>, CacheError> {
    let (engine, folder, stem) = (engine.clone(), folder.to_owned(), key.stem.clone());
    blocking(move || {
        candidates(&folder, &stem)
            .into_iter()
            .find_map(|path| match load_one(&engine, &path, is_pruned) {
                Ok(component) => Some(component),
                Err(why) => {
                    tracing::warn!(file = %path.display(), why, "a compiled plugin is not used");
                    None
                }
            })
    })
    .await
}

/// Files whose name says that they were made from this component for this engine.
fn candidates(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| checksum_in(name, stem).is_some())
        })
        .map(|entry| entry.path())
        .collect()
}

fn checksum_in<'a>(name: &'a str, stem: &str) -> Option<&'a str> {
    name.strip_prefix(stem)?
        .strip_suffix(".cwasm")
        .filter(|checksum| checksum.len() == 64)
}

fn load_one(engine: &Engine, path: &Path, is_pruned: bool) -> Result<Component, String> {
    let file = open_trusted(path).map_err(|error| error.to_string())?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let checksum = name.trim_end_matches(".cwasm").rsplit('-').next().unwrap_or_default();
    if digest(&file).map_err(|error| error.to_string())? != checksum {
        return Err("its content is not what its name says".to_owned());
    }
    if is_pruned {
        used(&file);
    }
    let mapped = if cfg!(target_os = "linux") {
        PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
    } else {
        path.to_owned()
    };
    // SAFETY: only this user or root can have written the file, its content has the digest under
    // which this program (or the image's build) stored it, and the descriptor that was checked is
    // the one that is mapped. The engine itself checks that the code was made for it.
    unsafe { Component::load_file(engine, &mapped) }.map_err(|error| error.to_string())
}

fn digest(mut file: &File) -> io::Result<String> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => sha.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn store(folder: &Path, mode: Mode, program: &Path, key: &Key, file: &PluginFile) -> Result<PathBuf, CacheError> {
    let failed = |source| CacheError::Folder {
        folder: folder.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(mode.folder())
        .create(folder)
        .map_err(failed)?;
    probe(folder).map_err(failed)?;
    let temporary = Temporary::in_folder(folder);
    compile_child::compile(program, &file.component, &key.engine, temporary.path()).await?;

    let (folder, stem) = (folder.to_owned(), key.stem.clone());
    blocking(move || put_in_place(&folder, mode, temporary, &stem))
        .await?
        .map_err(failed)
}

/// Whether the folder can be written at all, before a child works for seconds in vain.
fn probe(folder: &Path) -> io::Result<()> {
    let probe = Temporary::in_folder(folder);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(probe.path())?
        .write_all(b"probe")
}

fn put_in_place(folder: &Path, mode: Mode, temporary: Temporary, stem: &str) -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = open_trusted(temporary.path())?;
    file.set_permissions(fs::Permissions::from_mode(mode.file()))?;
    let path = folder.join(format!("{stem}{}.cwasm", digest(&file)?));
    file.sync_all()?;
    fs::rename(temporary.path(), &path)?;
    prune(folder, &path);
    Ok(path)
}

/// Keeps the folder small. Files that are mapped stay usable until their last user is gone.
fn prune(folder: &Path, newest: &Path) {
    remove_stale(folder);
    keep(folder, newest, "cwasm", MOST_FILES, MOST_BYTES);
}

#[cfg(test)]
mod tests;
