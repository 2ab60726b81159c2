//! Entries of Secrets: as a header that the plugin never sees, and exposed.

use serde_json::json;

use super::bench::{Plugin, Store, credential_case, put, remove};
use crate::case::{ready, unique};
use crate::plugins::roster::bench::fresh;

#[test]
fn a_header_from_a_secret_follows_its_rotation_and_its_deletion_without_a_restart() {
    credential_case(async |case, bench| {
        let (store, secret) = (Store::start(case), fresh(case, "login"));
        let (first, second) = (unique("first"), unique("second"));
        put(case, bench, &secret, "token", &first).await;
        let auth = json!({"headers": [{"name": "x-vault-token", "secretKeyRef": {"name": secret, "key": "token"}}]});
        let plugin = Plugin::install(case, bench, &store, auth, &[]).await;
        plugin.object(case, "app", json!({})).await;
        case.expect_data("app", &[("value", store.value())]).await;
        store.expect_header("x-vault-token", |sent| sent == first).await;

        put(case, bench, &secret, "token", &second).await;
        store.expect_header("x-vault-token", |sent| sent == second).await;
        case.expect_success("app").await;

        remove(bench, &secret).await;
        let what = format!("Secret keyhole-system/{secret}");
        case.expect_error("app", "Unauthenticated", &[&what, "does not exist", "\"token\""])
            .await;
        case.expect_data("app", &[("value", store.value())]).await;

        put(case, bench, &secret, "other", &unique("other")).await;
        case.expect_error("app", "Unauthenticated", &[&what, "has no entry \"token\""])
            .await;

        put(case, bench, &secret, "token", &format!("{second}\n")).await;
        case.expect_error(
            "app",
            "Unauthenticated",
            &["cannot be sent as header x-vault-token", "line break"],
        )
        .await;
        assert!(
            store
                .requests()
                .iter()
                .all(|headers| headers.contains_key("x-vault-token"))
        );

        put(case, bench, &secret, "token", &first).await;
        store.expect_header("x-vault-token", |sent| sent == first).await;
        case.expect_success("app").await;
    });
}

#[test]
fn an_exposed_credential_is_handed_over_and_the_plugins_object_says_so() {
    credential_case(async |case, bench| {
        let (store, secret, value) = (Store::start(case), fresh(case, "login"), unique("exposed"));
        put(case, bench, &secret, "password", &value).await;
        let exposed = json!({"exposed": {"password": {"name": secret, "key": "password"}}});
        let mut plugin = Plugin::install(case, bench, &store, exposed, &["password"]).await;
        let status = bench.expect_serving(&plugin.name).await;
        assert!(status["credentials"].as_str().unwrap().contains("password"), "{status}");
        plugin.object(case, "app", json!({})).await;
        store.expect_header("x-handed-password", |sent| sent == value).await;
        case.expect_success("app").await;

        plugin.grant(bench, json!({})).await;
        let status = case
            .expect_error("app", "Unavailable", &["password", "not granted"])
            .await;
        assert!(
            ready(&status)["message"].as_str().unwrap().contains("grant.auth"),
            "{status}"
        );
    });
}

#[test]
fn a_secret_of_the_objects_namespace_is_never_read() {
    credential_case(async |case, bench| {
        let (store, secret) = (Store::start(case), fresh(case, "login"));
        let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {"token": "theirs"}});
        let theirs = serde_json::from_value(theirs).unwrap();
        case.secrets().create(&Default::default(), &theirs).await.unwrap();
        let auth = json!({"headers": [{"name": "x-token", "secretKeyRef": {"name": secret, "key": "token"}}]});
        let plugin = Plugin::install(case, bench, &store, auth, &[]).await;
        plugin.object(case, "app", json!({})).await;
        let what = format!("Secret keyhole-system/{secret}");
        case.expect_error("app", "Unauthenticated", &[&what, "does not exist"])
            .await;
        assert!(store.requests().is_empty());
    });
}
