//! Secrets come and go with their objects.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::case::unique;
use crate::world::case;

#[test]
fn w4_a_secret_is_controlled_by_its_object_and_collected_with_it() {
    case(async |case| {
        let value = unique("collected");
        let key = case.set("db", value.clone());
        let object = case.create("app", json!([{"key": key, "name": "value"}])).await;
        let secret = case.expect_data("app", &[("value", &value)]).await;
        let [owner] = secret.owner_references() else {
            panic!("one owner")
        };
        assert_eq!(
            (Some(&owner.uid), owner.controller),
            (object.uid().as_ref(), Some(true))
        );
        case.delete("app").await;
        case.expect_gone("app").await;
    });
}

#[test]
fn an_object_recreated_under_the_same_name_gets_a_secret_of_its_own() {
    case(async |case| {
        let (first, second) = (unique("first"), unique("second"));
        let (one, two) = (case.set("one", first.clone()), case.set("two", second.clone()));
        case.create("app", json!([{"key": one, "name": "value"}])).await;
        case.expect_data("app", &[("value", &first)]).await;
        case.delete("app").await;
        let recreated = case.create("app", json!([{"key": two, "name": "value"}])).await;
        let secret =
            keyhole_test_harness::eventually(crate::case::PATIENCE, "a Secret of the new object", async || {
                let secret = case.secrets().get_opt("app").await.map_err(|error| error.to_string())?;
                let owned = secret.filter(|secret| {
                    secret
                        .owner_references()
                        .iter()
                        .any(|owner| Some(&owner.uid) == recreated.uid().as_ref())
                });
                owned.ok_or_else(|| "not yet".to_owned())
            });
        secret.await.unwrap();
        case.expect_data("app", &[("value", &second)]).await;
        case.expect_success("app").await;
    });
}

#[test]
fn a_namespace_that_is_deleted_is_left_in_peace() {
    case(async |case| {
        let value = unique("namespace");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &value)]).await;
        let namespaces: Api<Namespace> = Api::all(case.client.clone());
        namespaces
            .delete(&case.namespace, &DeleteParams::default())
            .await
            .unwrap();
        keyhole_test_harness::eventually(
            crate::case::PATIENCE,
            "the namespace to be gone",
            async || match namespaces
                .get_opt(&case.namespace)
                .await
                .map_err(|error| error.to_string())?
            {
                None => Ok(()),
                Some(_) => Err("it is there".to_owned()),
            },
        )
        .await
        .unwrap();
        let later = &case.in_annotated(json!({})).await;
        later.create("app", json!([{"key": key, "name": "value"}])).await;
        later.expect_data("app", &[("value", &value)]).await;
    });
}
