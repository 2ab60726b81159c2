//! What goes wrong is said on the object, and the Secret stays as it was.

use keyhole_test_aws::{Deny, Effect, Fault};
use keyhole_test_harness::eventually;
use serde_json::json;

use crate::case::{Case, PATIENCE, ready, unique};
use crate::world::{REGION, case};

/// A Secret that exists, then an object that fails: the Secret must not change.
async fn synced(case: &Case) -> (String, String) {
    let value = unique("kept");
    let key = case.set("db", value.clone());
    case.create("app", json!([{"key": key, "name": "value"}])).await;
    case.expect_data("app", &[("value", &value)]).await;
    case.expect_success("app").await;
    (key, value)
}

#[test]
fn a_missing_key_is_named_with_its_region() {
    case(async |case| {
        let key = case.key("nowhere");
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        let status = case.expect_error("app", "NotFound", &[&key, REGION, "data[0]"]).await;
        assert!(ready(&status)["message"].as_str().unwrap().contains(&key), "{status}");
        assert_eq!(case.data("app").await, None);
        // And comes as soon as it exists.
        let value = unique("late");
        case.set("nowhere", value.clone());
        case.expect_data("app", &[("value", &value)]).await;
        case.expect_success("app").await;
    });
}

#[test]
fn a_denied_secret_is_told_with_the_identity() {
    case(async |case| {
        let (key, value) = synced(case).await;
        case.world
            .aws
            .deny(Deny::action("secretsmanager:GetSecretValue").on(&key));
        case.expect_error("app", "AccessDenied", &["data[0]"]).await;
        assert_eq!(case.data("app").await.unwrap()["value"], value.as_bytes());
    });
}

#[test]
fn a_denied_role_is_named() {
    case(async |case| {
        let role = format!("arn:aws:iam::123456789012:role/{}", case.namespace);
        case.world.aws.deny(Deny::role(&role));
        let key = case.set("db", unique("unreachable"));
        let spec = json!({"backendType": "secretsManager", "roleArn": role, "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_error("app", "Unauthenticated", &[&role]).await;
        assert_eq!(case.data("app").await, None);
    });
}

#[test]
fn a_field_that_is_not_served_is_reported() {
    case(async |case| {
        let key = case.set("db", unique("template"));
        let template = json!({"metadata": {"labels": {"a": "b"}}});
        let spec =
            json!({"backendType": "secretsManager", "template": template, "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_error("app", "InvalidSpec", &["template"]).await;
        assert_eq!(case.data("app").await, None);
    });
}

#[test]
fn throttling_and_outages_pass() {
    case(async |case| {
        let value = unique("patience");
        let key = case.set("db", value.clone());
        let aws = &case.world.aws;
        aws.fault(Fault::everywhere().secret(&key).times(2).throttle());
        aws.fault(Fault::everywhere().secret(&key).times(2));
        let spec =
            json!({"backendType": "secretsManager", "refreshInterval": "1h", "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("value", &value)]).await;
        case.expect_success("app").await;
        let asked = aws.requests();
        let asked = asked.iter().filter(|request| request.resources.contains(&key)).count();
        assert!(asked > 2, "{asked} requests, two of which met faults");
    });
}

/// Syncs of an object that ended with an error so far.
async fn failed_syncs(case: &Case, name: &str) -> f64 {
    let labels = [("name", name), ("namespace", &*case.namespace), ("status", "error")];
    let metrics = case.world.host.metrics().await.unwrap();
    metrics.sum("kubernetes_external_secrets_sync_calls_count", &labels)
}

#[test]
fn answers_that_are_no_answers_leave_the_secret_as_it_was() {
    case(async |case| {
        // Its own region: a torn answer hits everybody in the batch.
        let region = "eu-south-2";
        let value = unique("torn");
        let key = case.key("db");
        case.world.values.lock().unwrap().push(value.clone().into_bytes());
        case.world.aws.set_secret(region, &key, value.clone());
        let data = json!([{"key": key, "name": "value"}]);
        case.create_spec(
            "app",
            json!({"backendType": "secretsManager", "region": region, "data": data}),
        )
        .await;
        case.expect_data("app", &[("value", &value)]).await;
        for effect in [Effect::Truncate, Effect::Html, Effect::Reset] {
            let before = failed_syncs(case, "app").await;
            case.world
                .aws
                .fault(Fault::everywhere().region(region).times(3).effect(effect));
            // What the object says meanwhile stands for less than a second.
            eventually(PATIENCE, "a failed sync", async || {
                let failed = failed_syncs(case, "app").await;
                (failed > before).then_some(()).ok_or(failed)
            })
            .await
            .unwrap();
            assert_eq!(case.data("app").await.unwrap()["value"], value.as_bytes());
            case.expect_success("app").await;
        }
    });
}

#[test]
fn a_store_that_hangs_delays_nobody_else() {
    case(async |case| {
        let region = "ap-south-2";
        let (slow, quick) = (unique("slow"), unique("quick"));
        let hanging = case.key("hanging");
        case.world.values.lock().unwrap().push(slow.clone().into_bytes());
        case.world.aws.set_secret(region, &hanging, slow.clone());
        case.world
            .aws
            .fault(Fault::everywhere().region(region).times(1).effect(Effect::Hang));
        let data = json!([{"key": hanging, "name": "value"}]);
        case.create_spec(
            "slow",
            json!({"backendType": "secretsManager", "region": region, "data": data}),
        )
        .await;
        eventually(PATIENCE, "the request that hangs", async || {
            let requests = case.world.aws.requests();
            requests
                .iter()
                .any(|request| request.region == region)
                .then_some(())
                .ok_or("not asked yet")
        })
        .await
        .unwrap();

        let key = case.set("db", quick.clone());
        case.create("quick", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("quick", &[("value", &quick)]).await;
        assert_eq!(case.data("slow").await, None, "nothing hung");
        // The wait has a bound, and the next attempt is answered.
        case.expect_data("slow", &[("value", &slow)]).await;
    });
}
