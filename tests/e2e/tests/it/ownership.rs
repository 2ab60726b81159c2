//! A Secret of somebody else is left alone, and writers who meet do no harm.

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::case::{PATIENCE, unique};
use crate::world::case;

#[test]
fn w5_a_foreign_secret_is_left_alone() {
    case(async |case| {
        let foreign = serde_json::from_value(json!({"metadata": {"name": "app"}, "stringData": {"mine": "hands off"}}));
        let before = case
            .secrets()
            .create(&PostParams::default(), &foreign.unwrap())
            .await
            .unwrap();
        let key = case.set("db", unique("ours"));
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_error("app", "TargetConflict", &["app"]).await;
        let after = case.secrets().get("app").await.unwrap();
        assert_eq!(before.resource_version(), after.resource_version());
        assert!(after.owner_references().is_empty());
    });
}

#[test]
fn w5_a_foreign_secret_that_is_already_right_is_not_adopted() {
    case(async |case| {
        let value = unique("same");
        let key = case.set("db", value.clone());
        let foreign = json!({"metadata": {"name": "app"}, "stringData": {"value": value}});
        let foreign = serde_json::from_value(foreign).unwrap();
        let before = case.secrets().create(&PostParams::default(), &foreign).await.unwrap();
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;
        // With the first difference it is somebody else's again.
        case.set("db", unique("different"));
        case.expect_error("app", "TargetConflict", &["app"]).await;
        let after = case.secrets().get("app").await.unwrap();
        assert_eq!(before.resource_version(), after.resource_version());
    });
}

#[test]
fn writers_who_fight_over_a_secret_do_not_stop_the_host() {
    case(async |case| {
        let value = unique("fight");
        let key = case.set("db", value.clone());
        case.create_slow("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &value)]).await;
        for round in 0..5 {
            let patch = json!({"stringData": {"value": format!("round {round}")}});
            case.secrets()
                .patch("app", &PatchParams::default(), &Patch::Merge(patch))
                .await
                .unwrap();
        }
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn an_object_of_another_instance_is_not_touched() {
    case(async |case| {
        let value = unique("instance");
        let key = case.set("db", value.clone());
        let spec =
            json!({"backendType": "secretsManager", "controllerId": "blue", "data": [{"key": key, "name": "value"}]});
        case.create_spec("theirs", spec).await;
        case.create("ours", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("ours", &[("value", &value)]).await;
        case.expect_success("ours").await;
        assert_eq!(case.data("theirs").await, None);
        let theirs = case.objects().get("theirs").await.unwrap();
        assert!(theirs.data["status"].is_null(), "{:?}", theirs.data);
    });
}

#[test]
fn a_host_of_another_instance_serves_its_own() {
    case(async |case| {
        let value = unique("blue");
        let key = case.set("db", value.clone());
        let instance = format!("blue-{}", case.namespace);
        let mut host = keyhole_test_harness::Host::start(case.own_host(&instance))
            .await
            .unwrap();
        let spec =
            json!({"backendType": "secretsManager", "controllerId": instance, "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("value", &value)]).await;
        let status = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        case.keep_log(host.log());
    });
}
