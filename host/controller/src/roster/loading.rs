//! Loading: what waits goes out, what comes back goes live, and what changed is loaded anew.

use std::sync::Arc;

use keyhole_plugins::{LivePlugin, Loader, PluginSpec, Source};
use tokio::task::Id;
use tokio::time::Instant;

use super::config_maps::Seen;
use super::entry::{Entry, Found};
use super::files::stamp;
use super::reason::Problem;
use super::{AT_ONCE, LOADING, Loaded, Roster, STAMPING};

impl Roster {
    /// Begins to load what waits for it.
    pub(super) fn hand_out(&mut self) {
        while self.loading.len() < AT_ONCE {
            let Some(name) = self.queue.pop_front() else { return };
            let spec = match self.entries.get_mut(&name) {
                Some(entry) => entry.load(),
                None => self.builtin(&name).map(Arc::new),
            };
            let Some(spec) = spec else { continue };
            let loader = self.config.loader.clone();
            let abort = self.jobs.spawn(async move { load(&loader, &spec).await });
            self.loading.insert(name, abort);
        }
    }

    pub(super) fn loaded(&mut self, job: Id, (found, result): Loaded) {
        let of = self.loading.iter().find(|(_, abort)| abort.id() == job);
        let Some(name) = of.map(|(name, _)| name.clone()) else {
            return; // Cancelled.
        };
        self.loading.remove(&name);
        if let Some(stamp) = found.stamp {
            self.stamps.insert(name.clone(), stamp);
        }
        match (self.entries.get_mut(&name), result) {
            (Some(entry), Ok(plugin)) => {
                if entry.loaded(found, &plugin) {
                    self.install(plugin);
                }
            }
            (Some(entry), Err(problem)) => {
                tracing::warn!(
                    plugin = &*name,
                    reason = problem.reason,
                    message = problem.message,
                    "a plugin cannot be loaded"
                );
                entry.failed(found, problem, Instant::now(), fastrand::f64());
            }
            (None, Ok(plugin)) => self.install(plugin),
            (None, Err(problem)) => {
                // It was loaded from the same bytes before, so only the grant of an object goes on for a while.
                tracing::error!(
                    plugin = &*name,
                    message = problem.message,
                    "a built-in plugin cannot be loaded; trying again"
                );
                self.built_in_again.insert(name);
            }
        }
    }

    fn install(&mut self, plugin: LivePlugin) {
        let (id, version) = (plugin.id().clone(), plugin.version().to_owned());
        let conflicts = self.live.install(plugin);
        tracing::info!(plugin = %id, version, digest = %id.digest, conflicts = conflicts.len(), "plugin serves");
    }

    /// Loads plugins anew whose file is another one than when it was read.
    pub(super) async fn look(&mut self) {
        let mut changed = Vec::new();
        for (name, before) in &self.stamps {
            let Some(Source::File(path)) = self.entries.get(name).and_then(Entry::source) else {
                continue;
            };
            // A file system that hangs shows no change.
            let now = tokio::time::timeout(STAMPING, stamp(path)).await;
            if now.is_ok_and(|now| now != *before) {
                changed.push(name.clone());
            }
        }
        changed.iter().for_each(|name| self.anew(name, "its file changed"));
        self.queue.extend(std::mem::take(&mut self.built_in_again));
    }

    pub(super) fn config_map(&mut self, seen: Seen) {
        let Seen(map) = seen;
        let of_map = |entry: &Entry| matches!(entry.source(), Some(Source::ConfigMap { name, .. }) if *name == map);
        let names: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| of_map(entry))
            .map(|(name, _)| name.clone())
            .collect();
        names.iter().for_each(|name| self.anew(name, "its ConfigMap changed"));
    }

    pub(super) fn anew(&mut self, name: &Arc<str>, why: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            tracing::info!(plugin = &**name, why, "loading a plugin anew");
            entry.begin();
            self.enqueue(name);
        }
    }
}

/// Fetches and loads, within a bound.
async fn load(loader: &Loader, spec: &PluginSpec) -> (Found, Result<LivePlugin, Problem>) {
    let mut found = Found::default();
    if let Source::File(path) = &spec.source {
        found.stamp = tokio::time::timeout(STAMPING, stamp(path)).await.ok();
    }
    let work = async {
        let obtained = loader.sources.obtain(&spec.source, &spec.demands).await;
        let obtained = obtained.map_err(|error| Problem::from(&error))?;
        found.digest = Some(obtained.digest.clone());
        found.resolved.clone_from(&obtained.resolved);
        found.signed_by.clone_from(&obtained.signed_by);
        let plugin = loader.load_obtained(spec, obtained).await;
        plugin.map_err(|error| Problem::from(&error))
    };
    let result = match tokio::time::timeout(LOADING, work).await {
        Ok(result) => result,
        Err(_) => Err(Problem::timed_out(LOADING)),
    };
    (found, result)
}
