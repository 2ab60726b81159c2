//! What the host tells about an object: events on transitions, and metrics.

use k8s_openapi::api::events::v1::Event;
use keyhole_test_harness::eventually;
use kube::Api;
use serde_json::json;

use crate::case::{Case, PATIENCE, unique};
use crate::world::case;

/// Type and reason of the events about `app`, oldest first.
async fn events(case: &Case) -> Vec<(String, String)> {
    let events: Api<Event> = Api::namespaced(case.client.clone(), &case.namespace);
    let mut events = events.list(&Default::default()).await.unwrap().items;
    events.retain(|event| {
        event
            .regarding
            .as_ref()
            .is_some_and(|object| object.name.as_deref() == Some("app"))
    });
    events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
    let told = |event: Event| (event.type_.unwrap_or_default(), event.reason.unwrap_or_default());
    events.into_iter().map(told).collect()
}

async fn expect_events(case: &Case, wanted: &[(&str, &str)]) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(kind, reason)| ((*kind).to_owned(), (*reason).to_owned()))
        .collect();
    eventually(PATIENCE, "the events", async || {
        let told = events(case).await;
        (told == wanted).then_some(()).ok_or_else(|| format!("{told:?}"))
    })
    .await
    .unwrap();
}

#[test]
fn events_tell_transitions_and_no_more() {
    case(async |case| {
        case.create("app", json!([{"key": case.key("db"), "name": "value"}]))
            .await;
        case.expect_error("app", "NotFound", &[]).await;
        expect_events(case, &[("Warning", "NotFound")]).await;
        case.set("db", unique("events"));
        let first = case.expect_success("app").await["lastSync"].clone();
        let both = [("Warning", "NotFound"), ("Normal", "Synced")];
        expect_events(case, &both).await;
        eventually(PATIENCE, "a refresh", async || {
            (case.expect_success("app").await["lastSync"] != first)
                .then_some(())
                .ok_or("none yet")
        })
        .await
        .unwrap();
        expect_events(case, &both).await;
    });
}

#[test]
fn a_repair_is_told() {
    case(async |case| {
        let value = unique("repaired");
        let key = case.set("db", value.clone());
        case.create_slow("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &value)]).await;
        case.expect_success("app").await;
        case.secrets().delete("app", &Default::default()).await.unwrap();
        case.expect_data("app", &[("value", &value)]).await;
        expect_events(case, &[("Normal", "Repaired")]).await;
    });
}

#[test]
fn the_series_of_kes_are_there_and_go_with_their_object() {
    case(async |case| {
        let value = unique("metrics");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;
        let labels = [
            ("name", "app"),
            ("namespace", &*case.namespace),
            ("backend", "secretsManager"),
            ("status", "success"),
        ];
        let counter = "kubernetes_external_secrets_sync_calls_count";
        let state = "kubernetes_external_secrets_last_sync_call_state";
        eventually(PATIENCE, "the series", async || {
            let metrics = case.world.host.metrics().await.map_err(|error| error.to_string())?;
            let synced = metrics.sum(counter, &labels) >= 1.0 && metrics.sum(state, &labels[..2]) == 1.0;
            synced.then_some(()).ok_or_else(|| "not there".to_owned())
        })
        .await
        .unwrap();
        case.delete("app").await;
        eventually(PATIENCE, "the series to go", async || {
            let metrics = case.world.host.metrics().await.map_err(|error| error.to_string())?;
            (!metrics.has(counter, &labels[..2]) && !metrics.has(state, &labels[..2]))
                .then_some(())
                .ok_or_else(|| "there".to_owned())
        })
        .await
        .unwrap();
    });
}
