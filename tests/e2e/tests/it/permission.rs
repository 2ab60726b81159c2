//! A namespace whose annotations limit keys or roles: what the host cannot judge, it does not fetch.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, unique};
use crate::world::case;

const NAMING: &str = "externalsecrets.kubernetes-client.io/permitted-key-name";
const ROLE: &str = "iam.amazonaws.com/permitted";

async fn annotate(case: &Case, annotation: &str, rule: Value) {
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: rule}}}));
    namespaces
        .patch(&case.namespace, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Whether anybody asked AWS for this secret.
fn was_asked_for(case: &Case, key: &str) -> bool {
    let requests = case.world.aws.requests();
    requests
        .iter()
        .any(|request| request.resources.iter().any(|id| id == key))
}

#[test]
fn limited_keys_are_not_fetched_until_the_limit_is_gone() {
    case(async |case| {
        annotate(case, NAMING, json!("^team-a/")).await;
        // The limit is known once an object says so.
        case.create("first", json!([{"key": case.key("nowhere"), "name": "value"}]))
            .await;
        case.expect_error("first", "NotPermitted", &[NAMING]).await;

        let value = unique("limited");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_error("app", "NotPermitted", &[NAMING, &case.namespace])
            .await;
        assert_eq!(case.data("app").await, None);
        assert!(!was_asked_for(case, &key));

        annotate(case, NAMING, json!(".*")).await;
        case.expect_data("app", &[("value", &value)]).await;
        case.expect_success("app").await;

        // And a limit that comes later ends the service, with the Secret as it was.
        annotate(case, NAMING, json!("^team-a/")).await;
        case.expect_error("app", "NotPermitted", &[NAMING]).await;
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn limited_roles_concern_only_objects_with_a_role() {
    case(async |case| {
        annotate(case, ROLE, json!("arn:aws:iam::123456789012:role/other")).await;
        let value = unique("without-role");
        let key = case.set("db", value.clone());
        let role = "arn:aws:iam::123456789012:role/app";
        let data = json!([{"key": key, "name": "value"}]);
        let spec = json!({"backendType": "secretsManager", "roleArn": role, "data": data});
        case.create_spec("with-role", spec).await;
        case.create("without-role", data).await;
        case.expect_error("with-role", "NotPermitted", &[ROLE, role]).await;
        case.expect_data("without-role", &[("value", &value)]).await;
    });
}
