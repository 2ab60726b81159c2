//! Starting and stopping.

use std::time::Duration;

use keyhole_controller::{Controller, ControllerError};
use keyhole_test_harness::ControlPlane;
use kube::api::{DeleteParams, PostParams};
use prometheus::Registry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::store::{NoScript, Store};
use crate::world::{LONG, World, config, install_crd, object};

async fn run(client: kube::Client) -> Result<(), ControllerError> {
    let store = std::sync::Arc::new(Store::default());
    let controller = Controller::new(
        config("default", LONG),
        client,
        store.live(),
        std::sync::Arc::new(NoScript),
        &Registry::new(),
    )
    .unwrap();
    tokio::time::timeout(Duration::from_secs(60), controller.run(CancellationToken::new()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_missing_crd_or_right_ends_the_start_with_its_name() {
    let plane = ControlPlane::start().await.unwrap();
    assert!(matches!(run(plane.admin()).await, Err(ControllerError::CrdMissing)));

    install_crd(&plane.admin(), keyhole_api::external_secret_crd()).await;
    let accounts: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> =
        kube::Api::namespaced(plane.admin(), "default");
    let nobody = object(json!({"metadata": {"name": "nobody"}}));
    accounts.create(&PostParams::default(), &nobody).await.unwrap();
    let token = plane.service_account_token("default", "nobody").await.unwrap();
    let nobody = keyhole_test_harness::client(&plane.kubeconfig(&token)).await.unwrap();
    let error = run(nobody).await.unwrap_err().to_string();
    for right in [
        "list externalsecrets",
        "patch externalsecrets/status",
        "create secrets in namespace default",
    ] {
        assert!(error.contains(right), "{error}");
    }
}

#[tokio::test]
async fn a_restart_waits_for_the_rest_of_the_interval_and_restores_what_is_missing() {
    let mut world = World::served("restarted", LONG).await;
    world.store.put("a", "one");
    world.apply("kept", "a").await;
    world.apply("lost", "a").await;
    world.until_status("kept", "SUCCESS").await;
    world.until_status("lost", "SUCCESS").await;
    world.stop().await;
    world.secrets().delete("lost", &DeleteParams::default()).await.unwrap();
    let asked = world.store.asked();

    world.start(config("restarted", LONG)).await;
    world.until_data("lost", &[("k", "one")]).await;
    world
        .until_count("kubernetes_external_secrets_sync_calls_count", &["lost"], 1.0)
        .await;
    assert_eq!(world.store.asked(), asked + 1);
    assert_eq!(
        world.count("kubernetes_external_secrets_sync_calls_count", &["kept"]),
        0.0
    );

    world.patch_secret("kept", json!({"stringData": {"k": "edited"}})).await;
    world.until_data("kept", &[("k", "one")]).await;
}

#[tokio::test]
async fn watches_survive_a_restart_of_the_api_server() {
    let plane = ControlPlane::start().await.unwrap();
    install_crd(&plane.admin(), keyhole_api::external_secret_crd()).await;
    let mut world = World::on(plane.admin(), "survivor").await;
    world.start(config("survivor", LONG)).await;
    world.store.put("a", "one");
    world.apply("before", "a").await;
    world.until_status("before", "SUCCESS").await;
    plane.restart_apiserver().await.unwrap();
    world.apply("after", "a").await;
    world.until_data("after", &[("k", "one")]).await;
    world
        .secrets()
        .delete("before", &DeleteParams::default())
        .await
        .unwrap();
    world.until_data("before", &[("k", "one")]).await;
    world.stop().await;
}
