//! Another grant for what serves, without its file.
//!
//! A grant is narrowed when something is wrong, and that may be when a registry is down or a file has gone. So
//! the code of what serves is kept, and a plugin is made of it anew when nothing but what is said of it has
//! changed: at once where its digest is given, else as soon as its file cannot be had or is late. With another
//! source or other demands the file has to be obtained first.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use keyhole_plugins::{LivePlugin, Loader, PluginCode, PluginSpec};
use tokio::time::Instant;

use super::reason::Problem;
use super::{LOADING, Roster};

/// What became of one attempt.
pub(super) struct Rebuilt {
    name: Arc<str>,
    spec: Arc<PluginSpec>,
    result: Result<LivePlugin, Problem>,
}

impl Roster {
    /// Begins what is due. Each takes a call into a sandbox, and no plugin has more than one that counts.
    pub(super) fn rebuild(&mut self) {
        let now = Instant::now();
        for (name, entry) in &mut self.entries {
            let Some((spec, code)) = entry.rebuild(now) else {
                continue;
            };
            let (name, loader) = (Arc::clone(name), self.config.loader.clone());
            self.rebuilding.spawn(async move {
                let result = AssertUnwindSafe(put_under(&loader, &spec, &code)).catch_unwind().await;
                let result = result.unwrap_or_else(|_| Err(Problem::crashed()));
                Rebuilt { name, spec, result }
            });
        }
    }

    pub(super) fn rebuilt(&mut self, Rebuilt { name, spec, result }: Rebuilt) {
        let is_loading = self.is_loading(&name);
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.awaits(&spec)) else {
            return; // Its file came, or another spec.
        };
        match result {
            Ok(plugin) => {
                entry.rebuilt(&plugin, is_loading);
                self.install(plugin);
            }
            Err(problem) => {
                tracing::warn!(
                    plugin = &*name,
                    reason = problem.reason,
                    message = problem.message,
                    "a plugin cannot serve under its new spec, and its file could not be had"
                );
                entry.not_rebuilt(problem, is_loading, Instant::now(), fastrand::f64());
            }
        }
    }
}

async fn put_under(loader: &Loader, spec: &PluginSpec, code: &PluginCode) -> Result<LivePlugin, Problem> {
    match tokio::time::timeout(LOADING, loader.put_under(spec, code)).await {
        Ok(plugin) => plugin.map_err(|error| Problem::from(&error)),
        Err(_) => Err(Problem::timed_out(LOADING)),
    }
}
