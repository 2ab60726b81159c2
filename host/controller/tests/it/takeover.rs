//! A cluster on which KES ran, and one on which it still does.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use keyhole_api::ExternalSecret;
use kube::ResourceExt as _;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::world::{LONG, World, config, object, revision};

const LABEL: &str = "externalsecrets.kubernetes-client.io/managed";
/// The name under which the API server records the writes of KES.
const KES: &str = "kubernetes-external-secrets";

/// The Secret as KES writes it: controlled by the object, with its values and nothing else.
fn written_by_kes(owner: &ExternalSecret, value: &str) -> Secret {
    object(json!({
        "metadata": {
            "name": owner.name_any(),
            "ownerReferences": [{
                "apiVersion": "kubernetes-client.io/v1",
                "kind": "ExternalSecret",
                "name": owner.name_any(),
                "uid": owner.uid().unwrap(),
                "controller": true,
            }],
        },
        "type": "Opaque",
        "stringData": { "k": value },
    }))
}

/// An object that KES has synced a moment ago, with its Secret.
async fn synced_by_kes(world: &World, name: &str, value: &str) -> Secret {
    let owner = world.apply(name, name).await;
    world.store.put(name, value);
    let params = PostParams {
        field_manager: Some(KES.to_owned()),
        ..PostParams::default()
    };
    let secret = world.secrets().create(&params, &written_by_kes(&owner, value)).await;
    let status = json!({"status": {
        "lastSync": Timestamp::now().to_string(),
        "status": "SUCCESS",
        "observedGeneration": owner.metadata.generation,
    }});
    let merge = Patch::Merge(status);
    world
        .objects()
        .patch_status(name, &PatchParams::default(), &merge)
        .await
        .unwrap();
    secret.unwrap()
}

async fn labelled(world: &World) -> usize {
    let params = ListParams::default().labels(&format!("{LABEL}=true"));
    world.secrets().list_metadata(&params).await.unwrap().items.len()
}

#[tokio::test]
async fn secrets_of_kes_stay_as_they_are_and_get_our_label_at_a_limited_rate() {
    const SECRETS: usize = 60;
    let mut world = World::new("inherited").await;
    let create = (0..SECRETS).map(|number| {
        let world = &world;
        async move { synced_by_kes(world, &format!("s{number}"), &format!("value-{number}")).await }
    });
    let before: Vec<Secret> = futures::stream::iter(create).buffered(16).collect().await;

    let began = Instant::now();
    world.start(config("inherited", Duration::from_secs(1))).await;
    world
        .until("all to bear the label", async || match labelled(&world).await {
            SECRETS => Ok(()),
            some => Err(some),
        })
        .await;
    // Twenty at once, then twenty a second.
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a count of a test")]
    let wanted = SECRETS as f64;
    world
        .until_count("keyhole_secret_writes_total", &["update", "ok"], wanted)
        .await;
    assert_eq!(
        world.count("keyhole_secret_writes_total", &["create"]),
        0.0,
        "no Secret is taken for missing"
    );
    assert_eq!(world.count("keyhole_secret_writes_total", &["update", "ok"]), wanted);
    for secret in before {
        let name = secret.name_any();
        let after = world.secrets().get(&name).await.unwrap();
        assert_eq!(after.data, secret.data);
        let kept = |metadata: &ObjectMeta| {
            (
                metadata.uid.clone(),
                metadata.owner_references.clone(),
                metadata.annotations.clone(),
            )
        };
        assert_eq!(kept(&after.metadata), kept(&secret.metadata), "{name}");
    }

    // From then on they are like any other.
    world.store.put("s7", "rotated");
    let secret = world.until_data("s7", &[("k", "rotated")]).await;
    assert_eq!(revision(&secret), "1");
    world.patch_secret("s8", json!({"stringData": {"k": "edited"}})).await;
    world.until_data("s8", &[("k", "value-8")]).await;
    world.stop().await;
}

#[tokio::test]
async fn what_kes_synced_a_moment_ago_waits_for_the_rest_of_its_interval() {
    let mut world = World::new("recent").await;
    synced_by_kes(&world, "recent", "one").await;
    world.start(config("recent", LONG)).await;
    // Something that is asked for at once, and is done after it would have been.
    world.store.put("fresh", "two");
    world.apply("fresh", "fresh").await;
    world.until_data("fresh", &[("k", "two")]).await;
    assert_eq!(world.store.asked(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_kes_that_still_runs_is_named() {
    let mut world = World::new("contested").await;
    synced_by_kes(&world, "db", "one").await;
    let owner = world.objects().get("db").await.unwrap();
    // KES compares labels too, so it writes the Secret again as soon as it bears ours.
    let kes = {
        let (secrets, owner) = (world.secrets(), owner);
        let params = PostParams {
            field_manager: Some(KES.to_owned()),
            ..PostParams::default()
        };
        tokio::spawn(async move {
            let mut poll = tokio::time::interval(Duration::from_millis(200));
            loop {
                poll.tick().await;
                if secrets
                    .get_metadata("db")
                    .await
                    .is_ok_and(|secret| !secret.labels().is_empty())
                {
                    let _ = secrets.replace("db", &params, &written_by_kes(&owner, "one")).await;
                }
            }
        })
    };
    world.start(config("contested", Duration::from_secs(1))).await;
    let events: kube::Api<k8s_openapi::api::events::v1::Event> =
        kube::Api::namespaced(world.client.clone(), &world.namespace);
    world
        .until("an event that names both", async || {
            let events = events.list(&ListParams::default()).await.unwrap().items;
            let told: Vec<_> = events
                .into_iter()
                .map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
                .collect();
            let named = told
                .iter()
                .any(|(reason, note)| reason == "TwoWriters" && note.contains(KES));
            named.then_some(()).ok_or_else(|| format!("{told:?}"))
        })
        .await;
    kes.abort();
    world.stop().await;
}
