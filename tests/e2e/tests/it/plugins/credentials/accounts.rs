//! Tokens of service accounts: the operator's own, and those of namespaces.

use keyhole_test_harness::Manifest;
use serde_json::json;

use super::bench::{Plugin, Store, account, allow_tokens, credential_case, owner};
use crate::plugins::roster::bench::lonely_plugin_case;

const API_SERVER: &str = "https://kubernetes.default.svc";

#[test]
fn a_token_for_a_login_is_the_operators_own_and_for_one_audience() {
    credential_case(async |case, bench| {
        let store = Store::start(case);
        let auth = json!({"serviceAccountToken": {"audience": "the-store"}});
        let plugin = Plugin::install(case, bench, &store, auth, &["service-account-token"]).await;
        plugin.object(case, "app", json!({})).await;
        let token = store.expect_header("x-handed-service-account-token", |_| true).await;
        let operator = "system:serviceaccount:keyhole-system:keyhole".to_owned();
        assert_eq!(owner(case, &token, "the-store").await, Some(operator));
        for other in [API_SERVER, "another-store"] {
            assert_eq!(owner(case, &token, other).await, None, "{other}");
        }
        case.expect_success("app").await;
    });
}

#[test]
fn a_namespace_is_itself_at_the_store_where_the_grant_lets_it() {
    credential_case(async |case, bench| {
        let store = Store::start(case);
        account(case, "reader", json!({})).await;
        let header =
            json!([{"name": "authorization", "prefix": "Bearer ", "serviceAccountToken": {"audience": "the-store"}}]);
        let mut plugin = Plugin::install(case, bench, &store, json!({"headers": header}), &[]).await;
        plugin
            .object(case, "app", json!({"serviceAccountName": "reader"}))
            .await;
        case.expect_error(
            "app",
            "NotPermitted",
            &["spec.serviceAccountName", "asks its store as the operator only"],
        )
        .await;
        assert!(store.requests().is_empty(), "nothing is asked as somebody else");

        plugin
            .grant(bench, json!({"headers": header, "allowServiceAccounts": true}))
            .await;
        case.expect_data("app", &[("value", store.value())]).await;
        let sent = store
            .expect_header("authorization", |sent| sent.starts_with("Bearer "))
            .await;
        let token = sent.strip_prefix("Bearer ").unwrap();
        let reader = format!("system:serviceaccount:{}:reader", case.namespace);
        assert_eq!(owner(case, token, "the-store").await, Some(reader));
        assert_eq!(owner(case, token, API_SERVER).await, None);
    });
}

#[test]
fn an_account_that_is_not_there_is_named_and_nobody_stands_in_for_it() {
    credential_case(async |case, bench| {
        let store = Store::start(case);
        let auth = json!({"serviceAccountToken": {"audience": "the-store"}, "allowServiceAccounts": true});
        let plugin = Plugin::install(case, bench, &store, auth, &["service-account-token"]).await;
        plugin
            .object(case, "app", json!({"serviceAccountName": "nobody"}))
            .await;
        let whose = format!("service account {}/nobody", case.namespace);
        case.expect_error("app", "Unauthenticated", &[&whose, "\"the-store\"", "create it"])
            .await;
        assert!(store.requests().is_empty());
        account(case, "nobody", json!({})).await;
        case.expect_success("app").await;
    });
}

#[test]
fn without_the_rights_of_the_flag_the_object_says_which_are_missing() {
    lonely_plugin_case(Manifest::Install, async |case, bench| {
        let store = Store::start(case);
        account(case, "reader", json!({})).await;
        let auth = json!({"serviceAccountToken": {"audience": "the-store"}, "allowServiceAccounts": true});
        let plugin = Plugin::install(case, bench, &store, auth, &["service-account-token"]).await;
        // The operator's own account needs nothing more.
        plugin.object(case, "own", json!({})).await;
        store.expect_header("x-handed-service-account-token", |_| true).await;
        case.expect_success("own").await;
        plugin
            .object(case, "app", json!({"serviceAccountName": "reader"}))
            .await;
        case.expect_error(
            "app",
            "Unauthenticated",
            &["serviceaccounts/token", "keyhole manifests --service-account-tokens"],
        )
        .await;
        allow_tokens(bench).await;
        case.expect_success("app").await;
        for headers in store.requests() {
            case.search_for(&headers["x-handed-service-account-token"].clone().into());
        }
    });
}

#[test]
fn a_role_in_the_free_form_part_is_judged_by_the_namespace() {
    credential_case(async |case, bench| {
        let store = Store::start(case);
        let plugin = Plugin::install(case, bench, &store, json!({}), &[]).await;
        let limited = case
            .in_annotated(json!({"iam.amazonaws.com/permitted": "^mine$"}))
            .await;
        for (name, spec) in [
            ("config", json!({"config": {"vaultRole": "theirs"}})),
            ("field", json!({"vaultRole": "theirs"})),
            ("marked", json!({"config": {"as": "theirs"}})),
            ("beside", json!({"roleArn": "mine", "vaultRole": "theirs"})),
        ] {
            plugin.object(&limited, name, spec).await;
            limited
                .expect_error(
                    name,
                    "NotPermitted",
                    &["namespace does not allow to assume role theirs"],
                )
                .await;
        }
        assert!(store.requests().is_empty());
        plugin
            .object(&limited, "good", json!({"config": {"vaultRole": "mine", "as": "mine"}}))
            .await;
        limited.expect_success("good").await;
    });
}

#[test]
fn two_namespaces_get_sessions_and_tokens_of_their_own() {
    credential_case(async |case, bench| {
        let store = Store::start(case);
        let auth = json!({"serviceAccountToken": {"audience": "the-store"}, "allowServiceAccounts": true});
        let plugin = Plugin::install(case, bench, &store, auth, &["service-account-token"]).await;
        let other = case.in_annotated(json!({})).await;
        let mut owners = std::collections::BTreeSet::new();
        for case in [case, &other] {
            account(case, "reader", json!({})).await;
            plugin
                .object(
                    case,
                    "app",
                    json!({"serviceAccountName": "reader", "refreshInterval": "1h"}),
                )
                .await;
            case.expect_success("app").await;
        }
        for headers in store.requests() {
            let token = &headers["x-handed-service-account-token"];
            owners.insert(owner(case, token, "the-store").await.unwrap());
        }
        let wanted = [&case.namespace, &other.namespace].map(|name| format!("system:serviceaccount:{name}:reader"));
        assert_eq!(owners, wanted.into());
    });
}
