//! Which plugin serves a backend type now.
//!
//! Readers (the planner, for every object and every batch) take a snapshot without waiting; a new
//! plugin is swapped in whole, so nobody ever sees half of one. A backend type belongs to the first that
//! claims it, in an order that does not depend on which was loaded sooner: built-in plugins, then
//! objects by their age, then by name. So a plugin that is installed later cannot take `secretsManager`
//! away from the built-in one, and a restart gives every type to whom it belonged before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
    absent: ArcSwap<Absent>,
    /// Serialises writers; readers never take it.
    installing: Mutex<()>,
    revision: watch::Sender<u64>,
    /// Plugins are being loaded for the first time.
    settling: AtomicBool,
    /// Somebody waits for one of them.
    awaited: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Table {
    /// In the order of their claims.
    plugins: Vec<Arc<LivePlugin>>,
    /// By backend type or alias.
    serving: BTreeMap<Arc<str>, Arc<LivePlugin>>,
    /// What was claimed in vain, by name of the plugin.
    conflicts: BTreeMap<Arc<str>, Vec<Conflict>>,
}

/// Plugins that should serve and do not, by name, each with the reason that its object gives.
pub type Absent = BTreeMap<Arc<str>, &'static str>;

/// Whose claim on a backend type comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precedence {
    /// Part of the program, with or without an object of its name. In the order of installation.
    #[default]
    BuiltIn,
    /// An object that was created then, in seconds since the Unix epoch. By name within a second.
    Created(i64),
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
            absent: ArcSwap::default(),
            installing: Mutex::new(()),
            revision: watch::Sender::new(0),
            settling: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
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
        plugins.sort_by(|a, b| in_order(a, b));
        self.replace(plugins);
        drop(guard);
        self.conflicts(&plugin.id().name)
    }

    /// The types that this plugin claims and does not have, as things are now.
    #[must_use]
    pub fn conflicts(&self, name: &str) -> Vec<Conflict> {
        let table = self.shared.table.load();
        table.conflicts.get(name).cloned().unwrap_or_default()
    }

    /// The types that this plugin serves now, without aliases.
    #[must_use]
    pub fn served_by(&self, name: &str) -> Vec<Arc<str>> {
        let table = self.shared.table.load();
        let is_its = |(claimed, plugin): &(&Arc<str>, &Arc<LivePlugin>)| {
            &*plugin.id().name == name && plugin.backend_types().contains(*claimed)
        };
        let served = table.serving.iter().filter(is_its);
        served.map(|(claimed, _)| claimed.clone()).collect()
    }

    /// Says whether there may be plugins that are not loaded yet. Until there are none, nobody can say of a
    /// backend type that it is unknown.
    pub fn settle(&self, settled: bool) {
        self.shared.settling.store(!settled, Ordering::SeqCst);
        if settled && self.shared.awaited.swap(false, Ordering::SeqCst) {
            self.shared.revision.send_modify(|revision| *revision += 1);
        }
    }

    /// Whether a plugin that is missing may still come. Whoever is told so is told by [`Self::changes`] when
    /// that is over.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // In this order, so that a call of `settle` in between sees that somebody waits.
        self.shared.awaited.store(true, Ordering::SeqCst);
        let awaited = self.shared.settling.load(Ordering::SeqCst);
        if !awaited {
            self.shared.awaited.store(false, Ordering::SeqCst);
        }
        awaited
    }

    /// Says which plugins should serve and do not. Nobody knows what they would serve, so whoever misses a
    /// backend type is shown them all.
    pub fn lacks(&self, absent: Absent) {
        if **self.shared.absent.load() != absent {
            self.shared.absent.store(Arc::new(absent));
            self.shared.revision.send_modify(|revision| *revision += 1);
        }
    }

    /// What was said last by [`Self::lacks`].
    #[must_use]
    pub fn absent(&self) -> Arc<Absent> {
        self.shared.absent.load_full()
    }

    /// Takes a plugin out. Its types go to whoever claimed them next.
    pub fn remove(&self, name: &str) {
        let guard = self.shared.installing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plugins = self.shared.table.load().plugins.clone();
        plugins.retain(|plugin| &*plugin.id().name != name);
        self.replace(plugins);
        drop(guard);
    }

    /// A counter that goes up whenever the set changes: what was planned before is to be planned again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    fn replace(&self, plugins: Vec<Arc<LivePlugin>>) {
        let mut serving: BTreeMap<Arc<str>, Arc<LivePlugin>> = BTreeMap::new();
        let mut conflicts: BTreeMap<Arc<str>, Vec<Conflict>> = BTreeMap::new();
        for plugin in &plugins {
            for name in plugin.backend_types().iter().chain(plugin.aliases()) {
                let holder = serving.entry(name.clone()).or_insert_with(|| plugin.clone());
                if !Arc::ptr_eq(holder, plugin) {
                    let conflict = Conflict {
                        backend_type: name.clone(),
                        holder: holder.id().name.clone(),
                    };
                    conflicts.entry(plugin.id().name.clone()).or_default().push(conflict);
                }
            }
        }
        self.shared.table.store(Arc::new(Table {
            plugins,
            serving,
            conflicts,
        }));
        self.shared.revision.send_modify(|revision| *revision += 1);
    }
}

/// A stable sort by this leaves built-in plugins as they were installed.
fn in_order(a: &LivePlugin, b: &LivePlugin) -> std::cmp::Ordering {
    let by_age = a.precedence().cmp(&b.precedence());
    match a.precedence() {
        Precedence::BuiltIn => by_age,
        Precedence::Created(_) => by_age.then_with(|| a.id().name.cmp(&b.id().name)),
    }
}

#[cfg(test)]
mod tests;
