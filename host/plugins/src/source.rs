//! Where a plugin's file comes from.
//!
//! A source only yields bytes; who may use them, with which grant and settings, is said by the
//! [`PluginSpec`] around it, and everything after [`Sources::obtain`] is the same for all sources. The
//! digest of the bytes is the plugin's identity from here on: the compile cache, the session store and
//! the planner's groups go by it, so two files of one name never share anything.

mod cluster;
mod demands;
mod digest;
mod error;
mod files;
mod obtain;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use keyhole_api::NamespaceSelector;
use keyhole_core::PluginId;
use keyhole_core::digest::sha256_hex;
use keyhole_sandbox::Grant;
use serde_json::{Map, Value as Json};

pub use cluster::{ClusterFileError, ClusterFiles};
pub use demands::{Demands, Policy};
pub use digest::{Digest, InvalidDigest};
pub use error::SourceError;
pub use obtain::{Obtained, Sources};
pub(crate) use obtain::{blocking, check_magic, in_cluster};

use crate::live_set::Precedence;
use crate::oci::OciImage;

/// The largest component that is loaded. Guests in Python take 18 MiB.
pub const MAX_COMPONENT: u64 = 128 << 20;

/// A plugin to load, and what the administrator says about it.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// The name under which it is installed, in logs, metrics and errors.
    pub name: Arc<str>,
    /// Its file.
    pub source: Source,
    /// What the file must be before it is compiled.
    pub demands: Demands,
    /// What it may reach and use.
    pub grant: Grant,
    /// Settings for all objects.
    pub settings: Map<String, Json>,
    /// Whether one call may serve several namespaces. A hostile plugin could then answer one tenant's
    /// request with another's value; the built-in plugins are trusted not to.
    pub shares_batches: bool,
    /// The backend types that it is to claim, out of those that it can serve. All if there are none.
    pub backend_types: Vec<Arc<str>>,
    /// The namespaces that may use it; all if there is no selector.
    pub namespaces: Option<Arc<NamespaceSelector>>,
    /// Where its claims stand.
    pub precedence: Precedence,
}

impl PluginSpec {
    /// A plugin that may do nothing, for whoever may use it: everything else is to be said.
    #[must_use]
    pub fn new(name: &str, source: Source) -> Self {
        Self {
            name: name.into(),
            source,
            demands: Demands::default(),
            grant: Grant::default(),
            settings: Map::new(),
            shares_batches: false,
            backend_types: Vec::new(),
            namespaces: None,
            precedence: Precedence::default(),
        }
    }
}

/// Where bytes come from.
#[derive(Clone)]
pub enum Source {
    /// Embedded in this binary.
    BuiltIn(&'static [u8]),
    /// A file of the host's file system. A signature lies beside it, in a file of the same name with
    /// `.sigstore.json` after it.
    File(PathBuf),
    /// An entry of a ConfigMap in the operator's namespace. A signature is the entry of the same name with
    /// `.sigstore.json` after it.
    ConfigMap {
        /// Name of the ConfigMap.
        name: Arc<str>,
        /// Its entry.
        key: Arc<str>,
    },
    /// An artifact in a registry.
    Oci(Box<OciImage>),
}

/// What it is, in one word and a name: for status and logs.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(_) => f.write_str("builtin"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::ConfigMap { name, key } => write!(f, "configMap {name}/{key}"),
            Self::Oci(image) => write!(f, "oci {}", image.reference),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(bytes) => write!(f, "BuiltIn({} bytes)", bytes.len()),
            other => write!(f, "{other}"),
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
