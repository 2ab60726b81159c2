//! A cluster with the plugins for stores that are not AWS, and an OpenBao behind them.
//!
//! It has a control plane and a host of its own: BackendPlugins are for a whole cluster, and the plugins come
//! from a folder that only this host has.

use std::path::Path;
use std::sync::Arc;

use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{
    ControlPlane, Host, HostConfig, Manifest, OpenBao, Scratch, apply, eventually, plugin_file,
};
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::case::{Case, PATIENCE};
use crate::world::{INTERVAL, REGION, World, alone, run};

/// The mount of the login, as in KES's manifests below.
pub const MOUNT: &str = "my-kubernetes";
/// The role that the operator logs in with.
pub const ROLE: &str = "my-role";
/// The Secret that holds the credential of the `http` backend.
const CREDENTIAL: &str = "store-credential";

pub struct Stores {
    pub world: Arc<World>,
    pub bao: OpenBao,
    /// The folder of plugins with a file source.
    pub plugins: Scratch,
}

static STORES: OnceCell<Stores> = OnceCell::const_new();

/// Runs a case in a namespace of its own, and searches what was said for what must stay secret.
pub fn store_case(test: impl AsyncFnOnce(&Case, &'static Stores)) {
    alone(async || {
        let stores = STORES.get_or_init(Stores::start).await;
        let case = Case::open(&stores.world, None).await;
        run(case, async |case| test(case, stores).await).await;
    });
}

impl Stores {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let bao = OpenBao::start().await.unwrap();
        bao.policy("", "read-all", "path \"*\" { capabilities = [\"read\", \"list\"] }")
            .await
            .unwrap();
        bao.mount_kv("kv", 1).await.unwrap();
        bao.mount_kubernetes("", MOUNT, &plane).await.unwrap();
        let account = format!("{}/{}", installed.namespace, installed.service_account);
        bao.role("", MOUNT, ROLE, &account, json!({})).await.unwrap();

        let plugins = Scratch::new("plugins").unwrap();
        for (name, package) in [("vault", "keyhole-vault"), ("http", "keyhole-http")] {
            let file = plugin_file(package).unwrap();
            std::fs::copy(file, plugins.join(&format!("{name}.wasm"))).unwrap();
        }
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .interval(INTERVAL)
            .env("KEYHOLE_PLUGIN_DIR", plugins.path().display().to_string())
            .env("KEYHOLE_NAMESPACE", &installed.namespace);
        let host = Host::start(config).await.unwrap();
        let world = World::of(plane, installed, aws, host);
        world.values.lock().unwrap().push(bao.root_token().as_bytes().to_vec());
        let stores = Self {
            world: Arc::new(world),
            bao,
            plugins,
        };
        stores.install().await;
        stores
    }

    /// Applies the ready files with this server in place of an example's.
    async fn install(&self) {
        let address = self.bao.endpoint();
        let mut vault = catalog("vault");
        vault.data["spec"]["settings"]["address"] = json!(address);
        for setting in ["vaultRole", "vaultMountPoint"] {
            vault.data["spec"]["settings"].as_object_mut().unwrap().remove(setting);
        }
        let mut http = catalog("http");
        http.data["spec"]["settings"] = json!({
            "url": format!("{address}/v1/secret/data/{{key}}"),
            "value": "/data/data/password",
            "version": "/data/metadata/created_time",
        });
        let client = self.world.plane.admin();
        let mut secret = DynamicObject::new(
            CREDENTIAL,
            &ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Secret")),
        )
        .within(&self.world.installed.namespace)
        .data(json!({"stringData": {"token": self.bao.root_token()}}));
        secret.types = Some(kube::core::TypeMeta {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
        });
        apply(&client, &secret).await.unwrap();
        for mut plugin in [vault, http] {
            plugin.data["spec"]["grant"]["hosts"] = json!([address]);
            plugin.data["spec"]["grant"]["allowPrivateAddresses"] = json!(["127.0.0.0/8"]);
            apply(&client, &plugin).await.unwrap();
        }
        for name in ["vault", "http"] {
            self.expect_ready(name).await;
        }
    }

    /// Waits until a plugin serves.
    pub async fn expect_ready(&self, name: &str) -> Value {
        let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
        let resource = ApiResource::from_gvk_with_plural(&kind, "backendplugins");
        let plugins: Api<DynamicObject> = Api::all_with(self.world.plane.admin(), &resource);
        let what = format!("BackendPlugin {name} to be ready");
        let ready = eventually(PATIENCE, &what, async || {
            let object = plugins.get(name).await.map_err(|error| error.to_string())?;
            let status = object.data["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let is_ready = conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            is_ready.then_some(status.clone()).ok_or_else(|| status.to_string())
        });
        ready.await.unwrap()
    }

    /// Gives an entry of version 2 of the engine these members; the values are searched for later on.
    pub async fn put(&self, case: &Case, name: &str, data: Value) {
        for value in data.as_object().unwrap().values() {
            case.search_for(&value.as_str().unwrap().to_owned().into());
        }
        self.bao
            .write(&format!("secret/data/{name}"), json!({ "data": data }))
            .await
            .unwrap();
    }
}

/// A file of `plugins/catalog`.
pub fn catalog(name: &str) -> DynamicObject {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../plugins/catalog/{name}.yaml"));
    serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}
