//! AWS Secrets Manager.

use std::collections::BTreeSet;

use keyhole_test_aws::RequestRecord;
use serde_json::json;

use crate::case::{Case, Data, unique};
use crate::world::{REGION, case, moto_case};

/// The requests about a secret that read it.
pub fn reads(case: &Case, key: &str) -> Vec<RequestRecord> {
    let mut requests = case.world.aws.requests();
    requests.retain(|request| request.resources.iter().any(|id| id == key));
    requests
}

#[test]
fn s1_properties_of_a_json_secret_become_keys() {
    case(properties);
}

#[test]
fn s1_against_moto_properties_of_a_json_secret_become_keys() {
    moto_case(properties);
}

async fn properties(case: &Case) {
    let (key, _) = case
        .put("credentials", json!({"username": "foo", "password": "bar"}).to_string())
        .await;
    let data = json!([
        {"key": key, "name": "username", "property": "username"},
        {"key": key, "name": "password", "property": "password"},
    ]);
    case.create_slow("app", data).await;
    let secret = case
        .expect_data("app", &[("username", "foo"), ("password", "bar")])
        .await;
    let encoded = serde_json::to_value(secret.data).unwrap();
    assert_eq!(encoded, json!({"username": "Zm9v", "password": "YmFy"}));
    case.expect_success("app").await;
    // One secret, two keys: asked for once. (What moto was asked is not known.)
    assert!(reads(case, &key).len() <= 1, "{:?}", reads(case, &key));
}

#[test]
fn s2_a_rotated_value_follows() {
    case(async |case| {
        let (first, second) = (unique("first"), unique("second"));
        let key = case.set("db", first.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &first)]).await;
        case.set("db", second.clone());
        case.expect_data("app", &[("value", &second)]).await;
    });
}

#[test]
fn s3_binary_secrets_arrive_byte_for_byte() {
    case(binary);
}

#[test]
fn s3_against_moto_binary_secrets_arrive_byte_for_byte() {
    moto_case(binary);
}

async fn binary(case: &Case) {
    let bytes: Vec<u8> = (0..=255).collect();
    let (key, _) = case.put("binary", bytes.clone()).await;
    let data = json!([
        {"key": key, "name": "plain"},
        {"key": key, "name": "marked", "isBinary": true},
    ]);
    case.create("app", data).await;
    let wanted = Data::from([("plain".to_owned(), bytes.clone()), ("marked".to_owned(), bytes)]);
    case.expect_bytes("app", &wanted).await;
}

#[test]
fn s4_text_that_is_marked_as_binary_is_decoded() {
    case(decoded);
}

#[test]
fn s4_against_moto_text_that_is_marked_as_binary_is_decoded() {
    moto_case(decoded);
}

async fn decoded(case: &Case) {
    let (whole, _) = case.put("encoded", "AP8HgA==").await;
    let (part, _) = case.put("json", json!({"keystore": "AP8HgA=="}).to_string()).await;
    let data = json!([
        {"key": whole, "name": "whole", "isBinary": true},
        {"key": part, "name": "part", "property": "keystore", "isBinary": true},
        {"key": part, "name": "text", "property": "keystore"},
    ]);
    case.create("app", data).await;
    let bytes = vec![0, 255, 7, 128];
    let wanted = Data::from([
        ("whole".to_owned(), bytes.clone()),
        ("part".to_owned(), bytes),
        ("text".to_owned(), b"AP8HgA==".to_vec()),
    ]);
    case.expect_bytes("app", &wanted).await;
}

#[test]
fn s5_versions_are_chosen_by_stage_and_id() {
    case(versions);
}

#[test]
fn s5_against_moto_versions_are_chosen_by_stage_and_id() {
    moto_case(versions);
}

async fn versions(case: &Case) {
    let (old, new) = (unique("old"), unique("new"));
    let (key, old_id) = case.put("db", old.clone()).await;
    let (_, new_id) = case.put("db", new.clone()).await;
    let data = json!([
        {"key": key, "name": "current"},
        {"key": key, "name": "previous", "versionStage": "AWSPREVIOUS"},
        {"key": key, "name": "byOldId", "versionId": old_id},
        {"key": key, "name": "byNewId", "versionId": new_id, "versionStage": "AWSPREVIOUS"},
    ]);
    case.create("app", data).await;
    let wanted = [
        ("current", &*new),
        ("previous", &old),
        ("byOldId", &old),
        ("byNewId", &new),
    ];
    case.expect_data("app", &wanted).await;
}

#[test]
fn s5_the_request_carries_exactly_what_the_entry_says() {
    case(async |case| {
        // A region of its own, so that nobody else's secrets share a batch, which knows no versions.
        let region = "ca-west-1";
        let key = case.key("db");
        let (old, new) = (unique("old"), unique("new"));
        case.search_for(&old.clone().into());
        case.search_for(&new.clone().into());
        case.world.aws.set_secret(region, &key, old.clone());
        let id = case.world.aws.set_secret(region, &key, new.clone());
        let data = json!([
            {"key": key, "name": "current"},
            {"key": key, "name": "previous", "versionStage": "AWSPREVIOUS"},
            {"key": key, "name": "byId", "versionId": id, "versionStage": "AWSPREVIOUS"},
        ]);
        let spec = json!({"backendType": "secretsManager", "region": region, "data": data});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("current", &new), ("previous", &old), ("byId", &new)])
            .await;
        let asked: BTreeSet<_> = reads(case, &key)
            .into_iter()
            .map(|request| (request.operation, request.version_stage, request.version_id))
            .collect();
        let get = "GetSecretValue".to_owned();
        let wanted = BTreeSet::from([
            (get.clone(), Some("AWSCURRENT".to_owned()), None),
            (get.clone(), Some("AWSPREVIOUS".to_owned()), None),
            (get, None, Some(id)),
        ]);
        assert_eq!(asked, wanted);
    });
}

#[test]
fn s6_requests_are_signed_for_the_region_of_the_object() {
    case(async |case| {
        let (here, there) = (unique("here"), unique("there"));
        let key = case.set("db", here.clone());
        case.search_for(&there.clone().into());
        case.world.aws.set_secret("us-east-1", &key, there.clone());
        let data = json!([{"key": key, "name": "value"}]);
        case.create("here", data.clone()).await;
        let spec = json!({"backendType": "secretsManager", "region": "us-east-1", "data": data});
        case.create_spec("there", spec).await;
        case.expect_data("here", &[("value", &here)]).await;
        case.expect_data("there", &[("value", &there)]).await;
        let requests = reads(case, &key);
        assert!(requests.iter().all(|request| request.valid), "{requests:?}");
        let regions: BTreeSet<_> = requests.iter().map(|request| request.region.as_str()).collect();
        assert_eq!(regions, BTreeSet::from([REGION, "us-east-1"]));
    });
}

#[test]
fn s7_a_role_is_assumed_and_signs_the_requests() {
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
        let mine = reads(case, &key);
        assert!(!mine.is_empty());
        for request in mine {
            assert_eq!(request.principal.as_deref(), Some(session.as_str()));
        }
        assert_eq!(reads(case, &role).len(), 1, "one session serves all");
    });
}

#[test]
fn s8_a_missing_property_is_told_in_the_words_of_kes_and_changes_nothing() {
    case(missing_property);
}

#[test]
fn s8_against_moto_a_missing_property_is_told_and_changes_nothing() {
    moto_case(missing_property);
}

async fn missing_property(case: &Case) {
    let user = unique("user");
    let (key, _) = case.put("db", json!({"user": user}).to_string()).await;
    let line = format!("ERROR, Could not find property oops in {key}");
    let bad = json!([{"key": key, "name": "value", "property": "oops"}]);
    case.create("new", bad.clone()).await;
    let status = case.expect_error("new", "InvalidValue", &[]).await;
    assert_eq!(status["status"], line);
    assert_eq!(case.data("new").await, None);

    let good = json!([{"key": key, "name": "user", "property": "user"}]);
    case.create("old", good).await;
    let before = case.expect_data("old", &[("user", &user)]).await;
    case.patch("old", json!({"spec": {"data": bad}})).await;
    let status = case.expect_error("old", "InvalidValue", &[]).await;
    assert_eq!(status["status"], line);
    assert_eq!(case.secrets().get("old").await.unwrap(), before);
}

#[test]
fn s9_a_property_of_what_is_no_json_fails_the_object_and_changes_nothing() {
    case(async |case| {
        let user = unique("user");
        let key = case.set("db", json!({"user": user}).to_string());
        let other = case.set("other", unique("not-json"));
        case.create("app", json!([{"key": key, "name": "user", "property": "user"}]))
            .await;
        let before = case.expect_data("app", &[("user", &user)]).await;
        let data = json!([
            {"key": key, "name": "user", "property": "user"},
            {"key": other, "name": "value", "property": "password"},
        ]);
        case.patch("app", json!({"spec": {"data": data}})).await;
        case.expect_error("app", "InvalidValue", &[&other, "data[1]"]).await;
        assert_eq!(case.secrets().get("app").await.unwrap(), before);
    });
}

#[test]
fn s10_one_missing_key_of_two_gives_no_secret() {
    case(async |case| {
        let key = case.set("db", unique("half"));
        let nowhere = case.key("nowhere");
        let data = json!([{"key": key, "name": "value"}, {"key": nowhere, "name": "more"}]);
        case.create("app", data).await;
        case.expect_error("app", "NotFound", &["data[1]", &nowhere]).await;
        assert_eq!(case.data("app").await, None);
    });
}

#[test]
fn s10_one_missing_key_of_two_leaves_the_whole_secret_as_it_was() {
    case(async |case| {
        let value = unique("kept");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &value)]).await;
        case.expect_success("app").await;
        case.set("db", unique("other"));
        let data = json!([{"key": key, "name": "value"}, {"key": case.key("nowhere"), "name": "more"}]);
        case.patch("app", json!({"spec": {"data": data}})).await;
        case.expect_error("app", "NotFound", &["data[1]"]).await;
        let data = case.data("app").await.unwrap();
        // The rotation may have arrived before the edit; a part of the new spec may not.
        assert_eq!(data.keys().collect::<Vec<_>>(), ["value"]);
        assert!(
            data["value"].starts_with(b"kept") || data["value"].starts_with(b"other"),
            "{value}"
        );
    });
}
