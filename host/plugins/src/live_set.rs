//! Which plugin serves a backend type now.
//!
//! Readers (the planner, for every object and every batch) take a snapshot without waiting; a new
//! plugin is swapped in whole, so nobody ever sees half of one. A backend type belongs to whoever
//! claimed it first: a plugin that is installed later cannot take `secretsManager` away from the
//! built-in one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use keyhole_core::PluginId;
use tokio::sync::watch;

use crate::live_plugin::LivePlugin;

/// The plugins that serve. Clones share one set.
#[derive(Clone, Debug)]
pub struct LiveSet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: ArcSwap<Table>,
    /// Serialises writers; readers never take it.
    installing: Mutex<()>,
    revision: watch::Sender<u64>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    /// In the order of installation.
    plugins: Vec<Arc<LivePlugin>>,
    /// By backend type or alias.
    serving: BTreeMap<Arc<str>, Arc<LivePlugin>>,
}

/// A backend type that a plugin did not get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{backend_type} is served by plugin {holder} already")]
pub struct Conflict {
    /// The type or alias.
    pub backend_type: Arc<str>,
    /// Name of the plugin that serves it.
    pub holder: Arc<str>,
}

impl Default for LiveSet {
    fn default() -> Self {
        let shared = Shared {
            table: ArcSwap::default(),
            installing: Mutex::new(()),
            revision: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl LiveSet {
    /// The plugin for a value of `spec.backendType`, aliases included.
    #[must_use]
    pub fn serving(&self, backend_type: &str) -> Option<Arc<LivePlugin>> {
        self.shared.table.load().serving.get(backend_type).cloned()
    }

    /// The plugin that a group was planned for, or its successor of the same name.
    #[must_use]
    pub fn plugin(&self, id: &PluginId) -> Option<Arc<LivePlugin>> {
        let table = self.shared.table.load();
        table.plugins.iter().find(|plugin| plugin.id().name == id.name).cloned()
    }

    /// All plugins, in the order of their names.
    #[must_use]
    pub fn plugins(&self) -> Vec<Arc<LivePlugin>> {
        let mut plugins = self.shared.table.load().plugins.clone();
        plugins.sort_by(|a, b| a.id().name.cmp(&b.id().name));
        plugins
    }

    /// The backend types that are served, without aliases, sorted: for messages.
    #[must_use]
    pub fn backend_types(&self) -> Vec<String> {
        let table = self.shared.table.load();
        let canonical = |(name, plugin): &(&Arc<str>, &Arc<LivePlugin>)| plugin.backend_types().contains(*name);
        table
            .serving
            .iter()
            .filter(canonical)
            .map(|(name, _)| name.to_string())
            .collect()
    }

    /// Puts a plugin in place of the one of the same name, or beside the others. Returns the types
    /// that it did not get.
    pub fn install(&self, plugin: LivePlugin) -> Vec<Conflict> {
        let plugin = Arc::new(plugin);
        let guard = self.shared.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plugins = self.shared.table.load().plugins.clone();
        match plugins.iter_mut().find(|known| known.id().name == plugin.id().name) {
            Some(known) => *known = plugin.clone(),
            None => plugins.push(plugin.clone()),
        }
        let conflicts = self.replace(plugins, &plugin.id().name);
        drop(guard);
        conflicts
    }

    /// Takes a plugin out. Its types go to whoever claimed them next.
    pub fn remove(&self, name: &str) {
        let guard = self.shared.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plugins = self.shared.table.load().plugins.clone();
        plugins.retain(|plugin| &*plugin.id().name != name);
        self.replace(plugins, name);
        drop(guard);
    }

    /// A counter that goes up whenever the set changes: what was planned before is to be planned again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// Returns the conflicts of `newcomer`.
    fn replace(&self, plugins: Vec<Arc<LivePlugin>>, newcomer: &str) -> Vec<Conflict> {
        let mut serving: BTreeMap<Arc<str>, Arc<LivePlugin>> = BTreeMap::new();
        let mut conflicts = Vec::new();
        for plugin in &plugins {
            for name in plugin.backend_types().iter().chain(plugin.aliases()) {
                match serving.get(name) {
                    None => {
                        serving.insert(name.clone(), plugin.clone());
                    }
                    Some(holder) if &*plugin.id().name == newcomer => {
                        conflicts.push(Conflict {
                            backend_type: name.clone(),
                            holder: holder.id().name.clone(),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        self.shared.table.store(Arc::new(Table { plugins, serving }));
        self.shared.revision.send_modify(|revision| *revision += 1);
        conflicts
    }
}

#[cfg(test)]
mod tests;
