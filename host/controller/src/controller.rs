//! Wiring, start and stop.
//!
//! Every task has an owner here: one that ends before it was asked to, or panics, ends the whole
//! controller with an error that names it. A host that went on without its planner would look healthy
//! and sync nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_core::digest::{ContentKey, NoRandomness};
use keyhole_core::permission::{Matcher, Policy};
use keyhole_plugins::LiveSet;
use kube::Client;
use prometheus::Registry;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::api_error::ApiError;
use crate::cluster::Cluster;
use crate::desk::{Desk, PLUGINS, State, Worker};
use crate::index::Index;
use crate::metrics::{Metrics, ObjectMetrics};
use crate::permission::Expressions;
use crate::plan::Defaults;
use crate::planner::{Planner, PlannerConfig};
use crate::preflight;
use crate::report::Reporter;
use crate::report::events::events;
use crate::roster::{Roster, RosterConfig};
use crate::watch::{self as watches, Watches};
use crate::write::Writer;

/// What the controller is told by its user.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name under which Kubernetes events are published.
    pub name: String,
    /// Namespaces to serve; all if there are none.
    pub watched_namespaces: Vec<String>,
    /// Which of several instances this is. Objects that name another, or none while this is set, are
    /// left alone.
    pub instance_id: Option<String>,
    /// What objects get that do not say otherwise.
    pub defaults: Defaults,
    /// Whether Secrets may be listed and watched. If not, their versions are asked for at each interval.
    pub list_secrets: bool,
    /// Objects whose Secret and status are written at the same time.
    pub writers: usize,
    /// Status writes per second, for the whole host, that say nothing but that a sync took place.
    pub heartbeats_per_second: u32,
    /// KES's series.
    pub object_metrics: ObjectMetrics,
    /// How annotations of namespaces are read.
    pub policy: Policy,
    /// What the planner may take.
    pub planner: PlannerConfig,
    /// How long writes in flight may go on after a shutdown was asked for.
    pub grace: Duration,
}

impl Default for Config {
    /// All namespaces, KES's series, the heartbeats of the reference, and as many writers as keep an API
    /// server of one small machine busy without a queue of its own.
    fn default() -> Self {
        Self {
            name: "keyhole".to_owned(),
            watched_namespaces: Vec::new(),
            instance_id: None,
            defaults: Defaults::default(),
            list_secrets: true,
            writers: 16,
            heartbeats_per_second: 10,
            object_metrics: ObjectMetrics {
                enabled: true,
                deprecated_names: false,
            },
            policy: Policy::default(),
            planner: PlannerConfig::default(),
            grace: Duration::from_secs(20),
        }
    }
}

/// Why the controller could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The API server does not know ExternalSecret.
    #[error(
        "the CustomResourceDefinition {} is not installed; apply deploy/crds or the output of `keyhole crds`",
        keyhole_api::names::CRD_NAME
    )]
    CrdMissing,
    /// The service account lacks rights.
    #[error("the operator's service account may not {}; apply the RBAC rules of deploy/install.yaml", .0.join(", may not "))]
    Forbidden(Vec<String>),
    /// The API server does not answer.
    #[error("{0}")]
    Unreachable(#[source] ApiError),
    /// The planner ended.
    #[error("the planner ended unexpectedly")]
    PlannerStopped,
    /// A task ended or panicked.
    #[error("task {task} ended unexpectedly: {why}")]
    Task {
        /// Its name.
        task: String,
        /// E.g. that it panicked, never what it panicked with.
        why: String,
    },
    /// Metrics could not be registered.
    #[error("cannot register the metrics of the controller")]
    Metrics(#[from] prometheus::Error),
    /// No key for digests.
    #[error("cannot make a key for content digests")]
    Randomness(#[from] NoRandomness),
}

impl ControllerError {
    /// A panic's own text may hold anything, so it is left out.
    pub(crate) fn task(task: &str, error: &JoinError) -> Self {
        let why = if error.is_panic() {
            "it panicked"
        } else {
            "it was cancelled"
        };
        Self::Task {
            task: task.to_owned(),
            why: why.to_owned(),
        }
    }
}

/// The controller, ready to run.
pub struct Controller {
    config: Config,
    client: Client,
    live: LiveSet,
    script: Arc<dyn Matcher>,
    metrics: Arc<Metrics>,
    content: ContentKey,
    ready: watch::Sender<bool>,
    roster: Option<RosterConfig>,
}

impl Controller {
    /// A controller that syncs through `client` with the plugins of `live`. `script` judges expressions of
    /// namespaces that only JavaScript can.
    ///
    /// # Errors
    /// When the metrics are registered already, or the system has no randomness.
    pub fn new(
        config: Config,
        client: Client,
        live: LiveSet,
        script: Arc<dyn Matcher>,
        registry: &Registry,
    ) -> Result<Self, ControllerError> {
        let metrics = Arc::new(Metrics::new(registry, config.object_metrics)?);
        let content = ContentKey::random()?;
        Ok(Self {
            config,
            client,
            live,
            script,
            metrics,
            content,
            ready: watch::Sender::new(false),
            roster: None,
        })
    }

    /// The same, with the plugins that BackendPlugin objects describe besides those of the live set.
    #[must_use]
    pub fn with_roster(self, roster: RosterConfig) -> Self {
        Self {
            roster: Some(roster),
            ..self
        }
    }

    /// Becomes true when everything has been listed and syncing has begun.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Runs until `shutdown`: then no new work is taken up, and writes in flight may end within the grace.
    ///
    /// # Errors
    /// When it cannot start, or a part of it ended by itself.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), ControllerError> {
        let Self {
            config,
            client,
            live,
            script,
            metrics,
            content,
            ready,
            roster,
        } = self;
        let Config {
            name,
            watched_namespaces,
            instance_id,
            defaults,
            list_secrets,
            writers,
            heartbeats_per_second,
            object_metrics: _,
            policy,
            mut planner,
            grace,
        } = config;
        let watched: BTreeSet<Arc<str>> = watched_namespaces.iter().map(|name| name.as_str().into()).collect();
        let watched: Vec<_> = watched.into_iter().collect();
        let checked = shutdown
            .run_until_cancelled(preflight::check(&client, &watched, list_secrets))
            .await;
        match checked {
            None => return Ok(()),
            Some(checked) => checked?,
        }
        // What the calls complete is still to be written.
        planner.grace = planner.grace.min(grace / 2);

        let stop = shutdown.child_token();
        let mut tasks = Tasks::default();
        let observer: Arc<Metrics> = Arc::clone(&metrics);
        let (actor, handle, deliveries) = Planner::new(planner, Timestamp::now(), Some(observer));
        tasks.spawn("planner", actor.run(stop.clone()));
        let (events, publisher) = events(client.clone(), &name, Arc::clone(&metrics));
        tasks.spawn("events", publisher.run());

        let (sender, changes) = mpsc::channel(watches::QUEUE);
        let mut unlisted = HashSet::new();
        if let Some(config) = roster {
            let (events, metrics) = (events.clone(), Arc::clone(&metrics));
            let roster = Roster::new(client.clone(), config, live.clone(), events, metrics, sender.clone());
            tasks.spawn("roster of plugins", roster.run(stop.clone()));
            unlisted.insert((PLUGINS, None));
        }
        let watches = Watches::new(client.clone(), sender, Arc::clone(&metrics), policy, stop.clone());
        let namespaces: Vec<Option<Arc<str>>> = if watched.is_empty() {
            vec![None]
        } else {
            watched.into_iter().map(Some).collect()
        };
        for namespace in &namespaces {
            tasks.spawn("watch of externalsecrets", watches.clone().objects(namespace.clone()));
            tasks.spawn("watch of namespaces", watches.clone().namespaces(namespace.clone()));
            unlisted.extend([
                ("externalsecrets", namespace.clone()),
                ("namespaces", namespace.clone()),
            ]);
            if list_secrets {
                tasks.spawn("watch of secrets", watches.clone().secrets(namespace.clone()));
                unlisted.insert(("secrets", namespace.clone()));
            }
        }

        let cluster = Cluster::new(client, Arc::clone(&metrics));
        let reporter = Arc::new(Reporter::new(
            cluster.clone(),
            Arc::clone(&metrics),
            heartbeats_per_second,
        ));
        let writer = Writer::new(cluster, content, list_secrets);
        let desk = Desk {
            index: Index::new(list_secrets),
            planner: handle,
            live,
            defaults,
            instance_id: instance_id.filter(|id| !id.is_empty()).map(Arc::from),
            worker: Arc::new(Worker::new(writer, Arc::clone(&reporter))),
            expressions: Arc::new(Expressions::new(script, metrics.judgements.clone())),
            reporter,
            events,
            metrics,
            watches,
            namespaces,
            unlisted,
            ready,
            writers: writers.max(1),
            grace,
            state: State::default(),
        };
        let result = tokio::select! {
            result = desk.run(changes, deliveries, stop.clone()) => result,
            error = tasks.supervise(&stop) => Err(error),
        };
        stop.cancel();
        tasks.end().await;
        result
    }
}

/// The tasks of the controller by name.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.set.spawn(task).id(), name);
    }

    /// Resolves when a task ends that should not have.
    async fn supervise(&mut self, stop: &CancellationToken) -> ControllerError {
        while let Some(ended) = self.set.join_next_with_id().await {
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
            let name = self.names.get(&id).copied().unwrap_or("unknown");
            match ended {
                Err(error) => return ControllerError::task(name, &error),
                Ok(_) if stop.is_cancelled() => {}
                Ok(_) => {
                    return ControllerError::Task {
                        task: name.to_owned(),
                        why: "it returned".to_owned(),
                    };
                }
            }
        }
        std::future::pending().await
    }

    /// Waits a moment for those that were asked to end, then cuts the rest off.
    async fn end(mut self) {
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(2), all).await.is_err() {
            self.set.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("watch", std::future::pending());
        tasks.spawn("planner", async {});
        let error = tasks.supervise(&CancellationToken::new()).await;
        assert_eq!(error.to_string(), "task planner ended unexpectedly: it returned");
    }

    #[tokio::test]
    async fn a_panic_is_named_and_its_text_is_not() {
        let mut tasks = Tasks::default();
        tasks.spawn("planner", async { panic!("hunter2") });
        let error = tasks.supervise(&CancellationToken::new()).await;
        assert_eq!(error.to_string(), "task planner ended unexpectedly: it panicked");
    }

    #[test]
    fn missing_rights_are_one_line() {
        let error = ControllerError::Forbidden(vec!["list secrets in all namespaces".into(), "watch secrets".into()]);
        assert_eq!(
            error.to_string(),
            "the operator's service account may not list secrets in all namespaces, may not watch secrets; \
             apply the RBAC rules of deploy/install.yaml"
        );
    }
}
