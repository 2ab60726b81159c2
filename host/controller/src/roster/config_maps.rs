//! Changes of ConfigMaps in the operator's namespace, while a plugin comes from one.
//!
//! Only metadata is asked for, and only names go on. Nothing is watched as long as no plugin comes from a
//! ConfigMap, so who never uses one needs no right to.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PartialObjectMeta;
use kube::{Api, Client};
use kube_runtime::watcher::{self, Event, watcher};

use super::persistence::{Persistence, persistent};

type Events = BoxStream<'static, Result<Event<PartialObjectMeta<ConfigMap>>, watcher::Error>>;

/// The watch, while it is needed.
pub(super) struct ConfigMaps {
    client: Client,
    namespace: Arc<str>,
    stream: Option<Events>,
    /// Versions by name, so that a list that says nothing new causes nothing.
    versions: HashMap<Arc<str>, String>,
    listing: Vec<Arc<str>>,
    warned: bool,
}

/// The ConfigMap of this name is another one than before, or has come or gone.
pub(super) struct Seen(pub(super) Arc<str>);

impl ConfigMaps {
    pub(super) fn new(client: Client, namespace: &Arc<str>) -> Self {
        Self {
            client,
            namespace: Arc::clone(namespace),
            stream: None,
            versions: HashMap::new(),
            listing: Vec::new(),
            warned: false,
        }
    }

    /// Watches, or stops to.
    pub(super) fn follow(&mut self, wanted: bool) {
        if !wanted {
            self.stream = None;
            self.versions.clear();
        } else if self.stream.is_none() {
            let api = Api::<PartialObjectMeta<ConfigMap>>::namespaced(self.client.clone(), &self.namespace);
            let events = watcher(api, watcher::Config::default());
            self.stream = Some(persistent(events, Persistence::default()).boxed());
        }
    }

    /// The next change. Never resolves while nothing is watched.
    pub(super) async fn next(&mut self) -> Seen {
        loop {
            let Some(stream) = &mut self.stream else {
                return std::future::pending().await;
            };
            let Some(event) = stream.next().await else {
                self.stream = None;
                continue;
            };
            if let Some(name) = self.changed(event) {
                return Seen(name);
            }
        }
    }

    fn changed(&mut self, event: Result<Event<PartialObjectMeta<ConfigMap>>, watcher::Error>) -> Option<Arc<str>> {
        match event {
            Ok(Event::Init) => {
                self.listing.clear();
                None
            }
            Ok(Event::InitApply(map)) => {
                self.listing.push(map.metadata.name.as_deref()?.into());
                self.changed(Ok(Event::Apply(map)))
            }
            Ok(Event::Apply(map)) => {
                let name: Arc<str> = map.metadata.name?.into();
                let version = map.metadata.resource_version.unwrap_or_default();
                let before = self.versions.insert(name.clone(), version.clone());
                (before.as_ref() != Some(&version)).then_some(name)
            }
            Ok(Event::InitDone) => {
                self.warned = false;
                let listed = std::mem::take(&mut self.listing);
                // One that went while nobody watched is noticed when its plugin is loaded the next time.
                self.versions.retain(|name, _| listed.contains(name));
                None
            }
            Ok(Event::Delete(map)) => {
                let name: Arc<str> = map.metadata.name?.into();
                self.versions.remove(&name);
                Some(name)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let error = crate::watch::describe(error);
                    tracing::warn!(namespace = &*self.namespace, %error, "ConfigMaps cannot be watched, so plugins that come from them are not followed; apply the RBAC rules of deploy/install.yaml");
                }
                None
            }
        }
    }
}
