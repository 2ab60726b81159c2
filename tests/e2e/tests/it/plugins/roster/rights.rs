//! The rights of `deploy/` suffice, and those who lack them are told once.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use keyhole_test_harness::{ControlPlane, Manifest};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::bench::{Bench, from_file, obliging};
use crate::case::{Case, external_secret, external_secrets, unique};
use crate::search;
use crate::world::alone;

#[test]
fn an_operator_for_some_namespaces_takes_plugins_from_config_maps_of_its_own() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let namespaces: Api<Namespace> = Api::all(plane.admin());
        for name in ["team-a", "team-b"] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
            namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        }
        let installed = plane.install(Manifest::InstallNamespaces).await.unwrap();
        let bench = Bench::start_in(plane, installed, |config| config.namespaces(&["team-a", "team-b"])).await;
        let client = bench.world.plane.admin();
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &bench.world.installed.namespace);
        let map = ConfigMap {
            metadata: kube::core::ObjectMeta {
                name: Some("plugins".to_owned()),
                ..Default::default()
            },
            binary_data: Some([("a.wasm".to_owned(), ByteString(obliging(&json!({"types": ["mapped"]}))))].into()),
            ..ConfigMap::default()
        };
        maps.create(&PostParams::default(), &map).await.unwrap();
        bench
            .apply(
                "mapped",
                json!({"source": {"configMap": {"name": "plugins", "key": "a.wasm"}}}),
            )
            .await;
        bench.expect_serving("mapped").await;
        let spec = json!({"backendType": "mapped", "data": [{"key": "k", "name": "value"}]});
        external_secrets(&client, "team-a")
            .create(&PostParams::default(), &external_secret("app", spec))
            .await
            .unwrap();
        let case = Case::of(&bench.world, "team-a");
        case.expect_data("app", &[("value", "hello plain k")]).await;
        let log = bench.world.host.log();
        assert!(!log.contains("forbidden") && !log.contains("Forbidden"), "{log}");
    });
}

#[test]
fn without_the_definition_the_built_in_plugins_serve_and_it_is_found_when_it_comes() {
    alone(async || {
        let plane = ControlPlane::start().await.unwrap();
        let installed = plane.install(Manifest::Install).await.unwrap();
        let crds: Api<CustomResourceDefinition> = Api::all(plane.admin());
        let name = "backendplugins.kubernetes-client.io";
        let mut definition = crds.get(name).await.unwrap();
        crds.delete(name, &DeleteParams::default()).await.unwrap();
        kube_runtime::wait::await_condition(
            crds.clone(),
            name,
            kube_runtime::conditions::is_deleted(definition.metadata.uid.as_deref().unwrap()),
        )
        .await
        .unwrap();

        let bench = Bench::start_in(plane, installed, |config| config).await;
        let case = Case::open(&bench.world, None).await;
        let key = case.set("db", unique("no-definition"));
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;
        let warnings = |log: &str| {
            let about = log
                .lines()
                .filter(|line| line.contains("BackendPlugins cannot be listed, so only"));
            about.count()
        };
        assert_eq!(warnings(&bench.world.host.log()), 1);

        definition.metadata = kube::core::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        definition.status = None;
        crds.create(&PostParams::default(), &definition).await.unwrap();
        bench.write("late", &obliging(&json!({"types": ["late"]})));
        let applied = keyhole_test_harness::eventually(crate::case::PATIENCE, "the definition to serve", async || {
            bench
                .try_apply("late", from_file("late"))
                .await
                .map_err(|error| error.to_string())
        });
        applied.await.unwrap();
        bench.expect_serving("late").await;
        assert_eq!(warnings(&bench.world.host.log()), 1);
        search::nothing_leaked(&bench.world).await;
    });
}
