//! What happens to Secrets.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams, PropagationPolicy};
use serde_json::json;

use crate::world::{LONG, World, config, object, revision};

#[tokio::test]
async fn a_secret_is_created_followed_and_left_alone_in_between() {
    let world = World::served("followed", Duration::from_secs(1)).await;
    world.store.put("db", "one");
    let created = world.apply("db", "db").await;
    let secret = world.until_data("db", &[("k", "one")]).await;
    let owner = &secret.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (owner.uid.as_str(), owner.controller),
        (created.metadata.uid.as_deref().unwrap(), Some(true))
    );
    assert_eq!(owner.block_owner_deletion, None);
    assert_eq!(
        secret.metadata.labels.as_ref().unwrap()["externalsecrets.kubernetes-client.io/managed"],
        "true"
    );
    assert_eq!((secret.type_.as_deref(), revision(&secret)), (Some("Opaque"), "1"));
    let status = world.until_status("db", "SUCCESS").await;
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.ready().unwrap().reason, "Synced");

    let (writes, reads) = (world.secret_writes(), world.secret_reads());
    assert_eq!((writes, reads), (1.0, 0.0), "no read before the first write");
    let asked = world.store.asked();
    world
        .until("three more fetches", async || {
            if world.store.asked() > asked + 3 {
                Ok(())
            } else {
                Err("fewer")
            }
        })
        .await;
    assert_eq!(
        (world.secret_writes(), world.secret_reads()),
        (writes, reads),
        "nothing changed, so nothing is asked"
    );

    world.store.put("db", "two");
    let secret = world.until_data("db", &[("k", "two")]).await;
    assert_eq!(revision(&secret), "2");
}

#[tokio::test]
async fn an_edited_or_deleted_secret_is_repaired_at_once() {
    let world = World::served("repaired", LONG).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_data("db", &[("k", "one")]).await;
    world.until_status("db", "SUCCESS").await;

    world
        .patch_secret("db", json!({"stringData": {"k": "edited", "added": "x"}}))
        .await;
    let secret = world.until_data("db", &[("k", "one")]).await;
    assert_eq!(revision(&secret), "2");

    world.secrets().delete("db", &DeleteParams::default()).await.unwrap();
    world.until_data("db", &[("k", "one")]).await;

    world.patch_secret("db", json!({"metadata": {"labels": null}})).await;
    world
        .until("the label to come back", async || {
            let labels = world.secrets().get("db").await.unwrap().metadata.labels;
            labels
                .filter(|labels| labels.contains_key("externalsecrets.kubernetes-client.io/managed"))
                .ok_or("gone")
        })
        .await;
    let events: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(world.client.clone(), &world.namespace);
    world
        .until("an event about the repair", async || {
            let events = events.list(&Default::default()).await.unwrap();
            events
                .into_iter()
                .find(|event| event.reason.as_deref() == Some("Repaired"))
                .map(drop)
                .ok_or("none")
        })
        .await;
}

#[tokio::test]
async fn labels_and_annotations_of_others_cost_one_read_and_no_fetch() {
    let world = World::served("labelled", LONG).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_status("db", "SUCCESS").await;
    let (asked, reads, writes) = (world.store.asked(), world.secret_reads(), world.secret_writes());
    world
        .patch_secret("db", json!({"metadata": {"labels": {"theirs": "x"}}}))
        .await;
    world.until_count("keyhole_secret_reads_total", &[], reads + 1.0).await;
    world.store.put("db", "two");
    world
        .patch(
            "db",
            json!({"metadata": {"annotations": {"externalsecrets.kubernetes-client.io/refresh": "1"}}}),
        )
        .await;
    let secret = world.until_data("db", &[("k", "two")]).await;
    assert_eq!(secret.metadata.labels.unwrap()["theirs"], "x");
    world
        .until_count("keyhole_secret_writes_total", &[], writes + 1.0)
        .await;
    assert_eq!((world.store.asked(), world.secret_writes()), (asked + 1, writes + 1.0));
}

#[tokio::test]
async fn a_foreign_secret_is_left_alone_until_it_is_gone() {
    let world = World::served("foreign", Duration::from_secs(1)).await;
    let foreign: Secret = object(json!({"metadata": {"name": "db"}, "stringData": {"k": "theirs"}}));
    let foreign = world.secrets().create(&PostParams::default(), &foreign).await.unwrap();
    world.store.put("db", "ours");
    world.apply("db", "db").await;
    let line = "ERROR, Secret foreign/db was not created by this ExternalSecret and is left as it is";
    let status = world.until_status("db", line).await;
    assert_eq!(status.ready().unwrap().reason, "TargetConflict");
    assert_eq!(
        world.secrets().get("db").await.unwrap().metadata.resource_version,
        foreign.metadata.resource_version
    );

    world.store.put("db", "theirs");
    world.until_status("db", "SUCCESS").await;
    assert_eq!(
        world.secrets().get("db").await.unwrap().metadata.resource_version,
        foreign.metadata.resource_version
    );

    world.store.put("db", "ours");
    world.until_status("db", line).await;
    world.secrets().delete("db", &DeleteParams::default()).await.unwrap();
    world.until_data("db", &[("k", "ours")]).await;
}

#[tokio::test]
async fn an_object_that_is_made_anew_waits_for_the_end_of_the_old_ones_secret() {
    let world = World::served("anew", LONG).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    let old = world.until_data("db", &[("k", "one")]).await;
    world.objects().delete("db", &DeleteParams::default()).await.unwrap();
    let new = world.apply("db", "db").await;
    world.until_status("db", "SUCCESS").await;
    let secret = world.until_data("db", &[("k", "one")]).await;
    assert_ne!(secret.metadata.uid, old.metadata.uid);
    assert_eq!(
        Some(&secret.metadata.owner_references.unwrap()[0].uid),
        new.metadata.uid.as_ref()
    );
}

#[tokio::test]
async fn the_secret_goes_with_its_object_and_so_do_its_series() {
    let world = World::served("collected", LONG).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_status("db", "SUCCESS").await;
    let series =
        "kubernetes_external_secrets_last_sync_call_state{name=\"db\",namespace=\"collected\",backend=\"memory\"} 1";
    world
        .until("KES's series", async || {
            if world.metrics().contains(series) {
                Ok(())
            } else {
                Err("none")
            }
        })
        .await;
    world.objects().delete("db", &DeleteParams::default()).await.unwrap();
    world
        .until("the Secret to go", async || {
            match world.secrets().get_opt("db").await.unwrap() {
                None => Ok(()),
                Some(_) => Err("still there"),
            }
        })
        .await;
    world
        .until("the series to go", async || {
            if world.metrics().contains("db\"") {
                Err("there")
            } else {
                Ok(())
            }
        })
        .await;
}

#[tokio::test]
async fn an_immutable_secret_and_a_changed_type_name_the_field() {
    let world = World::served("immutable", Duration::from_secs(1)).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_data("db", &[("k", "one")]).await;
    world.patch_secret("db", json!({"immutable": true})).await;
    world.store.put("db", "two");
    let line = "ERROR, Secret immutable/db: field immutable is true, so its data cannot be changed";
    assert_eq!(
        world.until_status("db", line).await.ready().unwrap().reason,
        "TargetImmutable"
    );
    world.secrets().delete("db", &DeleteParams::default()).await.unwrap();
    world.until_data("db", &[("k", "two")]).await;
    world.until_status("db", "SUCCESS").await;

    world.patch("db", json!({"spec": {"type": "example.com/other"}})).await;
    let line = "ERROR, Secret immutable/db: field type is \"Opaque\", not \"example.com/other\", and cannot be changed";
    assert_eq!(
        world.until_status("db", line).await.ready().unwrap().reason,
        "TargetImmutable"
    );
}

#[tokio::test]
async fn without_list_and_watch_an_edit_is_found_at_the_next_interval() {
    let mut world = World::new("unlisted").await;
    world.store.put("db", "one");
    let config = keyhole_controller::Config {
        list_secrets: false,
        ..config("unlisted", Duration::from_secs(1))
    };
    world.start(config).await;
    world.apply("db", "db").await;
    world.until_data("db", &[("k", "one")]).await;
    world.patch_secret("db", json!({"stringData": {"k": "edited"}})).await;
    world.until_data("db", &[("k", "one")]).await;
    world.secrets().delete("db", &DeleteParams::default()).await.unwrap();
    world.until_data("db", &[("k", "one")]).await;
    let full = world.count("keyhole_secret_reads_total", &["full"]);
    world
        .until_count(
            "keyhole_secret_reads_total",
            &["metadata"],
            world.count("keyhole_secret_reads_total", &["metadata"]) + 2.0,
        )
        .await;
    assert_eq!(
        world.count("keyhole_secret_reads_total", &["full"]),
        full,
        "only versions are asked for"
    );
    assert_eq!(world.count("keyhole_watch_events_total", &["\"secrets\""]), 0.0);
}

#[tokio::test]
async fn two_writers_are_told_apart_and_slowed_down() {
    let world = World::served("fought", LONG).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_data("db", &[("k", "one")]).await;
    for round in 0..4 {
        world
            .patch_secret("db", json!({"stringData": {"k": format!("edited {round}")}}))
            .await;
        world.until_data("db", &[("k", "one")]).await;
    }
    let events: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let note = world
        .until("an event about two writers", async || {
            let events = events.list(&Default::default()).await.unwrap();
            let told = events
                .into_iter()
                .find(|event| event.reason.as_deref() == Some("TwoWriters"));
            told.and_then(|event| event.note).ok_or("none")
        })
        .await;
    assert!(note.starts_with("the Secret is changed by "), "{note}");
    assert!(!note.contains("somebody else"), "the API server knows who: {note}");
}

#[tokio::test]
async fn with_polling_disabled_an_edit_of_the_secret_is_left_and_one_of_the_object_is_followed() {
    let mut world = World::new("unpolled").await;
    world.store.put("db", "one");
    let mut config = config("unpolled", Duration::from_secs(1));
    config.defaults.disable_polling = true;
    world.start(config).await;
    world.apply("db", "db").await;
    world.until_status("db", "SUCCESS").await;
    world.patch_secret("db", json!({"stringData": {"k": "edited"}})).await;
    // The list, the Secret, and its edit.
    world
        .until_count("keyhole_watch_events_total", &["\"secrets\""], 3.0)
        .await;
    world.until_data("db", &[("k", "edited")]).await;
    assert_eq!(
        (world.store.asked(), world.count("keyhole_repairs_total", &[])),
        (1, 0.0)
    );
    world
        .patch("db", json!({"spec": {"data": [{"key": "db", "name": "l"}]}}))
        .await;
    world.until_data("db", &[("l", "one")]).await;
}

#[tokio::test]
async fn a_secret_outlives_its_object_where_that_is_asked_for() {
    let world = World::served("orphan", Duration::from_secs(1)).await;
    world.store.put("db", "one");
    world.apply("db", "db").await;
    world.until_status("db", "SUCCESS").await;
    let orphan = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    world.objects().delete("db", &orphan).await.unwrap();
    world
        .until("the object to go", async || {
            match world.objects().get_opt("db").await.unwrap() {
                None => Ok(()),
                Some(_) => Err("still there"),
            }
        })
        .await;
    let secret = world.secrets().get("db").await.unwrap();
    assert_eq!(secret.owner_references(), [], "so nobody collects it");
}

#[tokio::test]
async fn nothing_comes_back_in_a_namespace_that_is_being_deleted() {
    let world = World::served("closing", LONG).await;
    world.store.put("db", "one");
    for number in 0..10 {
        world.apply(&format!("db-{number}"), "db").await;
    }
    world.until_count("keyhole_secret_writes_total", &["ok"], 10.0).await;
    let before = world.secret_writes();
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    namespaces.delete("closing", &DeleteParams::default()).await.unwrap();
    world
        .until("the namespace to go", async || {
            match namespaces.get_opt("closing").await.unwrap() {
                None => Ok(()),
                Some(_) => Err("still there"),
            }
        })
        .await;
    assert_eq!(world.count("keyhole_secret_writes_total", &["ok"]), 10.0);
    // A Secret may be collected before its object, which then has it tried once.
    let tried = world.secret_writes() - before;
    assert!(tried <= 10.0, "{tried} writes that could not succeed");
}
