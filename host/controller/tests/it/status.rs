//! What objects say.

use std::time::Duration;

use serde_json::json;

use crate::world::{LONG, World};

#[tokio::test]
async fn a_failure_is_one_line_and_leaves_the_secret_as_it_was() {
    let world = World::served("failing", Duration::from_secs(1)).await;
    world.store.put("a", "one");
    world.apply("db", "a").await;
    let before = world.until_data("db", &[("k", "one")]).await;
    let data = json!([{"key": "a", "name": "k"}, {"key": "no", "name": "l"}, {"key": "none", "name": "m"}]);
    world.patch("db", json!({"spec": {"data": data}})).await;
    let status = world
        .until_status("db", "ERROR, data[1]: memory: no secret \"no\"")
        .await;
    assert_eq!(status.observed_generation, Some(2));
    let ready = status.ready().unwrap();
    assert_eq!(ready.reason, "NotFound");
    assert!(ready.message.ends_with("(and 1 more)"), "{}", ready.message);
    let after = world.secrets().get("db").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    let failed =
        "kubernetes_external_secrets_last_sync_call_state{name=\"db\",namespace=\"failing\",backend=\"memory\"} -1";
    world
        .until("KES's state", async || {
            if world.metrics().contains(failed) {
                Ok(())
            } else {
                Err("not failed")
            }
        })
        .await;

    world.store.put("no", "two");
    world.store.put("none", "three");
    world
        .until_data("db", &[("k", "one"), ("l", "two"), ("m", "three")])
        .await;
    world.until_status("db", "SUCCESS").await;
}

#[tokio::test]
async fn what_cannot_be_planned_is_said_and_mended_by_an_edit_or_a_plugin() {
    let world = World::served("unplanned", LONG).await;
    world.store.put("a", "one");
    world
        .create(
            "db",
            json!({"backendType": "later", "data": [{"key": "a", "name": "k"}]}),
        )
        .await;
    world
        .until("the missing plugin to be named", async || {
            let status = world.objects().get("db").await.unwrap().status.unwrap_or_default();
            let line = status.status.unwrap_or_default();
            if line.starts_with("ERROR, no plugin serves backendType \"later\"") {
                Ok(())
            } else {
                Err(line)
            }
        })
        .await;
    world.store.install(&world.live, "later");
    world.until_data("db", &[("k", "one")]).await;
    world.until_status("db", "SUCCESS").await;
}

#[tokio::test]
async fn the_refresh_annotation_forces_a_sync_and_is_acknowledged() {
    let world = World::served("forced", LONG).await;
    world.store.put("a", "one");
    world.apply("db", "a").await;
    world.until_status("db", "SUCCESS").await;
    world.store.put("a", "two");
    world
        .patch(
            "db",
            json!({"metadata": {"annotations": {"externalsecrets.kubernetes-client.io/refresh": "now"}}}),
        )
        .await;
    world.until_data("db", &[("k", "two")]).await;
    world
        .until("observedRefresh", async || {
            let status = world.objects().get("db").await.unwrap().status.unwrap_or_default();
            if status.observed_refresh.as_deref() == Some("now") {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            }
        })
        .await;
}

#[tokio::test]
async fn a_cold_sync_takes_one_status_write_and_heartbeats_keep_to_their_budget() {
    let mut world = World::new("budget").await;
    world.store.put("a", "one");
    for number in 0..20 {
        world.apply(&format!("db-{number}"), "a").await;
    }
    let config = keyhole_controller::Config {
        heartbeats_per_second: 0,
        ..crate::world::config("budget", Duration::from_secs(1))
    };
    world.start(config).await;
    world
        .until_count("kubernetes_external_secrets_sync_calls_count", &["success"], 60.0)
        .await;
    assert_eq!(world.count("keyhole_status_writes_total", &[]), 20.0);
    assert_eq!(world.secret_writes(), 20.0);
    assert_eq!(world.secret_reads(), 0.0);
    world.stop().await;

    world
        .start(crate::world::config("budget", Duration::from_secs(1)))
        .await;
    world
        .until_count("keyhole_status_writes_total", &["heartbeat", "ok"], 30.0)
        .await;
    assert_eq!(world.count("keyhole_status_writes_total", &["news"]), 0.0);
    assert_eq!(world.secret_writes(), 0.0);
    assert_eq!(world.secret_reads(), 20.0, "each is read once after a start");
}

#[tokio::test]
async fn an_object_of_another_instance_is_left_alone() {
    let world = World::served("instances", LONG).await;
    world.store.put("a", "one");
    let spec = json!({"backendType": "memory", "controllerId": "other", "data": [{"key": "a", "name": "k"}]});
    world.create("theirs", spec).await;
    world.apply("ours", "a").await;
    world.until_status("ours", "SUCCESS").await;
    assert!(world.objects().get("theirs").await.unwrap().status.is_none());
    world.patch("theirs", json!({"spec": {"controllerId": null}})).await;
    world.until_status("theirs", "SUCCESS").await;
}
