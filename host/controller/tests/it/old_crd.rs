//! The CRD of kubernetes-external-secrets, which drops the fields that it does not know.

use std::time::Duration;

use keyhole_test_harness::ControlPlane;

use crate::world::{World, config, install_crd};

#[tokio::test]
async fn a_crd_that_drops_conditions_causes_no_loop() {
    let plane = ControlPlane::start().await.unwrap();
    let mut crd = keyhole_api::external_secret_crd();
    for version in &mut crd.spec.versions {
        let root = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        let status = root.properties.as_mut().unwrap().get_mut("status").unwrap();
        status
            .properties
            .as_mut()
            .unwrap()
            .retain(|name, _| name == "lastSync" || name == "status");
    }
    install_crd(&plane.admin(), crd).await;
    let mut world = World::on(plane.admin(), "old").await;
    world.store.put("a", "one");
    let config = keyhole_controller::Config {
        heartbeats_per_second: 0,
        ..config("old", Duration::from_secs(1))
    };
    world.start(config.clone()).await;
    world.apply("db", "a").await;
    let status = world.until_status("db", "SUCCESS").await;
    assert!(status.conditions.is_empty() && status.observed_generation.is_none());
    world
        .until_count("kubernetes_external_secrets_sync_calls_count", &["success"], 5.0)
        .await;
    assert_eq!(world.count("keyhole_status_writes_total", &[]), 1.0);

    world.store.remove("a");
    world
        .until_status("db", "ERROR, data[0]: memory: no secret \"a\"")
        .await;
    world.store.put("a", "two");
    world.until_status("db", "SUCCESS").await;
    world.until_data("db", &[("k", "two")]).await;
    assert!(world.count("keyhole_status_writes_total", &[]) <= 4.0);
    world.stop().await;
}
