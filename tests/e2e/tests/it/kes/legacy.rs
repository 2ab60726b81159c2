//! Manifests from before there was a `spec`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use keyhole_test_harness::{apply, keyhole_binary};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::case::unique;
use crate::world::case;

/// What `keyhole convert` makes of a manifest.
fn convert(manifest: &Value) -> Value {
    let mut command = Command::new(keyhole_binary().unwrap());
    command.args(["convert", "-f", "-"]).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(manifest.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    serde_saphyr::from_str(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

#[test]
fn l1_a_manifest_of_the_oldest_shape_is_converted_and_gives_the_same_secret() {
    case(async |case| {
        let (user, password) = (unique("user"), unique("password"));
        let key = case.set("db", json!({"user": user, "password": password}).to_string());
        let entries = json!([
            {"key": key, "name": "user", "property": "user"},
            {"key": key, "name": "password", "property": "password"},
        ]);
        let oldest = json!({
            "apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "old", "namespace": case.namespace},
            "secretDescriptor": {"backendType": "secretManager", "properties": entries},
        });
        let converted: DynamicObject = serde_json::from_value(convert(&oldest)).unwrap();
        apply(&case.client, &converted).await.unwrap();
        case.create("new", entries).await;
        let wanted = [("user", &*user), ("password", &password)];
        case.expect_data("old", &wanted).await;
        case.expect_data("new", &wanted).await;
    });
}

#[test]
fn l1_both_spellings_of_the_backend_are_served() {
    case(async |case| {
        let value = unique("alias");
        let key = case.set("db", value.clone());
        let spec = json!({"backendType": "secretManager", "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("value", &value)]).await;
    });
}
