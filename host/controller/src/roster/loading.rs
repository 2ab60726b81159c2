//! Loading: what waits goes out, what comes back goes live, and what changed is loaded anew.

use std::sync::Arc;

use keyhole_plugins::{LivePlugin, Loader, Obtained, PluginSpec, Source};
use tokio::task::Id;
use tokio::time::Instant;

use super::config_maps::Seen;
use super::entry::{Entry, Found};
use super::file_work::{FileWork, Look};
use super::files::{Stamp, stamp};
use super::reason::Problem;
use super::{AT_ONCE, LOADING, Loaded, Roster, TURN};

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
            let (loader, files) = (self.config.loader.clone(), self.files.clone());
            let abort = self.jobs.spawn(async move { load(&loader, &files, &spec).await });
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

    pub(super) fn install(&mut self, plugin: LivePlugin) {
        let (id, version) = (plugin.id().clone(), plugin.version().to_owned());
        let conflicts = self.live.install(plugin);
        tracing::info!(plugin = %id, version, digest = %id.digest, conflicts = conflicts.len(), "plugin serves");
    }

    /// Looks at the files of plugins. A file system that hangs shows no change.
    pub(super) fn look(&mut self) {
        for name in self.stamps.keys() {
            if let Some(Source::File(path)) = self.entries.get(name).and_then(Entry::source) {
                self.looks.begin(name, path.clone());
            }
        }
        self.queue.extend(std::mem::take(&mut self.built_in_again));
    }

    /// Loads a plugin anew whose file is another one than when it was read.
    pub(super) fn looked(&mut self, look: Look) {
        let Look { plugin, path, stamp } = look;
        let source = self.entries.get(&plugin).and_then(Entry::source);
        let is_its = matches!(source, Some(Source::File(now)) if *now == path);
        if is_its && self.stamps.get(&plugin).is_some_and(|before| *before != stamp) {
            self.anew(&plugin, "its file changed");
        }
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
async fn load(loader: &Loader, files: &FileWork, spec: &PluginSpec) -> (Found, Result<LivePlugin, Problem>) {
    let mut found = Found::default();
    let work = async {
        let (stamp, obtained) = obtain(loader, files, spec).await;
        found.stamp = stamp;
        let obtained = obtained?;
        found.digest = Some(obtained.digest.clone());
        found.resolved.clone_from(&obtained.resolved);
        found.signed_by.clone_from(&obtained.signed_by);
        let code = loader.compile(&spec.name, obtained).await;
        let code = code.map_err(|error| Problem::from(&error))?;
        let plugin = loader.put_under(spec, &code).await;
        found.code = Some(code);
        plugin.map_err(|error| Problem::from(&error))
    };
    let result = match tokio::time::timeout(LOADING, work).await {
        Ok(result) => result,
        Err(_) => Err(Problem::timed_out(LOADING)),
    };
    (found, result)
}

/// What the spec asks for and, if it is a file, the state that it was in before.
async fn obtain(loader: &Loader, files: &FileWork, spec: &PluginSpec) -> (Option<Stamp>, Result<Obtained, Problem>) {
    let sources = loader.sources.clone();
    let (source, demands) = (spec.source.clone(), spec.demands.clone());
    let Source::File(path) = &spec.source else {
        let obtained = sources.obtain(&source, &demands).await;
        return (None, obtained.map_err(|error| Problem::from(&error)));
    };
    let file = path.clone();
    let work = async move {
        let stamp = stamp(&file).await;
        (stamp, sources.obtain(&source, &demands).await)
    };
    let Some(work) = files.begin(&spec.name, TURN, work).await else {
        return (None, Err(Problem::hangs(path)));
    };
    match work.await {
        Ok((stamp, obtained)) => (Some(stamp), obtained.map_err(|error| Problem::from(&error))),
        Err(_) => (None, Err(Problem::crashed())),
    }
}
