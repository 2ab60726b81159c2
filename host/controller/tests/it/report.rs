//! Status writes that meet somebody else's.

use std::sync::Arc;

use jiff::Timestamp;
use keyhole_controller::cluster::Cluster;
use keyhole_controller::metrics::{Metrics, ObjectMetrics};
use keyhole_controller::plan::ObjectKey;
use keyhole_controller::report::{Attempt, Reported, Reporter, Shown, Status};
use kube::api::DeleteParams;
use serde_json::json;

use crate::world::World;

fn reporter(world: &World) -> Reporter {
    let metrics = ObjectMetrics {
        enabled: false,
        deprecated_names: false,
    };
    let metrics = Arc::new(Metrics::new(&world.registry, metrics).unwrap());
    Reporter::new(Cluster::new(world.client.clone(), Arc::clone(&metrics)), metrics, 10)
}

async fn shown(world: &World) -> Shown {
    let object = world.objects().get("db").await.unwrap();
    Shown {
        uid: object.metadata.uid.unwrap().as_str().into(),
        resource_version: object.metadata.resource_version.unwrap().as_str().into(),
        status: object.status.as_ref().map(Status::read).unwrap_or_default(),
    }
}

fn success() -> Attempt {
    Attempt {
        generation: 1,
        outcome: Ok("right"),
        refresh: None,
        at: Timestamp::now(),
    }
}

#[tokio::test]
async fn a_status_that_meets_a_newer_object_is_computed_anew_and_written() {
    let world = World::new("conflict").await;
    world.apply("db", "db").await;
    let stale = shown(&world).await;
    world
        .patch("db", json!({"metadata": {"annotations": {"note": "x"}}}))
        .await;
    let reporter = reporter(&world);
    let key = ObjectKey::new("conflict", "db");
    let Reported::Written(now) = reporter.report(&key, stale.clone(), &success(), true).await else {
        panic!()
    };
    assert_eq!(now, shown(&world).await);
    assert!(now.status.is_success());
    assert_eq!(world.count("keyhole_status_writes_total", &["conflict"]), 1.0);

    // Somebody has said the same already.
    assert!(matches!(reporter.report(&key, stale, &success(), true).await, Reported::Written(same) if same == now));
    assert_eq!(world.count("keyhole_status_writes_total", &["ok"]), 1.0);
}

#[tokio::test]
async fn a_status_never_lands_on_another_object_of_the_name() {
    let world = World::new("namesake").await;
    world.apply("db", "db").await;
    let old = shown(&world).await;
    let reporter = reporter(&world);
    let key = ObjectKey::new("namesake", "db");
    world.objects().delete("db", &DeleteParams::default()).await.unwrap();
    assert!(matches!(
        reporter.report(&key, old.clone(), &success(), true).await,
        Reported::Gone
    ));
    world.apply("db", "db").await;
    assert!(matches!(
        reporter.report(&key, old, &success(), true).await,
        Reported::Gone
    ));
    assert_eq!(shown(&world).await.status, Status::default());
}
