//! From BackendPlugin objects to plugins that serve.
//!
//! One task owns the list of objects and decides; what takes time (fetching and compiling a plugin, writing
//! a status) runs beside it, bounded in number and time, so nothing else of the host ever waits for a slow
//! registry. The invariants: a version goes live only after it was loaded, described and instantiated; until
//! then, and when it is broken, its predecessor serves; and the live set holds nothing that no object (or no
//! built-in plugin without an object) stands for.
//!
//! At the start the built-in plugins that an object has something to say about are taken out before any
//! ExternalSecret is looked at, so that nobody is served under a grant that was narrowed. Objects of backend
//! types that are not served yet wait until every plugin was tried once, or [`FIRST_LOADS`] has passed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use keyhole_api::BackendPlugin;
use keyhole_plugins::{LivePlugin, LiveSet, Loader, PluginSpec, Source, Surroundings};
use kube::{Api, Client};
use kube_runtime::watcher::{self, Event, watcher};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::api_error::ApiError;
use crate::metrics::Metrics;
use crate::report::events::Events;
use crate::watch::Change;

mod config_maps;
mod entry;
mod file_work;
mod files;
mod loading;
mod persistence;
pub mod reason;
mod rebuilding;
mod status;
mod telling;
mod write;

pub use file_work::HANGING;
pub use files::NamespaceFiles;

use config_maps::ConfigMaps;
use entry::{Change as Changed, Entry, Found};
use file_work::{FileWork, Looks};
use files::Stamp;
use persistence::Persistence;
use reason::Problem;
use rebuilding::Rebuilt;
use write::Writing;

/// Plugins that are loaded at once: compiling takes a core and much memory.
const AT_ONCE: usize = 2;
/// For fetching, compiling and describing one plugin.
const LOADING: Duration = Duration::from_secs(300);
/// How long objects of unknown backend types wait for plugins at start.
const FIRST_LOADS: Duration = Duration::from_secs(60);
/// How long the start waits for the list of plugins.
const FIRST_LIST: Duration = Duration::from_secs(20);
/// Between two looks at the files of plugins.
const LOOK: Duration = Duration::from_secs(2);
/// For earlier work on plugins' files to end. A large file on a volume in the network takes a while, also when nobody waits
/// for it any more.
const TURN: Duration = Duration::from_secs(20);
/// For the file of a plugin that serves, before it goes under another grant without. A registry that is there
/// answers within it.
const LATE: Duration = Duration::from_secs(5);
/// Before a status that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(10);

/// What the roster is made of.
#[derive(Clone, Debug)]
pub struct RosterConfig {
    /// The operator's own namespace.
    pub namespace: Arc<str>,
    /// What objects may refer to.
    pub surroundings: Surroundings,
    /// Loads plugins.
    pub loader: Loader,
}

/// The task that keeps the live set as the objects say.
pub(crate) struct Roster {
    client: Client,
    config: RosterConfig,
    live: LiveSet,
    events: Events,
    metrics: Arc<Metrics>,
    /// Where the desk learns that the plugins are known.
    desk: mpsc::Sender<Change>,
    entries: BTreeMap<Arc<str>, Entry>,
    /// Names to be loaded, in order.
    queue: VecDeque<Arc<str>>,
    jobs: JoinSet<Loaded>,
    /// The job that counts for each plugin; results of others are void.
    loading: HashMap<Arc<str>, AbortHandle>,
    /// Plugins that serve, and are being put under another grant.
    rebuilding: JoinSet<Rebuilt>,
    writing: Writing,
    files: FileWork,
    looks: Looks,
    stamps: HashMap<Arc<str>, Stamp>,
    config_maps: ConfigMaps,
    /// Built-in plugins without an object that could not be loaded.
    built_in_again: BTreeSet<Arc<str>>,
    phase: Phase,
    /// Objects by the reason of their condition. One that nobody gives any more stays, at zero.
    reasons: BTreeMap<String, i64>,
    /// Whether it was said that objects cannot be listed.
    told: bool,
    /// Whether it was said that statuses cannot be written.
    status_failing: bool,
}

/// How far the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The objects are not known.
    Listing {
        until: Instant,
    },
    /// They are, and some were not tried yet.
    Loading {
        until: Instant,
    },
    Settled,
}

/// What became of one attempt.
type Loaded = (Found, Result<LivePlugin, Problem>);

impl Roster {
    pub(crate) fn new(
        client: Client,
        config: RosterConfig,
        live: LiveSet,
        events: Events,
        metrics: Arc<Metrics>,
        desk: mpsc::Sender<Change>,
    ) -> Self {
        live.settle(false);
        let until = Instant::now() + FIRST_LIST;
        let files = FileWork::default();
        Self {
            config_maps: ConfigMaps::new(client.clone(), &config.namespace),
            writing: Writing::new(client.clone()),
            client,
            config,
            live,
            events,
            metrics,
            desk,
            entries: BTreeMap::new(),
            queue: VecDeque::new(),
            jobs: JoinSet::new(),
            loading: HashMap::new(),
            rebuilding: JoinSet::new(),
            looks: Looks::new(files.clone()),
            files,
            stamps: HashMap::new(),
            built_in_again: BTreeSet::new(),
            phase: Phase::Listing { until },
            reasons: BTreeMap::new(),
            told: false,
            status_failing: false,
        }
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let objects = watcher(
            Api::<BackendPlugin>::all(self.client.clone()),
            watcher::Config::default(),
        );
        let mut objects = pin!(persistence::persistent(objects, Persistence::default()));
        let mut listing = None;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.hand_out();
            self.rebuild();
            self.settle();
            self.review();
            let wake = self.wake();
            tokio::select! {
                () = shutdown.cancelled() => return,
                event = objects.next() => match event {
                    Some(event) => self.seen(event, &mut listing),
                    None => return,
                },
                seen = self.config_maps.next() => self.config_map(seen),
                Some(ended) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => match ended {
                    Ok((id, loaded)) => self.loaded(id, loaded),
                    Err(error) => self.loaded(error.id(), (Found::default(), Err(Problem::crashed()))),
                },
                Some(ended) = self.rebuilding.join_next(), if !self.rebuilding.is_empty() => match ended {
                    Ok(rebuilt) => self.rebuilt(rebuilt),
                    Err(error) => tracing::error!(%error, "a plugin was not put under its new spec"),
                },
                written = self.writing.next() => self.written(written),
                seen = self.looks.next() => self.looked(seen),
                () = until(wake) => self.woken(),
                _ = look.tick() => self.look(),
            }
        }
    }

    fn seen(&mut self, event: Result<Event<BackendPlugin>, watcher::Error>, listing: &mut Option<HashSet<Arc<str>>>) {
        const RESOURCE: &str = "backendplugins";
        match event {
            Ok(Event::Init) => *listing = Some(HashSet::new()),
            Ok(Event::InitApply(object)) => {
                if let (Some(name), Some(listing)) = (self.apply(object), listing) {
                    listing.insert(name);
                }
            }
            Ok(Event::InitDone) => {
                let listed = listing.take().unwrap_or_default();
                let gone: Vec<_> = self
                    .entries
                    .keys()
                    .filter(|name| !listed.contains(*name))
                    .cloned()
                    .collect();
                gone.iter().for_each(|name| self.delete(name));
                if std::mem::take(&mut self.told) {
                    tracing::info!("BackendPlugins can be listed now");
                }
                self.known();
            }
            Ok(Event::Apply(object)) => drop(self.apply(object)),
            Ok(Event::Delete(object)) => {
                if let Some(name) = object.metadata.name {
                    self.delete(&name);
                }
            }
            Err(error) => {
                self.metrics.watch_errors.with_label_values(&[RESOURCE]).inc();
                self.unlisted(crate::watch::describe(error));
                return;
            }
        }
        self.metrics.watch_events.with_label_values(&[RESOURCE]).inc();
    }

    /// Objects cannot be listed. Who comes from an older version has neither their definition nor the right to
    /// see them, and goes on with the built-in plugins.
    fn unlisted(&mut self, error: ApiError) {
        let is_absent = matches!(error, ApiError::NotFound | ApiError::Forbidden(_));
        if !std::mem::replace(&mut self.told, true) {
            let why = match &error {
                ApiError::NotFound => "their CustomResourceDefinition is not installed".to_owned(),
                other => other.to_string(),
            };
            tracing::warn!(
                "BackendPlugins cannot be listed, so only the plugins that are loaded already serve: {why}; apply the \
                 manifests of this version (deploy/install.yaml)"
            );
        } else {
            tracing::debug!(%error, "BackendPlugins cannot be listed");
        }
        if is_absent {
            self.known();
        }
    }

    /// An object is there. Returns its name.
    fn apply(&mut self, mut object: BackendPlugin) -> Option<Arc<str>> {
        let name: Arc<str> = object.metadata.name.as_deref()?.into();
        object.metadata.managed_fields = None;
        let around = &self.config.surroundings;
        match self.entries.get_mut(&name) {
            Some(entry) if object.metadata.uid.as_deref() == Some(&*entry.uid) => {
                match entry.update(&name, object, around, Instant::now()) {
                    Changed::Nothing => {}
                    // What serves is what is asked for, and is put under what is said of it now.
                    Changed::Rules if !self.is_loading(&name) => {}
                    Changed::Rules | Changed::Everything => self.enqueue(&name),
                }
            }
            known => {
                let replaced = known.is_some();
                if replaced {
                    self.delete(&name);
                }
                let entry = Entry::new(&name, object, &self.config.surroundings);
                if matches!(self.phase, Phase::Listing { .. }) && self.builtin(&name).is_some() {
                    self.live.remove(&name);
                }
                self.entries.insert(name.clone(), entry);
                self.enqueue(&name);
            }
        }
        Some(name)
    }

    fn delete(&mut self, name: &str) {
        let Some((name, _)) = self.entries.remove_entry(name) else {
            return;
        };
        tracing::info!(plugin = &*name, "BackendPlugin is gone");
        self.cancel(&name);
        self.stamps.remove(&name);
        self.writing.forget(&name);
        self.follow_config_maps();
        if self.builtin(&name).is_some() {
            // What serves under the object's grant goes on until the plugin's own is in place.
            self.queue.push_back(name);
        } else {
            self.live.remove(&name);
        }
    }

    /// Loads the plugin as soon as there is room, instead of what is being loaded for it.
    fn enqueue(&mut self, name: &Arc<str>) {
        self.cancel(name);
        self.stamps.remove(name);
        self.queue.push_back(name.clone());
        self.follow_config_maps();
    }

    /// Whether its file is being obtained, or waits for that.
    fn is_loading(&self, name: &str) -> bool {
        self.loading.contains_key(name) || self.queue.iter().any(|queued| **queued == *name)
    }

    fn cancel(&mut self, name: &str) {
        self.queue.retain(|queued| **queued != *name);
        self.built_in_again.remove(name);
        if let Some(job) = self.loading.remove(name) {
            job.abort();
        }
    }

    fn follow_config_maps(&mut self) {
        let wanted = self
            .entries
            .values()
            .any(|entry| matches!(entry.source(), Some(Source::ConfigMap { .. })));
        self.config_maps.follow(wanted);
    }

    fn builtin(&self, name: &str) -> Option<PluginSpec> {
        let builtins = &self.config.surroundings.builtins;
        let builtin = builtins.iter().find(|builtin| builtin.name == name)?;
        Some(PluginSpec {
            grant: builtin.grant.clone(),
            shares_batches: true,
            ..PluginSpec::new(builtin.name, Source::BuiltIn(builtin.component))
        })
    }

    /// It is known which plugins there are.
    fn known(&mut self) {
        if !matches!(self.phase, Phase::Listing { .. }) {
            return;
        }
        self.phase = Phase::Loading {
            until: Instant::now() + FIRST_LOADS,
        };
        self.settle();
        let desk = self.desk.clone();
        self.writing.say(async move {
            // A desk that has gone needs no news.
            let _ = desk.send(Change::PluginsKnown).await;
        });
    }

    /// Objects of unknown backend types need not wait any longer once every plugin was tried.
    fn settle(&mut self) {
        let tried = |entry: &Entry| entry.outcome != entry::Outcome::Loading;
        if matches!(self.phase, Phase::Loading { .. }) && self.entries.values().all(tried) {
            self.phase = Phase::Settled;
            self.live.settle(true);
        }
    }

    /// When something is due.
    fn wake(&self) -> Option<Instant> {
        let entries = self.entries.values();
        let retries = entries.flat_map(|entry| entry.retry_at.into_iter().chain(entry.rebuild_at));
        let phase = match self.phase {
            Phase::Listing { until } | Phase::Loading { until } => Some(until),
            Phase::Settled => None,
        };
        retries.chain(phase).chain(self.writing.next_pause()).min()
    }

    fn woken(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Listing { until } if until <= now => {
                tracing::warn!(
                    "the list of BackendPlugins took more than {} s; starting without",
                    FIRST_LIST.as_secs()
                );
                self.known();
            }
            Phase::Loading { until } if until <= now => {
                tracing::warn!(
                    "some plugins were not loaded within {} s; their objects do not wait for them",
                    FIRST_LOADS.as_secs()
                );
                self.phase = Phase::Settled;
                self.live.settle(true);
            }
            _ => {}
        }
        self.writing.unpause(now);
        let due: Vec<_> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.retry_at.is_some_and(|at| at <= now))
            .map(|(name, entry)| {
                entry.retry_at = None;
                name.clone()
            })
            .collect();
        due.iter().for_each(|name| self.enqueue(name));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
