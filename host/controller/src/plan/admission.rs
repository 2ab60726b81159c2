//! Which namespaces may use a plugin.
//!
//! A plan carries this along, because labels of namespaces change without the object: the index asks at
//! each change whether the namespace is still one of those selected.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyhole_api::NamespaceSelector;
use keyhole_core::{Failure, Reason};
use keyhole_plugins::LivePlugin;

/// Labels of a namespace.
pub type Labels = Arc<BTreeMap<String, String>>;

/// The selector of the plugin that an object is planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    plugin: Arc<str>,
    selector: Arc<NamespaceSelector>,
}

impl Admission {
    /// The plugin of this name is for these namespaces.
    #[must_use]
    pub fn new(plugin: Arc<str>, selector: Arc<NamespaceSelector>) -> Self {
        Self { plugin, selector }
    }

    /// That of this plugin, if it has one.
    #[must_use]
    pub fn of(plugin: &LivePlugin) -> Option<Self> {
        let selector = Arc::clone(plugin.namespaces()?);
        Some(Self::new(Arc::clone(&plugin.id().name), selector))
    }

    /// Why a namespace with these labels may not use the plugin, if it may not.
    #[must_use]
    pub fn denial(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<Failure> {
        if self.selector.selects(labels) {
            return None;
        }
        let Self { plugin, selector } = self;
        let message =
            format!("plugin {plugin} is only for namespaces with the labels {selector}, and {namespace} is none");
        Some(Failure::new(Reason::NotPermitted, message).remedy(format!(
            "have the namespace labelled so, or spec.namespaces of BackendPlugin {plugin} changed"
        )))
    }
}
