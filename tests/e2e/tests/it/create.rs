//! An ExternalSecret becomes a Secret.

use keyhole_test_aws::Content;
use kube::ResourceExt as _;
use serde_json::json;

use crate::case::{Data, ready, unique};
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
fn a_property_is_taken_out_of_a_json_value() {
    case(async |case| {
        let (user, password) = (unique("user"), unique("password"));
        let key = case.set(
            "db",
            json!({"user": user, "nested": {"list": ["", password]}, "port": 5432}).to_string(),
        );
        let data = json!([
            {"key": key, "name": "user", "property": "user"},
            {"key": key, "name": "password", "property": "nested.list[1]"},
            {"key": key, "name": "port", "property": "port"},
        ]);
        case.create("app", data).await;
        case.expect_data("app", &[("user", &user), ("password", &password), ("port", "5432")])
            .await;
        // One secret, three keys: asked for once.
        let asked = case.world.aws.requests();
        let asked = asked
            .iter()
            .flat_map(|request| &request.resources)
            .filter(|id| **id == key)
            .count();
        assert!(asked <= 2, "asked {asked} times");
    });
}

#[test]
fn binary_values_arrive_byte_for_byte() {
    case(async |case| {
        let bytes: Vec<u8> = (0..=255).collect();
        let binary = case.set("binary", Content::Bytes(bytes.clone()));
        let encoded = case.set("encoded", "AP8HgA==");
        let data = json!([
            {"key": binary, "name": "binary"},
            {"key": encoded, "name": "decoded", "isBinary": true},
        ]);
        case.create("app", data).await;
        let wanted = Data::from([
            ("binary".to_owned(), bytes),
            ("decoded".to_owned(), vec![0, 255, 7, 128]),
        ]);
        case.expect_bytes("app", &wanted).await;
    });
}

#[test]
fn versions_are_chosen_by_stage_and_id() {
    case(async |case| {
        let (old, new, pending) = (unique("old"), unique("new"), unique("pending"));
        let key = case.set("db", old.clone());
        let id = case.world.aws.set_secret(REGION, &key, new.clone());
        case.world
            .aws
            .set_secret_stage(REGION, &key, pending.clone(), "AWSPENDING")
            .unwrap();
        let data = json!([
            {"key": key, "name": "current"},
            {"key": key, "name": "previous", "versionStage": "AWSPREVIOUS"},
            {"key": key, "name": "pending", "versionStage": "AWSPENDING"},
            {"key": key, "name": "byId", "versionId": id},
        ]);
        case.create("app", data).await;
        let wanted = [
            ("current", &*new),
            ("previous", &old),
            ("pending", &pending),
            ("byId", &new),
        ];
        case.expect_data("app", &wanted).await;
    });
}

#[test]
fn an_arn_and_another_region_are_served() {
    case(async |case| {
        let (here, there) = (unique("here"), unique("there"));
        let key = case.set("db", here.clone());
        let arn = case.world.aws.arn(REGION, &key);
        case.world.values.lock().unwrap().push(there.clone().into_bytes());
        case.world.aws.set_secret("us-east-1", &key, there.clone());
        case.create("by-arn", json!([{"key": arn, "name": "value"}])).await;
        let elsewhere =
            json!({"backendType": "secretsManager", "region": "us-east-1", "data": [{"key": key, "name": "value"}]});
        case.create_spec("elsewhere", elsewhere).await;
        case.expect_data("by-arn", &[("value", &here)]).await;
        case.expect_data("elsewhere", &[("value", &there)]).await;
    });
}

#[test]
fn a_role_is_assumed_and_signs_the_requests() {
    case(async |case| {
        let value = unique("role");
        let key = case.set("db", value.clone());
        let role = format!("arn:aws:iam::123456789012:role/{}", case.namespace);
        let spec = json!({"backendType": "secretsManager", "roleArn": role, "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("value", &value)]).await;
        let session = format!(
            "arn:aws:sts::123456789012:assumed-role/{}/k8s-external-secrets",
            case.namespace
        );
        let requests = case.world.aws.requests();
        let mine: Vec<_> = requests
            .iter()
            .filter(|request| request.resources.contains(&key))
            .collect();
        assert!(!mine.is_empty());
        for request in mine {
            assert_eq!(request.principal.as_deref(), Some(session.as_str()));
        }
        let assumed = requests
            .iter()
            .filter(|request| request.resources.contains(&role))
            .count();
        assert_eq!(assumed, 1, "one session serves all");
    });
}

#[test]
fn both_spellings_of_the_backend_are_served() {
    case(async |case| {
        let value = unique("alias");
        let key = case.set("db", value.clone());
        let spec = json!({"backendType": "secretManager", "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("value", &value)]).await;
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
