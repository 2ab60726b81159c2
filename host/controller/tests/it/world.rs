//! A namespace, a store, and a controller that serves the one from the other.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use keyhole_api::{ExternalSecret, ExternalSecretStatus};
use keyhole_controller::{Config, Controller, ControllerError};
use keyhole_core::permission::Matcher;
use keyhole_plugins::LiveSet;
use keyhole_test_harness::eventually;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use kube_runtime::conditions;
use kube_runtime::wait::await_condition;
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::{NoScript, Store};

pub const WITHIN: Duration = Duration::from_secs(60);
/// So long that what happens within a test is no periodic refresh.
pub const LONG: Duration = Duration::from_secs(3600);

pub struct World {
    pub client: Client,
    pub namespace: String,
    pub store: Arc<Store>,
    pub live: LiveSet,
    pub registry: Registry,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Result<(), ControllerError>>>,
}

pub fn object<T: DeserializeOwned>(value: Json) -> T {
    serde_json::from_value(value).unwrap()
}

pub async fn install_crd(client: &Client, crd: CustomResourceDefinition) {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = crd.metadata.name.clone().unwrap();
    crds.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&crd))
        .await
        .unwrap();
    let established = await_condition(crds, &name, conditions::is_crd_established());
    tokio::time::timeout(WITHIN, established).await.unwrap().unwrap();
}

pub fn config(namespace: &str, interval: Duration) -> Config {
    Config {
        watched_namespaces: vec![namespace.to_owned()],
        defaults: keyhole_controller::plan::Defaults {
            interval,
            ..Default::default()
        },
        ..Config::default()
    }
}

impl World {
    /// A namespace of that name on the shared control plane, not served yet.
    pub async fn new(namespace: &str) -> Self {
        Self::on(crate::plane::client().await, namespace).await
    }

    pub async fn on(client: Client, namespace: &str) -> Self {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let body = object(json!({"metadata": {"name": namespace}}));
        namespaces.create(&PostParams::default(), &body).await.unwrap();
        let store = Arc::new(Store::default());
        Self {
            client,
            namespace: namespace.to_owned(),
            live: store.live(),
            store,
            registry: Registry::new(),
            shutdown: CancellationToken::new(),
            running: None,
        }
    }

    /// The same, served at this interval.
    pub async fn served(namespace: &str, interval: Duration) -> Self {
        let mut world = Self::new(namespace).await;
        world.start(config(namespace, interval)).await;
        world
    }

    pub async fn start(&mut self, config: Config) {
        self.start_with(config, Arc::new(NoScript)).await;
    }

    /// The same, with something in JavaScript's place.
    pub async fn start_with(&mut self, config: Config, script: Arc<dyn Matcher>) {
        self.registry = Registry::new();
        self.shutdown = CancellationToken::new();
        let controller =
            Controller::new(config, self.client.clone(), self.live.clone(), script, &self.registry).unwrap();
        let mut ready = controller.ready();
        let running = tokio::spawn(controller.run(self.shutdown.clone()));
        tokio::time::timeout(WITHIN, ready.wait_for(|ready| *ready))
            .await
            .unwrap()
            .unwrap();
        self.running = Some(running);
    }

    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(WITHIN, self.running.take().unwrap())
            .await
            .unwrap();
        ended.unwrap().unwrap();
    }

    pub fn objects(&self) -> Api<ExternalSecret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object with one entry `k` for the key of the store.
    pub async fn apply(&self, name: &str, key: &str) -> ExternalSecret {
        self.create(
            name,
            json!({"backendType": "memory", "data": [{"key": key, "name": "k"}]}),
        )
        .await
    }

    pub async fn create(&self, name: &str, spec: Json) -> ExternalSecret {
        let body = json!({"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": {"name": name}, "spec": spec});
        self.objects()
            .create(&PostParams::default(), &object(body))
            .await
            .unwrap()
    }

    pub async fn patch(&self, name: &str, patch: Json) {
        self.objects()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn patch_secret(&self, name: &str, patch: Json) {
        self.secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn until<T, E: Display>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
        match eventually(WITHIN, what, probe).await {
            Ok(found) => found,
            Err(error) => panic!("{error}\n{}", self.metrics()),
        }
    }

    /// Waits for a Secret with exactly this data.
    pub async fn until_data(&self, name: &str, data: &[(&str, &str)]) -> Secret {
        let wanted: BTreeMap<_, _> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        self.until(&format!("{name} to hold {wanted:?}"), async || {
            match self.secrets().get_opt(name).await.unwrap() {
                Some(secret) if texts(&secret) == wanted => Ok(secret),
                Some(secret) => Err(format!("{:?}", texts(&secret))),
                None => Err("no Secret".to_owned()),
            }
        })
        .await
    }

    /// Waits for this status line.
    pub async fn until_status(&self, name: &str, line: &str) -> ExternalSecretStatus {
        self.until(&format!("{name} to say {line:?}"), async || {
            let status = self.objects().get(name).await.unwrap().status.unwrap_or_default();
            if status.status.as_deref() == Some(line) {
                Ok(status)
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await
    }

    pub fn metrics(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The sum of all series of a metric whose labels contain all of `labels`.
    pub fn count(&self, metric: &str, labels: &[&str]) -> f64 {
        let text = self.metrics();
        let lines = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(metric));
        lines
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub async fn until_count(&self, metric: &str, labels: &[&str], wanted: f64) {
        self.until(&format!("{metric} {labels:?} to be {wanted}"), async || {
            let found = self.count(metric, labels);
            if found >= wanted { Ok(()) } else { Err(found) }
        })
        .await;
    }

    pub fn secret_writes(&self) -> f64 {
        self.count("keyhole_secret_writes_total", &[])
    }

    pub fn secret_reads(&self) -> f64 {
        self.count("keyhole_secret_reads_total", &[])
    }
}

pub fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(&value.0)))
        .collect()
}

pub fn revision(secret: &Secret) -> &str {
    &secret.metadata.annotations.as_ref().unwrap()["externalsecrets.kubernetes-client.io/revision"]
}
