//! An ExternalSecret becomes a Secret.

use kube::ResourceExt as _;
use serde_json::json;

use crate::case::{ready, unique};
use crate::world::{REGION, case};

#[test]
fn a_value_becomes_a_secret_that_is_owned_and_labelled() {
    case(async |case| {
        let value = unique("whole");
        let key = case.set("db", value.clone());
        let object = case.create("app", json!([{"key": key, "name": "password"}])).await;
        let secret = case.expect_data("app", &[("password", &value)]).await;
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
        assert_eq!(secret.labels()["externalsecrets.kubernetes-client.io/managed"], "true");
        let owner = &secret.owner_references()[0];
        assert_eq!(
            (&owner.kind, &owner.name, &owner.uid),
            (&"ExternalSecret".into(), &"app".into(), &object.uid().unwrap())
        );
        assert_eq!(owner.controller, Some(true));

        let status = case.expect_success("app").await;
        assert!(status["lastSync"].as_str().unwrap().ends_with('Z'), "{status}");
        assert_eq!(ready(&status)["status"], "True");
        assert_eq!(ready(&status)["reason"], "Synced");
    });
}

#[test]
fn an_arn_and_a_staging_label_of_ones_own_are_served() {
    case(async |case| {
        let (current, pending) = (unique("current"), unique("pending"));
        let key = case.set("db", current.clone());
        case.search_for(&pending.clone().into());
        case.world
            .aws
            .set_secret_stage(REGION, &key, pending.clone(), "AWSPENDING")
            .unwrap();
        let arn = case.world.aws.arn(REGION, &key);
        let data = json!([
            {"key": arn, "name": "current"},
            {"key": arn, "name": "pending", "versionStage": "AWSPENDING"},
        ]);
        case.create("app", data).await;
        case.expect_data("app", &[("current", &current), ("pending", &pending)])
            .await;
    });
}

#[test]
fn no_signature_was_ever_refused() {
    case(async |case| {
        let value = unique("signed");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &value)]).await;
        let refused: Vec<_> = case
            .world
            .aws
            .requests()
            .into_iter()
            .filter(|request| !request.valid)
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
    });
}
