//! Plugins that are installed by objects, beside a host that serves others meanwhile.
//!
//! One cluster, one host. At first a plugin serves objects whose refreshes are spread over a second, so that
//! a gap between two syncs shows whatever kept the host from its work. Then one more plugin is installed from a
//! registry, a large one is compiled, and many small ones are loaded.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Secret;
use keyhole_plugins::oci::{OciImage, Push, push};
use keyhole_test_assets::Example;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{
    ControlPlane, Host, HostConfig, Installed, JsonStore, Manifest, Registry, RegistryConfig, Scratch, apply,
    plugin_file,
};
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube_runtime::wait::await_condition;
use serde_json::{Value as Json, json};

use crate::machine;
use crate::table::Table;

const TOKEN: &str = "the token of the benchmark";
const NAMESPACE: &str = "bench";
/// Objects of the plugin that must not notice.
const OBJECTS: usize = 40;
/// Anything that takes longer is broken.
const WITHIN: Duration = Duration::from_secs(300);
const REGION: &str = "eu-west-1";

struct Bench {
    plane: ControlPlane,
    installed: Installed,
    store: JsonStore,
    host: Host,
    files: Scratch,
    cache: Scratch,
    _aws: FakeAws,
}

pub async fn measure(plugins: usize) -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let rust = std::fs::read(plugin_file("example-rust")?)?;
    bench
        .install_file("steady", "exampleRust", &distinct(&rust, "steady"))
        .await?;
    for number in 0..OBJECTS {
        bench.store.set(&format!("group-{number}/key"), "value");
        // Settings of its own, so a group with ticks of its own.
        let spec = json!({
            "backendType": "exampleRust",
            "refreshInterval": "1s",
            "config": { "prefix": format!("group-{number}") },
            "data": [{ "key": "key", "name": "value" }],
        });
        bench.object(&format!("steady-{number}"), spec).await?;
    }
    bench.secret(&format!("steady-{}", OBJECTS - 1)).await?;

    let mut table = Table::new(&["what", "measured"]);
    table.row([
        "from a registry's artifact to the first Secret, Rust, compile included".to_owned(),
        { format!("{:.2} s", bench.install_from_registry(&rust).await?.as_secs_f64()) },
    ]);

    let quiet = bench.longest_gap(tokio::time::sleep(Duration::from_secs(10))).await.0;
    let before = machine::rss_kib(bench.host.id());
    let javascript = std::fs::read(Example::JavaScript.ensure()?)?;
    let (gap, took) = bench
        .longest_gap(async {
            let began = Instant::now();
            bench
                .install_file("javascript", "exampleJavascript", &javascript)
                .await?;
            anyhow::Ok(began.elapsed())
        })
        .await;
    let after = machine::rss_kib(bench.host.id());
    let code = bench.largest_code()?;
    for (what, measured) in [
        (
            format!("longest gap between syncs of {OBJECTS} objects, once a second each, nothing else to do"),
            millis(quiet),
        ),
        (
            "the same while a JavaScript plugin is compiled and loaded".to_owned(),
            millis(gap),
        ),
        ("which takes".to_owned(), format!("{:.1} s", took?.as_secs_f64())),
        (
            "and adds to the host's memory".to_owned(),
            format!("{} MiB", after.saturating_sub(before) / 1024),
        ),
        (
            "of which its machine code, mapped from a file, is up to".to_owned(),
            format!("{} MiB", code >> 20),
        ),
    ] {
        table.row([what, measured]);
    }

    let before = machine::rss_kib(bench.host.id());
    for number in 0..plugins {
        let name = format!("many-{number}");
        bench.install_file(&name, "", &distinct(&rust, &name)).await?;
    }
    let grown = machine::rss_kib(bench.host.id()).saturating_sub(before);
    table.row([
        format!("memory of a Rust plugin that is loaded, mean of {plugins}"),
        format!("{:.1} MiB", grown as f64 / 1024.0 / plugins as f64),
    ]);
    println!("Plugins that are installed by objects, a real API server and registry:\n");
    table.print();
    Ok(())
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let installed = plane.install(Manifest::Install).await?;
        let store = JsonStore::start(TOKEN)?;
        let (files, cache) = (Scratch::new("plugins")?, Scratch::new("cache")?);
        let aws = FakeAws::start(FakeConfig::default())?;
        let config = HostConfig::new(&installed.kubeconfig)
            .aws(&aws, REGION)
            .env("LOG_LEVEL", "info")
            .env("KEYHOLE_CACHE_DIR", cache.path().display().to_string())
            .env("KEYHOLE_PLUGIN_DIR", files.path().display().to_string())
            .env("KEYHOLE_NAMESPACE", &installed.namespace);
        let host = Host::start(config).await?;
        let bench = Self {
            plane,
            installed,
            store,
            host,
            files,
            cache,
            _aws: aws,
        };
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        bench.apply(namespace).await?;
        let token = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "store", "namespace": bench.installed.namespace },
            "stringData": { "token": TOKEN },
        });
        bench.apply(token).await?;
        Ok(bench)
    }

    async fn apply(&self, object: Json) -> anyhow::Result<()> {
        apply(&self.plane.admin(), &serde_json::from_value::<DynamicObject>(object)?).await
    }

    async fn object(&self, name: &str, spec: Json) -> anyhow::Result<()> {
        self.apply(json!({
            "apiVersion": "kubernetes-client.io/v1",
            "kind": "ExternalSecret",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": spec,
        }))
        .await
    }

    /// Waits until a Secret is there.
    async fn secret(&self, name: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.plane.admin(), NAMESPACE);
        let there = await_condition(secrets, name, |secret: Option<&Secret>| secret.is_some());
        tokio::time::timeout(WITHIN, there)
            .await
            .with_context(|| format!("Secret {name} does not come; the host's log:\n{}", self.host.log()))??;
        Ok(())
    }

    /// Installs a plugin, and waits until it serves. It claims `backend_type`, or one that is its own.
    async fn install(&self, name: &str, backend_type: &str, source: Json) -> anyhow::Result<()> {
        let address = self.store.address();
        let types = if backend_type.is_empty() {
            json!([])
        } else {
            json!([backend_type])
        };
        self.apply(json!({
            "apiVersion": "kubernetes-client.io/v1alpha1",
            "kind": "BackendPlugin",
            "metadata": { "name": name },
            "spec": {
                "backendTypes": types,
                "source": source,
                "settings": { "address": address },
                "grant": {
                    "hosts": [address],
                    "allowPrivateAddresses": ["127.0.0.0/8"],
                    "auth": { "headers": [{
                        "name": "authorization",
                        "prefix": "Bearer ",
                        "secretKeyRef": { "name": "store", "key": "token" },
                    }] },
                },
            },
        }))
        .await?;
        Ok(())
    }

    async fn install_file(&self, name: &str, backend_type: &str, wasm: &[u8]) -> anyhow::Result<()> {
        let file = format!("{name}.wasm");
        std::fs::write(self.files.join(&file), wasm)?;
        self.install(name, backend_type, json!({ "file": { "path": file } }))
            .await?;
        self.loaded(name).await
    }

    /// Waits until a plugin was loaded, whether or not it got a type: of many equal ones only the first does.
    async fn loaded(&self, name: &str) -> anyhow::Result<()> {
        let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
        let resource = ApiResource::from_gvk_with_plural(&kind, "backendplugins");
        let plugins: Api<DynamicObject> = Api::all_with(self.plane.admin(), &resource);
        let loaded = await_condition(plugins, name, |object: Option<&DynamicObject>| {
            object.is_some_and(|object| object.data["status"]["servingDigest"].is_string())
        });
        tokio::time::timeout(WITHIN, loaded).await.with_context(|| {
            format!(
                "BackendPlugin {name} is not loaded; the host's log:\n{}",
                self.host.log()
            )
        })??;
        Ok(())
    }

    /// From the two objects to the Secret.
    async fn install_from_registry(&self, wasm: &[u8]) -> anyhow::Result<Duration> {
        let registry = Registry::start(RegistryConfig::default()).await?;
        let image = OciImage {
            reference: format!("{}/bench/added:1", registry.host()).parse()?,
            pull_secret: None,
            ca_bundle: None,
            plain_http: true,
        };
        let digest = push(Push {
            image: &image,
            component: distinct(wasm, "added"),
            annotations: Default::default(),
            credentials: None,
            proxy: None,
        })
        .await?;
        self.store.set("added", "value");
        let kind = GroupVersionKind::gvk("kubernetes-client.io", "v1alpha1", "BackendPlugin");
        let plugins: Api<DynamicObject> = Api::all_with(
            self.plane.admin(),
            &ApiResource::from_gvk_with_plural(&kind, "backendplugins"),
        );
        // The type goes to the newcomer when nobody else has it.
        plugins.delete("steady", &Default::default()).await.map(drop)?;
        let gone = await_condition(plugins, "steady", |object: Option<&DynamicObject>| object.is_none());
        tokio::time::timeout(WITHIN, gone).await??;
        let reference = format!("{}@{digest}", image.reference);
        let began = Instant::now();
        let source = json!({ "oci": { "image": reference, "plainHttp": true } });
        self.install("added", "exampleRust", source).await?;
        let spec = json!({ "backendType": "exampleRust", "data": [{ "key": "added", "name": "value" }] });
        self.object("added", spec).await?;
        self.secret("added").await?;
        Ok(began.elapsed())
    }

    /// The longest time without a request at the store while `work` goes on.
    async fn longest_gap<T>(&self, work: impl Future<Output = T>) -> (Duration, T) {
        let mut work = std::pin::pin!(work);
        let (mut seen, mut last, mut longest) = (self.store.asked().len(), Instant::now(), Duration::ZERO);
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                done = &mut work => return (longest.max(last.elapsed()), done),
                _ = tick.tick() => {
                    let now = self.store.asked().len();
                    if now > seen {
                        longest = longest.max(last.elapsed());
                        (seen, last) = (now, Instant::now());
                    }
                }
            }
        }
    }

    /// Bytes of the largest file of machine code in the host's cache.
    fn largest_code(&self) -> anyhow::Result<u64> {
        let mut largest = 0;
        let mut folders: Vec<PathBuf> = vec![self.cache.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.path().extension().is_some_and(|extension| extension == "cwasm") {
                    largest = largest.max(entry.metadata()?.len());
                }
            }
        }
        Ok(largest)
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// The same component with another digest: a custom section at its end says a name.
fn distinct(component: &[u8], name: &str) -> Vec<u8> {
    let title = b"bench";
    let length = 1 + title.len() + name.len();
    let mut section = vec![0];
    // Both lengths are below 128, so one byte each.
    section.push(u8::try_from(length).unwrap_or_default());
    section.push(u8::try_from(title.len()).unwrap_or_default());
    [component, &section, title, name.as_bytes()].concat()
}
