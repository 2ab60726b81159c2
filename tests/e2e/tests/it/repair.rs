//! What somebody does to a managed Secret is undone at once. The objects here are not refreshed for an hour.

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::case::{Case, PATIENCE, unique};
use crate::world::case;

async fn synced(case: &Case) -> String {
    let value = unique("kept");
    let key = case.set("db", value.clone());
    case.create_slow("app", json!([{"key": key, "name": "value"}])).await;
    case.expect_data("app", &[("value", &value)]).await;
    case.expect_success("app").await;
    value
}

async fn edit(case: &Case, patch: serde_json::Value) {
    case.secrets()
        .patch("app", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[test]
fn w1_an_edited_value_is_put_back_at_once() {
    case(async |case| {
        let value = synced(case).await;
        edit(case, json!({"stringData": {"value": "tampered"}})).await;
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn an_added_key_goes() {
    case(async |case| {
        let value = synced(case).await;
        edit(case, json!({"stringData": {"extra": "smuggled"}})).await;
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn a_removed_key_comes_back() {
    case(async |case| {
        let value = synced(case).await;
        edit(case, json!({"data": {"value": null}})).await;
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn w1_a_deleted_secret_comes_back_at_once() {
    case(async |case| {
        let value = synced(case).await;
        let before = case.secrets().get("app").await.unwrap().uid();
        case.secrets().delete("app", &DeleteParams::default()).await.unwrap();
        let after = case.expect_data("app", &[("value", &value)]).await;
        assert_ne!(before, after.uid());
    });
}

#[test]
fn the_managed_label_comes_back() {
    case(async |case| {
        synced(case).await;
        edit(
            case,
            json!({"metadata": {"labels": {"externalsecrets.kubernetes-client.io/managed": null}}}),
        )
        .await;
        keyhole_test_harness::eventually(PATIENCE, "the label", async || {
            let secret = case.secrets().get("app").await.map_err(|error| error.to_string())?;
            let label = secret
                .labels()
                .get("externalsecrets.kubernetes-client.io/managed")
                .cloned();
            label
                .filter(|label| label == "true")
                .ok_or_else(|| "it is not there".to_owned())
        })
        .await
        .unwrap();
    });
}

#[test]
fn labels_and_annotations_of_others_stay() {
    case(async |case| {
        let value = synced(case).await;
        edit(
            case,
            json!({"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}, "stringData": {"extra": "x"}}),
        )
        .await;
        let secret = case.expect_data("app", &[("value", &value)]).await;
        assert_eq!(
            (secret.labels()["team"].as_str(), secret.annotations()["note"].as_str()),
            ("a", "b")
        );
    });
}
