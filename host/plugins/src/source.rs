//! Where a plugin's file comes from.
//!
//! A source only yields bytes; who may use them, with which grant and settings, is said by the
//! [`PluginSpec`] around it, and everything after [`Source::read`] is the same for all sources. The
//! digest of the bytes is the plugin's identity from here on: the compile cache, the session store and
//! the planner's groups go by it, so two files of one name never share anything.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use keyhole_core::PluginId;
use keyhole_core::digest::sha256_hex;
use keyhole_sandbox::Grant;
use serde_json::{Map, Value as Json};
use tokio::io::AsyncReadExt as _;

/// The largest component that is loaded. Guests in Python take 18 MiB.
pub const MAX_COMPONENT: u64 = 128 << 20;

/// A plugin to load, and what the administrator says about it.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The name under which it is installed, in logs, metrics and errors.
    pub name: Arc<str>,
    /// Its file.
    pub source: Source,
    /// What it may reach and use.
    pub grant: Grant,
    /// Settings for all objects.
    pub settings: Map<String, Json>,
    /// Whether one call may serve several namespaces. A hostile plugin could then answer one tenant's
    /// request with another's value; the built-in plugins are trusted not to.
    pub shares_batches: bool,
}

/// Where bytes come from.
#[derive(Clone)]
pub enum Source {
    /// Embedded in this binary.
    BuiltIn(&'static [u8]),
    /// A file of the host's file system.
    File(PathBuf),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(bytes) => write!(f, "BuiltIn({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl Source {
    /// Reads the component.
    ///
    /// # Errors
    ///
    /// When there is no such file, or one above [`MAX_COMPONENT`] bytes.
    pub async fn read(&self) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Self::BuiltIn(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => {
                let mut bytes = Vec::new();
                tokio::fs::File::open(path)
                    .await?
                    .take(MAX_COMPONENT + 1)
                    .read_to_end(&mut bytes)
                    .await?;
                if bytes.len() as u64 > MAX_COMPONENT {
                    return Err(io::Error::other(format!("larger than {MAX_COMPONENT} bytes")));
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

/// A component with its identity.
#[derive(Clone)]
pub struct PluginFile {
    /// Name and digest.
    pub id: PluginId,
    /// The component.
    pub component: Cow<'static, [u8]>,
}

impl PluginFile {
    /// Computes the digest.
    #[must_use]
    pub fn new(name: Arc<str>, component: Cow<'static, [u8]>) -> Self {
        let digest = sha256_hex(&component).into();
        Self {
            id: PluginId { name, digest },
            component,
        }
    }
}

impl fmt::Debug for PluginFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginFile")
            .field("id", &self.id)
            .field("bytes", &self.component.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_and_the_same_bytes_built_in_have_the_same_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.wasm");
        std::fs::write(&path, b"component").unwrap();
        let read = async |source: Source| PluginFile::new("x".into(), source.read().await.unwrap()).id;
        assert_eq!(
            read(Source::File(path)).await,
            read(Source::BuiltIn(b"component")).await
        );
    }

    #[tokio::test]
    async fn a_missing_file_is_an_error() {
        assert!(Source::File("/nonexistent/plugin.wasm".into()).read().await.is_err());
    }
}
