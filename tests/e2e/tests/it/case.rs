//! One case: a namespace, and the words in which its test is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use keyhole_test_aws::Content;
use keyhole_test_harness::{HostConfig, eventually};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::moto::MotoWorld;
use crate::world::{REGION, World};

/// How long anything may take: far more than it does, so that only what never happens fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Data = BTreeMap<String, Vec<u8>>;

pub struct Case {
    pub world: Arc<World>,
    pub namespace: String,
    pub client: kube::Client,
    /// Set where the store is moto: then objects are for the host that talks to it.
    moto: Option<&'static MotoWorld>,
}

impl Case {
    pub async fn open(world: &Arc<World>, moto: Option<&'static MotoWorld>) -> Self {
        Self::annotated(world, moto, Value::Null).await
    }

    /// A case in a namespace that is there already.
    pub fn of(world: &Arc<World>, namespace: &str) -> Self {
        Self {
            world: Arc::clone(world),
            namespace: namespace.to_owned(),
            client: world.plane.admin(),
            moto: None,
        }
    }

    /// The same case in a new namespace, which has these annotations from the beginning.
    pub async fn in_annotated(&self, annotations: Value) -> Self {
        Self::annotated(&self.world, self.moto, annotations).await
    }

    async fn annotated(world: &Arc<World>, moto: Option<&'static MotoWorld>, annotations: Value) -> Self {
        let namespaces: Api<Namespace> = Api::all(world.plane.admin());
        let namespace = json!({"metadata": {"generateName": "case-", "annotations": annotations}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let namespace = namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap()
            .name_any();
        Self {
            world: Arc::clone(world),
            namespace,
            client: world.plane.admin(),
            moto,
        }
    }

    /// The name in AWS of this case's own secret.
    pub fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// Gives a secret of this case a value that is searched for later on. Returns its name in AWS.
    pub fn set(&self, name: &str, value: impl Into<Content>) -> String {
        let value = value.into();
        self.search_for(&value);
        self.world.aws.set_secret(REGION, &self.key(name), value);
        self.key(name)
    }

    /// The same in the store of this case, whichever that is. Returns name and version.
    pub async fn put(&self, name: &str, value: impl Into<Content>) -> (String, String) {
        let (key, value) = (self.key(name), value.into());
        self.search_for(&value);
        let version = match self.moto {
            Some(moto) => moto.put(&key, value).await,
            None => self.world.aws.set_secret(REGION, &key, value),
        };
        (key, version)
    }

    /// Has a value searched for later on.
    pub fn search_for(&self, value: &Content) {
        let bytes = match value {
            Content::Text(text) => text.clone().into_bytes(),
            Content::Bytes(bytes) => bytes.clone(),
        };
        self.world.values.lock().unwrap().push(bytes);
    }

    /// A configuration for a host of this case's own: it serves only objects with this `controllerId`.
    pub fn own_host(&self, controller: &str) -> HostConfig {
        HostConfig::new(&self.world.installed.kubeconfig)
            .aws(&self.world.aws, REGION)
            .instance(controller)
    }

    /// Keeps what a host wrote for the search.
    pub fn keep_log(&self, log: String) {
        self.world.other_logs.lock().unwrap().push(log);
    }

    /// What the shared host wrote about this namespace.
    pub fn about(&self) -> String {
        let log = self.world.host.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&self.namespace)).collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn objects(&self) -> Api<DynamicObject> {
        external_secrets(&self.client, &self.namespace)
    }

    /// Creates an ExternalSecret of Secrets Manager with this `spec.data`.
    pub async fn create(&self, name: &str, data: Value) -> DynamicObject {
        self.create_spec(name, json!({"backendType": "secretsManager", "data": data}))
            .await
    }

    /// Creates an ExternalSecret that is not refreshed for an hour: what happens to it has another cause.
    pub async fn create_slow(&self, name: &str, data: Value) -> DynamicObject {
        self.create_spec(
            name,
            json!({"backendType": "secretsManager", "refreshInterval": "1h", "data": data}),
        )
        .await
    }

    /// Creates an ExternalSecret with this spec.
    pub async fn create_spec(&self, name: &str, mut spec: Value) -> DynamicObject {
        if let Some(moto) = self.moto {
            spec["controllerId"] = json!(moto.instance);
        }
        let object = external_secret(name, spec);
        self.objects().create(&PostParams::default(), &object).await.unwrap()
    }

    /// Merges something into an ExternalSecret.
    pub async fn patch(&self, name: &str, patch: Value) -> DynamicObject {
        self.objects()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap()
    }

    pub async fn delete(&self, name: &str) {
        self.objects().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The Secret's data now; `None` when there is no Secret.
    pub async fn data(&self, name: &str) -> Option<Data> {
        self.secrets()
            .get_opt(name)
            .await
            .unwrap()
            .map(|secret| data_of(&secret))
    }

    /// Waits until the Secret's data is exactly this.
    pub async fn expect_data(&self, name: &str, wanted: &[(&str, &str)]) -> Secret {
        let wanted: Data = wanted
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        self.expect_bytes(name, &wanted).await
    }

    /// Waits until the Secret's data is exactly these bytes.
    pub async fn expect_bytes(&self, name: &str, wanted: &Data) -> Secret {
        let what = format!("Secret {}/{name} to hold {:?}", self.namespace, wanted.keys());
        let found = eventually(PATIENCE, &what, async || {
            let secret = self.secrets().get_opt(name).await.map_err(|error| error.to_string())?;
            match secret {
                Some(secret) if data_of(&secret) == *wanted => Ok(secret),
                Some(secret) => Err(format!("it holds {:?}", data_of(&secret).keys())),
                None => Err("there is no Secret".to_owned()),
            }
        });
        match found.await {
            Ok(secret) => secret,
            Err(error) => panic!("{error}; the object says {}", self.status_now(name).await),
        }
    }

    /// Waits until the Secret is gone.
    pub async fn expect_gone(&self, name: &str) {
        eventually(PATIENCE, "the Secret to be gone", async || {
            match self.data(name).await {
                None => Ok(()),
                Some(_) => Err("it is there"),
            }
        })
        .await
        .unwrap();
    }

    /// Waits until the object's status line passes, for its latest generation, and returns the status.
    pub async fn expect_status(&self, name: &str, what: &str, good: impl Fn(&str) -> bool) -> Value {
        let wait = format!("the status of {name} to be {what}");
        let found = eventually(PATIENCE, &wait, async || {
            let object = self.objects().get(name).await.map_err(|error| error.to_string())?;
            let status = object.data["status"].clone();
            let line = status["status"].as_str().unwrap_or_default();
            match status["observedGeneration"].as_i64() == object.metadata.generation && good(line) {
                true => Ok(status),
                false => Err(status.to_string()),
            }
        });
        found.await.unwrap()
    }

    /// Waits for `SUCCESS`.
    pub async fn expect_success(&self, name: &str) -> Value {
        self.expect_status(name, "SUCCESS", |line| line == "SUCCESS").await
    }

    /// Waits for an error line with these words in it, and for the reason of the condition.
    pub async fn expect_error(&self, name: &str, reason: &str, words: &[&str]) -> Value {
        let good = |line: &str| line.starts_with("ERROR, ") && words.iter().all(|word| line.contains(word));
        let status = self.expect_status(name, &format!("ERROR with {words:?}"), good).await;
        assert_eq!(ready(&status)["reason"], reason, "{status}");
        assert_eq!(ready(&status)["status"], "False", "{status}");
        status
    }

    async fn status_now(&self, name: &str) -> String {
        match self.objects().get_opt(name).await {
            Ok(Some(object)) => object.data["status"].to_string(),
            other => format!("{other:?}"),
        }
    }
}

/// The `Ready` condition of a status.
pub fn ready(status: &Value) -> &Value {
    let conditions = status["conditions"]
        .as_array()
        .unwrap_or_else(|| panic!("no conditions in {status}"));
    conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
        .unwrap()
}

pub fn data_of(secret: &Secret) -> Data {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, value.0)).collect()
}

pub fn external_secret(name: &str, spec: Value) -> DynamicObject {
    let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&kind, "externalsecrets");
    DynamicObject::new(name, &resource).data(json!({"spec": spec}))
}

pub fn external_secrets(client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1", "ExternalSecret");
    let resource = ApiResource::from_gvk_with_plural(&kind, "externalsecrets");
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// A value that is in no word of any log by chance.
pub fn unique(label: &str) -> String {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
    format!("{label}-{random}")
}
