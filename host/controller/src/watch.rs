//! Streams of changes from the API server, for as long as the host runs.
//!
//! Each watch is a task that lists, then follows, and after any error connects again with back-off, from the
//! last version it saw or, if that is too old, with a new list. What it sees goes into one bounded
//! queue; when the queue is full the watch waits, and the API server's own buffers with it. The end of
//! a list is told together with what was in it, so that deletions missed in between are noticed. No
//! object is kept here: of Secrets and namespaces only metadata is asked for, and of that only a key and
//! a version go on.

use std::collections::HashSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use keyhole_api::ExternalSecret;
use keyhole_api::names::{MANAGED_LABEL, MANAGED_VALUE};
use keyhole_core::permission::{Policy, Rules};
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, Client, Resource};
use kube_runtime::WatchStreamExt as _;
use kube_runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api_error::ApiError;
use crate::cluster::REQUEST_TIMEOUT;
use crate::index::Version;
use crate::metrics::Metrics;
use crate::plan::{Labels, ObjectKey};

mod outage;

use outage::{OUTAGE, Outage};

/// Changes that may wait to be worked off.
pub const QUEUE: usize = 1024;
/// Objects of one page of a list.
const PAGE: u32 = 500;
/// Before a list that failed is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a watch saw.
#[derive(Debug)]
pub enum Change {
    /// An ExternalSecret is there. `listed` if a list says so.
    Object {
        /// The whole object.
        object: Box<ExternalSecret>,
        /// Whether a list says so.
        listed: bool,
    },
    /// An ExternalSecret is gone.
    ObjectGone(ObjectKey),
    /// A list of ExternalSecrets came to its end.
    ObjectsListed(Listed),
    /// A Secret with our label is there.
    Secret(ObjectKey, Version),
    /// A Secret is gone or lost our label.
    SecretGone(ObjectKey, Version),
    /// A list of Secrets came to its end.
    SecretsListed(Listed),
    /// A namespace is there.
    Namespace {
        /// Its name.
        name: Arc<str>,
        /// Whether it is being deleted.
        deleting: bool,
        /// What its annotations allow.
        rules: Box<Rules>,
        /// Its labels.
        labels: Labels,
    },
    /// A namespace is gone.
    NamespaceGone(Arc<str>),
    /// A list of namespaces came to its end.
    NamespacesListed(Listed),
    /// What this namespace (all, if none is named) says cannot be found out any more. A list of namespaces
    /// will tell that it can again.
    NamespacesLost(Option<Arc<str>>),
    /// An ExternalSecret is there, and is to be planned anew whatever is known of it.
    Again(Box<ExternalSecret>),
    /// It is known which plugins there are, if it ever can be. Not all of them may be loaded.
    PluginsKnown,
}

/// What a list held.
#[derive(Debug)]
pub struct Listed {
    /// The namespace that it was about; all if none.
    pub namespace: Option<Arc<str>>,
    /// What was there.
    pub keys: HashSet<ObjectKey>,
}

/// What a watch is about, and what becomes of what it sees.
trait Watched: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static {
    /// For metrics and messages.
    const RESOURCE: &'static str;

    fn there(self, listed: bool, policy: &Arc<Policy>) -> Option<Change>;
    fn gone(self) -> Option<Change>;
    fn listed(listed: Listed) -> Change;

    /// What it means that the watch has not worked for a while, if what it showed must not be trusted then.
    fn lost(_scope: Option<Arc<str>>) -> Option<Change> {
        None
    }

    fn key(&self) -> Option<ObjectKey> {
        let metadata = self.meta();
        Some(ObjectKey::new(
            metadata.namespace.as_deref()?,
            metadata.name.as_deref()?,
        ))
    }
}

impl Watched for ExternalSecret {
    const RESOURCE: &'static str = "externalsecrets";

    fn there(mut self, listed: bool, _: &Arc<Policy>) -> Option<Change> {
        self.metadata.managed_fields = None;
        Some(Change::Object {
            object: Box::new(self),
            listed,
        })
    }

    fn gone(self) -> Option<Change> {
        self.key().map(Change::ObjectGone)
    }

    fn listed(listed: Listed) -> Change {
        Change::ObjectsListed(listed)
    }
}

impl Watched for PartialObjectMeta<Secret> {
    const RESOURCE: &'static str = "secrets";

    fn there(self, _listed: bool, _: &Arc<Policy>) -> Option<Change> {
        Some(Change::Secret(self.key()?, version(&self)))
    }

    fn gone(self) -> Option<Change> {
        Some(Change::SecretGone(self.key()?, version(&self)))
    }

    fn listed(listed: Listed) -> Change {
        Change::SecretsListed(listed)
    }
}

impl Watched for PartialObjectMeta<Namespace> {
    const RESOURCE: &'static str = "namespaces";

    fn there(self, _listed: bool, policy: &Arc<Policy>) -> Option<Change> {
        let name: Arc<str> = self.metadata.name?.into();
        let annotations = self.metadata.annotations.unwrap_or_default();
        Some(Change::Namespace {
            deleting: self.metadata.deletion_timestamp.is_some(),
            rules: Box::new(policy.rules(&name, &annotations)),
            labels: Arc::new(self.metadata.labels.unwrap_or_default()),
            name,
        })
    }

    fn gone(self) -> Option<Change> {
        Some(Change::NamespaceGone(self.metadata.name?.into()))
    }

    fn listed(listed: Listed) -> Change {
        Change::NamespacesListed(listed)
    }

    fn lost(scope: Option<Arc<str>>) -> Option<Change> {
        Some(Change::NamespacesLost(scope))
    }

    /// A namespace is in none; it stands for both.
    fn key(&self) -> Option<ObjectKey> {
        let name = self.metadata.name.as_deref()?;
        Some(ObjectKey::new(name, name))
    }
}

fn version<K: Resource>(object: &K) -> Version {
    Version::of(object.meta().resource_version.as_deref().unwrap_or_default())
}

/// Where watches put what they see.
#[derive(Clone)]
pub struct Watches {
    client: Client,
    changes: mpsc::Sender<Change>,
    metrics: Arc<Metrics>,
    policy: Arc<Policy>,
    shutdown: CancellationToken,
}

impl Watches {
    /// Watches that end with `shutdown`. Namespaces are read under `policy`.
    #[must_use]
    pub fn new(
        client: Client,
        changes: mpsc::Sender<Change>,
        metrics: Arc<Metrics>,
        policy: Policy,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            client,
            changes,
            metrics,
            policy: Arc::new(policy),
            shutdown,
        }
    }

    /// ExternalSecrets of one namespace, or of all.
    pub async fn objects(self, namespace: Option<Arc<str>>) {
        let api = self.api::<ExternalSecret>(namespace.as_deref());
        self.follow(api, watcher::Config::default(), namespace).await;
    }

    /// Secrets with our label of one namespace, or of all.
    pub async fn secrets(self, namespace: Option<Arc<str>>) {
        let api = self.api::<PartialObjectMeta<Secret>>(namespace.as_deref());
        let config = watcher::Config::default().labels(&format!("{MANAGED_LABEL}={MANAGED_VALUE}"));
        self.follow(api, config, namespace).await;
    }

    /// One namespace, or all.
    pub async fn namespaces(self, namespace: Option<Arc<str>>) {
        let config = match &namespace {
            Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
            None => watcher::Config::default(),
        };
        let api = Api::<PartialObjectMeta<Namespace>>::all(self.client.clone());
        self.follow(api, config, namespace).await;
    }

    /// Lists the ExternalSecrets of one namespace, or of all, to be planned anew. Ends with that.
    pub async fn objects_again(self, namespace: Option<Arc<str>>) {
        let api = self.api::<ExternalSecret>(namespace.as_deref());
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = match tokio::time::timeout(REQUEST_TIMEOUT, api.list(&params)).await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => {
                    let error = ApiError::from(error);
                    tracing::warn!(namespace = namespace.as_deref(), %error, "plugins changed, and the objects cannot be listed; trying again");
                    params.continue_token = None;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(_) => continue,
            };
            for mut object in page.items {
                object.metadata.managed_fields = None;
                if self.changes.send(Change::Again(Box::new(object))).await.is_err() {
                    return;
                }
            }
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => params.continue_token = Some(token),
                _ => return,
            }
        }
    }

    fn api<K: Watched + Resource<Scope = NamespaceResourceScope>>(&self, namespace: Option<&str>) -> Api<K> {
        match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    async fn follow<K: Watched>(self, api: Api<K>, config: watcher::Config, namespace: Option<Arc<str>>) {
        // A watch that works again says nothing by itself until something changes. So one that failed for long
        // is doubted, and a new one, which begins with a list, shows which of the two it is.
        let mut is_doubted = false;
        loop {
            match self
                .follow_once(api.clone(), config.clone(), &namespace, is_doubted)
                .await
            {
                Ended::ForGood => return,
                Ended::Doubtful => is_doubted = true,
                Ended::Lost(change) => {
                    tracing::warn!(
                        resource = K::RESOURCE,
                        namespace = namespace.as_deref(),
                        "the watch has not worked for {} s; objects of namespaces that it is about are not served until it does",
                        OUTAGE.as_secs()
                    );
                    is_doubted = false;
                    if !self.send(change).await {
                        return;
                    }
                }
            }
        }
    }

    async fn follow_once<K: Watched>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        namespace: &Option<Arc<str>>,
        mut is_doubted: bool,
    ) -> Ended {
        let seen = self.metrics.watch_events.with_label_values(&[K::RESOURCE]);
        let errors = self.metrics.watch_errors.with_label_values(&[K::RESOURCE]);
        let mut stream = pin!(watcher(api, config).default_backoff());
        let mut listing = HashSet::new();
        let mut outage = Outage::default();
        while let Some(Some(event)) = self.shutdown.run_until_cancelled(stream.next()).await {
            // That a list begins says nothing: it has not been asked for yet.
            if !matches!(event, Err(_) | Ok(Event::Init)) {
                outage = Outage::default();
                is_doubted = false;
            }
            let change = match event {
                Ok(Event::Init) => {
                    listing.clear();
                    None
                }
                Ok(Event::InitApply(object)) => {
                    listing.extend(object.key());
                    object.there(true, &self.policy)
                }
                Ok(Event::InitDone) => {
                    let keys = std::mem::take(&mut listing);
                    tracing::debug!(resource = K::RESOURCE, objects = keys.len(), "listed");
                    Some(K::listed(Listed {
                        namespace: namespace.clone(),
                        keys,
                    }))
                }
                Ok(Event::Apply(object)) => object.there(false, &self.policy),
                Ok(Event::Delete(object)) => object.gone(),
                Err(error) => {
                    errors.inc();
                    let error = describe(error);
                    tracing::warn!(resource = K::RESOURCE, namespace = namespace.as_deref(), %error, "watch interrupted; connecting again");
                    let goes_on = outage.goes_on(Instant::now());
                    match K::lost(namespace.clone()) {
                        Some(lost) if is_doubted => return Ended::Lost(lost),
                        Some(_) if goes_on => return Ended::Doubtful,
                        _ => None,
                    }
                }
            };
            let Some(change) = change else { continue };
            seen.inc();
            if !self.send(change).await {
                break;
            }
        }
        Ended::ForGood
    }

    /// Whether somebody still wants to know.
    async fn send(&self, change: Change) -> bool {
        let sent = self.shutdown.run_until_cancelled(self.changes.send(change)).await;
        matches!(sent, Some(Ok(())))
    }
}

/// How a watch ended.
enum Ended {
    /// The host stops.
    ForGood,
    /// It seems not to have worked for long, or has been cut off again and again while nothing happened.
    Doubtful,
    /// It has not worked for too long.
    Lost(Change),
}

pub(crate) fn describe(error: watcher::Error) -> ApiError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => kube::Error::Api(status).into(),
        watcher::Error::NoResourceVersion => ApiError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
