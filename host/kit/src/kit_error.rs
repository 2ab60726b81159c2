//! Why the kit itself could not do what was asked. What is wrong with a plugin is no error here: it is a
//! finding of [`crate::inspect`] or [`crate::suite`].

use std::io;
use std::path::PathBuf;

use keyhole_plugins::CacheError;
use keyhole_sandbox::LoadError;

/// Why the kit could not go on.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there and does not say what it should.
    #[error("{}: {why}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong and what would be right.
        why: String,
    },
    /// The component cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CacheError),
    /// The plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The server that answers from recordings cannot be started.
    #[error("answers from recordings cannot be served: {0}")]
    Stage(String),
    /// A recording would have held a secret.
    #[error("nothing was recorded: {0}")]
    Leak(String),
}

impl KitError {
    /// An error of this file or folder.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// A file that says something wrong.
    pub(crate) fn format(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Format {
            path: path.into(),
            why: why.into(),
        }
    }
}
