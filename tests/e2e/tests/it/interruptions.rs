//! The API server goes away and comes back, and connections break.

use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{ControlPlane, Host, HostConfig, Manifest, Proxy, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::case::{PATIENCE, data_of, external_secret, external_secrets};
use crate::search::nothing_leaked_into;
use crate::world::{INTERVAL, REGION, alone};

const NAMESPACE: &str = "default";

/// A control plane of its own, with a host that reaches it through a proxy.
struct Broken {
    plane: ControlPlane,
    proxy: Proxy,
    aws: FakeAws,
    host: Host,
}

impl Drop for Broken {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let values = [
                "first-value",
                "second-value",
                "steady-value",
                "last-value",
                "value-of-round-",
            ];
            nothing_leaked_into(&self.host.log(), &self.aws, &values);
        }
    }
}

impl Broken {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let proxy = Proxy::start(plane.address()).await.unwrap();
        let kubeconfig = installed
            .kubeconfig
            .replace(&plane.url(), &format!("https://{}", proxy.address()));
        let aws = FakeAws::start(FakeConfig::default()).unwrap();
        let host = Host::start(HostConfig::new(&kubeconfig).aws(&aws, REGION).interval(INTERVAL))
            .await
            .unwrap();
        Self {
            plane,
            proxy,
            aws,
            host,
        }
    }

    /// Creates an object with a secret of its own, not refreshed for an hour.
    async fn create(&self, name: &str, value: &str) {
        self.aws.set_secret(REGION, name, value);
        let data = json!([{"key": name, "name": "value"}]);
        let spec = json!({"backendType": "secretsManager", "refreshInterval": "1h", "data": data});
        let objects = external_secrets(&self.plane.admin(), NAMESPACE);
        objects
            .create(&Default::default(), &external_secret(name, spec))
            .await
            .unwrap();
    }

    async fn expect(&self, name: &str, value: &str) {
        let secrets = self.secrets();
        let what = format!("Secret {name}");
        let found = eventually(PATIENCE, &what, async || {
            let secret = secrets
                .get_opt(name)
                .await
                .map_err(|error| error.to_string())?
                .ok_or("there is none")?;
            let found = data_of(&secret).get("value").cloned();
            (found.as_deref() == Some(value.as_bytes()))
                .then_some(())
                .ok_or_else(|| "it holds something else".to_owned())
        });
        if let Err(error) = found.await {
            panic!("{error:#}\n{}", self.host.log());
        }
    }

    fn secrets(&self) -> kube::Api<k8s_openapi::api::core::v1::Secret> {
        kube::Api::namespaced(self.plane.admin(), NAMESPACE)
    }

    async fn tamper(&self, name: &str) {
        let patch = Patch::Merge(json!({"stringData": {"value": "tampered"}}));
        self.secrets()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
}

#[test]
fn a_restart_of_the_api_server_is_survived() {
    alone(async || {
        let broken = Broken::start().await;
        broken.create("before", "first-value").await;
        broken.expect("before", "first-value").await;
        broken.plane.restart_apiserver().await.unwrap();
        broken.create("after", "second-value").await;
        broken.expect("after", "second-value").await;
        // The watch on Secrets is back as well.
        broken.tamper("before").await;
        broken.expect("before", "first-value").await;
    });
}

#[test]
fn a_host_that_starts_without_an_api_server_waits_for_it() {
    alone(async || {
        let mut broken = Broken::start().await;
        broken.create("before", "first-value").await;
        broken.expect("before", "first-value").await;
        broken.host.sigkill();
        broken.plane.kill_apiserver();
        broken.host.launch().unwrap();
        eventually(PATIENCE, "the host to live", async || {
            broken.host.page("/healthz").await
        })
        .await
        .unwrap();
        assert!(
            broken.host.page("/readyz").await.is_err(),
            "ready without an API server"
        );
        broken.plane.start_apiserver().await.unwrap();
        broken.host.ready().await.unwrap();
        broken.tamper("before").await;
        broken.expect("before", "first-value").await;
    });
}

#[test]
fn broken_watches_are_taken_up_again() {
    alone(async || {
        let broken = Broken::start().await;
        broken.create("steady", "steady-value").await;
        broken.expect("steady", "steady-value").await;
        for round in 0..3 {
            // Cut, and while nothing gets through, objects come and Secrets are changed.
            broken.proxy.cut();
            let (name, value) = (format!("round-{round}"), format!("value-of-round-{round}"));
            broken.create(&name, &value).await;
            broken.tamper("steady").await;
            broken.proxy.mend();
            broken.expect(&name, &value).await;
            broken.expect("steady", "steady-value").await;
        }
        // Connections that break with nothing else happening.
        for _ in 0..5 {
            broken.proxy.cut();
            broken.proxy.mend();
        }
        broken.create("last", "last-value").await;
        broken.expect("last", "last-value").await;
    });
}
