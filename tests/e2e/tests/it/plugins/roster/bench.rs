//! A cluster with a host that has a plugin folder, and plugins that are what a case asks for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Installed, Manifest, Scratch, eventually};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::case::{Case, PATIENCE, ready, unique};
use crate::world::{INTERVAL, REGION, World, alone, run};

pub struct Bench {
    pub world: Arc<World>,
    config: HostConfig,
    folder: Scratch,
}

static BENCH: OnceCell<Bench> = OnceCell::const_new();

/// Runs a case in the shared cluster, in a namespace of its own.
pub fn plugin_case(test: impl AsyncFnOnce(&Case, &'static Bench)) {
    alone(async || {
        let bench = BENCH.get_or_init(async || Bench::start(Manifest::Install).await).await;
        let case = Case::open(&bench.world, None).await;
        run(case, async |case| test(case, bench).await).await;
    });
}

/// Runs a case in a cluster of its own.
pub fn lonely_plugin_case(manifest: Manifest, test: impl AsyncFnOnce(&Case, &Bench)) {
    alone(async || {
        let bench = Bench::start(manifest).await;
        let case = Case::open(&bench.world, None).await;
        run(case, async |case| test(case, &bench).await).await;
    });
}

impl Bench {
    pub async fn start(manifest: Manifest) -> Self {
        Self::start_with(manifest, |config| config).await
    }

    /// The same with a host that is configured like this.
    pub async fn start_with(manifest: Manifest, change: impl FnOnce(HostConfig) -> HostConfig) -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(manifest).await.unwrap();
        Self::start_in(plane, installed, change).await
    }

    /// The same in a cluster where Keyhole was installed already.
    pub async fn start_in(
        plane: ControlPlane,
        installed: Installed,
        change: impl FnOnce(HostConfig) -> HostConfig,
    ) -> Self {
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        let folder = Scratch::new("plugins").unwrap();
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL)
            .env("KEYHOLE_PLUGIN_DIR", folder.path().display().to_string())
            .env("KEYHOLE_NAMESPACE", &installed.namespace);
        let config = change(config);
        let host = Host::start(config.clone()).await.unwrap();
        Self {
            world: Arc::new(World::of(plane, installed, aws, host)),
            config,
            folder,
        }
    }

    /// That of the host, for another one.
    pub fn host_config(&self) -> HostConfig {
        self.config.clone()
    }

    /// Puts a file into the plugin folder, at once and whole.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let begun = self.folder.join(&format!(".{name}.begun"));
        std::fs::write(&begun, bytes).unwrap();
        std::fs::rename(begun, self.folder.join(name)).unwrap();
    }

    /// Takes a file out of the plugin folder.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.join(name)).unwrap();
    }

    pub fn plugins(&self) -> Api<DynamicObject> {
        Api::all_with(self.world.plane.admin(), &resource())
    }

    /// Creates a BackendPlugin, or changes all of its spec.
    pub async fn apply(&self, name: &str, spec: Value) -> DynamicObject {
        self.try_apply(name, spec).await.unwrap()
    }

    pub async fn try_apply(&self, name: &str, spec: Value) -> Result<DynamicObject, kube::Error> {
        let mut object = DynamicObject::new(name, &resource()).data(json!({"spec": spec}));
        object.types = Some(kube::core::TypeMeta {
            api_version: "kubernetes-client.io/v1alpha1".to_owned(),
            kind: "BackendPlugin".to_owned(),
        });
        let params = PatchParams::apply("case").force();
        self.plugins().patch(name, &params, &Patch::Apply(&object)).await
    }

    pub async fn delete(&self, name: &str) {
        self.plugins().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until a plugin's status passes, for its latest generation.
    pub async fn expect(&self, name: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        let wait = format!("BackendPlugin {name} to {what}");
        let found = eventually(PATIENCE, &wait, async || {
            let object = self.plugins().get(name).await.map_err(|error| error.to_string())?;
            let status = object.data["status"].clone();
            let current = status["observedGeneration"].as_i64() == object.metadata.generation;
            match current && good(&status) {
                true => Ok(status),
                false => Err(status.to_string()),
            }
        });
        found.await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub async fn expect_serving(&self, name: &str) -> Value {
        self.expect(name, "serve", |status| {
            ready(status)["reason"] == "Serving" && ready(status)["status"] == "True"
        })
        .await
    }

    /// Waits until the plugin does not serve, for this reason, and these words say why.
    pub async fn expect_broken(&self, name: &str, reason: &str, words: &[&str]) -> Value {
        let says = |status: &Value| ready(status)["message"].as_str().unwrap_or_default().to_owned();
        self.expect(name, &format!("be {reason} with {words:?}"), |status| {
            let is_false = ready(status)["status"] == "False" && ready(status)["reason"] == reason;
            is_false && words.iter().all(|word| says(status).contains(word))
        })
        .await
    }

    /// Waits until the host counts so many BackendPlugins for these reasons.
    pub async fn expect_counted(&self, reasons: &[(&str, f64)]) {
        let what = format!("BackendPlugins to be counted as {reasons:?}");
        let found = eventually(PATIENCE, &what, async || {
            let metrics = self.world.host.metrics().await.map_err(|error| error.to_string())?;
            let counted = |reason| metrics.sum("keyhole_backend_plugins", &[("reason", reason)]);
            let counts: Vec<_> = reasons.iter().map(|(reason, _)| (*reason, counted(reason))).collect();
            (counts == reasons).then_some(()).ok_or_else(|| format!("{counts:?}"))
        });
        found.await.unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// How often the host has called a plugin.
    pub async fn calls(&self, plugin: &str) -> f64 {
        let metrics = self.world.host.metrics().await.unwrap();
        metrics.sum("keyhole_plugin_calls_total", &[("plugin", plugin)])
    }
}

fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
    ApiResource::from_gvk_with_plural(&kind, "backendplugins")
}

/// A name that is free in the whole cluster, for a plugin, its file and its backend type.
pub fn fresh(case: &Case, label: &str) -> String {
    format!("{}-{label}", case.namespace)
}

/// A spec that takes the file of this name.
pub fn from_file(name: &str) -> Value {
    json!({"source": {"file": {"path": name}}})
}

/// A plugin that is as wished; see `tests/hostile/obliging`.
pub fn obliging(wishes: &Value) -> Vec<u8> {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    const MARKER: &[u8] = b"obliging-guest-wishes:";
    let mut bytes = GUEST
        .get_or_init(|| std::fs::read(built("obliging-guest")).unwrap())
        .clone();
    let at = bytes
        .windows(MARKER.len())
        .position(|window| window == MARKER)
        .expect("the guest has its marker")
        + MARKER.len();
    let text = wishes.to_string();
    assert!(text.len() <= 512 - MARKER.len(), "too many wishes");
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    bytes
}

/// The plugin with every bad habit.
pub fn hostile() -> Vec<u8> {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    GUEST
        .get_or_init(|| std::fs::read(built("hostile-guest")).unwrap())
        .clone()
}

fn built(package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
    keyhole_guests::build(&workspace, package, &workspace.join("target")).unwrap()
}

/// Creates an ExternalSecret of this type that is not refreshed for an hour: what happens to it has another cause.
pub async fn create(case: &Case, name: &str, backend_type: &str) -> DynamicObject {
    let spec = json!({"backendType": backend_type, "refreshInterval": "1h", "data": [{"key": "k", "name": "value"}]});
    case.create_spec(name, spec).await
}

/// A word that a plugin says, to be searched for later on.
pub fn word(case: &Case, label: &str) -> String {
    let word = unique(label);
    case.search_for(&word.clone().into());
    word
}
