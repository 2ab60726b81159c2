//! Which requests may travel in one call.
//!
//! A call goes to one plugin with one set of settings under one identity, so only requests that share
//! these three can meet in a batch. Batches of a plugin that is not trusted with several tenants at
//! once are also kept apart by namespace: a hostile plugin could answer one tenant's request with
//! another's value.

use std::fmt;
use std::sync::Arc;

use crate::identity::Identity;
use crate::request::JsonText;

/// A plugin as it is loaded now: its name and the digest of its file. A new version is a new id, so
/// calls in flight finish on the old one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginId {
    /// The plugin's name.
    pub name: Arc<str>,
    /// SHA-256 of the component, `sha256:` and 64 hexadecimal digits.
    pub digest: Arc<str>,
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Everything that requests of one call share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// Who is asked.
    pub plugin: PluginId,
    /// The effective settings, canonical.
    pub settings: JsonText,
    /// The AWS region that the host signs for, if the plugin has an AWS grant. Taken from the
    /// settings by the host, never from what the guest signs.
    pub region: Option<Arc<str>>,
    /// As whom.
    pub identity: Identity,
    /// For whom, when the plugin's batches must not mix namespaces.
    pub namespace: Option<Arc<str>>,
}
