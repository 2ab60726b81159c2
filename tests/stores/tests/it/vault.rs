//! `backendType: vault` against OpenBao.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use keyhole_core::{Outcome, StoreErrorKind};
use keyhole_test_harness::{OpenBao, eventually};
use serde_json::{Value as Json, json};

use crate::world::{
    Cluster, NAMESPACE, OPERATOR, STRANGER, Store, World, failed, key, refused, text, tree, with_options, with_world,
};

const PLUGIN: &str = "keyhole-vault";
const PATIENCE: Duration = Duration::from_secs(60);

/// The plugin, with a login mount of its own on the shared server and a role `app` there.
async fn vault(world: &'static World, mount: &str) -> Store {
    vault_with(world, mount, json!({})).await
}

/// The same with another role.
async fn vault_with(world: &'static World, mount: &str, role: Json) -> Store {
    let account = format!("{NAMESPACE}/{OPERATOR}");
    world.bao.mount_kubernetes("", mount, &world.plane).await.unwrap();
    world.bao.role("", mount, "app", &account, role).await.unwrap();
    plugin(&world.bao, mount, Cluster::operator(world)).await
}

async fn plugin(bao: &OpenBao, mount: &str, cluster: Arc<Cluster>) -> Store {
    let settings = json!({"address": bao.endpoint(), "vaultRole": "app", "vaultMountPoint": mount});
    Store::load(PLUGIN, bao.endpoint(), settings, cluster, |grant| {
        grant.token = Some("vault".into());
    })
    .await
}

async fn put(world: &World, name: &str, data: Json) {
    world.bao.write(name, json!({ "data": data })).await.unwrap();
}

#[test]
fn h1_h3_an_entry_of_version_2_is_its_whole_data_as_json() {
    with_world(async |world| {
        let store = vault(world, "h1").await;
        put(
            world,
            "secret/data/h1/app",
            json!({"user": "u", "password": "a<b&\u{e9}", "nested": {"a": [1]}}),
        )
        .await;
        let outcome = store.one(key("secret/data/h1/app")).await;
        assert_eq!(
            text(&outcome),
            "{\"nested\":{\"a\":[1]},\"password\":\"a<b&\u{e9}\",\"user\":\"u\"}"
        );
    });
}

#[test]
fn h2_an_entry_of_version_1_keeps_its_digits() {
    with_world(async |world| {
        let store = vault(world, "h2").await;
        world.bao.mount_kv("kv-h2", 1).await.unwrap();
        let body: Json = serde_json::from_str(r#"{"n": 12345678901234, "password": "p"}"#).unwrap();
        world.bao.write("kv-h2/app", body).await.unwrap();
        let outcome = store
            .fetch_with(&json!({"kvVersion": 1}), &[key("kv-h2/app")])
            .await
            .unwrap();
        assert_eq!(text(&outcome[0]), r#"{"n":12345678901234,"password":"p"}"#);
    });
}

#[test]
fn h4_a_version_is_asked_for_in_the_key_or_by_option() {
    with_world(async |world| {
        let store = vault(world, "h4").await;
        for value in ["one", "two"] {
            put(world, "secret/data/h4/app", json!({"v": value})).await;
        }
        let requests = [
            key("secret/data/h4/app"),
            key("secret/data/h4/app?version=1"),
            with_options("secret/data/h4/app", json!({"version": "1"})),
            with_options("secret/data/h4/app", json!({"versionId": "2"})),
            with_options("secret/data/h4/app", json!({"version": "7"})),
        ];
        let outcomes = store.fetch(&requests).await.unwrap();
        let texts: Vec<&str> = outcomes.iter().take(4).map(text).collect();
        assert_eq!(
            texts,
            [r#"{"v":"two"}"#, r#"{"v":"one"}"#, r#"{"v":"one"}"#, r#"{"v":"two"}"#]
        );
        assert_eq!(failed(&outcomes[4]).kind, StoreErrorKind::NotFound);
    });
}

#[test]
fn a_version_that_the_host_has_is_unchanged_even_by_number_only_where_it_is_the_same_entry() {
    with_world(async |world| {
        let store = vault(world, "known").await;
        let name = "secret/data/known/app";
        put(world, name, json!({"v": "one"})).await;
        let Outcome::Value(value) = store.one(key(name)).await else {
            panic!()
        };
        let knowing = || keyhole_sandbox::PlannedRequest {
            known_version: value.version.clone(),
            ..key(name)
        };
        assert!(matches!(store.one(knowing()).await, Outcome::Unchanged));
        world.bao.delete("secret/metadata/known/app").await.unwrap();
        put(world, name, json!({"v": "new"})).await;
        assert_eq!(
            text(&store.one(knowing()).await),
            r#"{"v":"new"}"#,
            "again version 1, of another entry"
        );
    });
}

/// Calls at once, each with as many entries as a call takes.
async fn crowd(store: &Store, names: &[String]) -> Vec<Outcome> {
    let requests: Vec<_> = names.iter().map(|name| key(name)).collect();
    let most = usize::try_from(store.plugin.description().max_batch.get()).unwrap();
    let calls = requests.chunks(most).map(|batch| store.fetch(batch));
    let answers = futures::future::join_all(calls).await;
    answers.into_iter().flat_map(Result::unwrap).collect()
}

#[test]
fn h6_many_calls_share_one_login_and_a_revoked_token_leads_to_one_more_and_no_error() {
    with_world(async |world| {
        let store = vault(world, "h6").await;
        let names: Vec<String> = (0..200).map(|n| format!("secret/data/h6/{n}")).collect();
        for name in &names {
            put(world, name, json!({"v": name})).await;
        }
        let expect_all = async || {
            let outcomes = crowd(&store, &names).await;
            for (name, outcome) in names.iter().zip(&outcomes) {
                assert_eq!(text(outcome), json!({"v": name}).to_string());
            }
        };
        expect_all().await;
        assert_eq!(world.bao.logins("h6").unwrap(), 1);
        for round in 2..5 {
            world.bao.revoke_logins("h6").await.unwrap();
            expect_all().await;
            assert_eq!(world.bao.logins("h6").unwrap(), round);
        }
    });
}

#[test]
fn a_token_is_renewed_before_its_lease_ends() {
    with_world(async |world| {
        let store = vault_with(world, "renew", json!({"token_ttl": "15s", "token_max_ttl": "1h"})).await;
        put(world, "secret/data/renew/app", json!({"v": 1})).await;
        let renewed = eventually(PATIENCE, "a renewal", async || {
            text(&store.one(key("secret/data/renew/app")).await);
            match world.bao.renewals("renew").unwrap() {
                0 => Err("none yet"),
                _ => Ok(()),
            }
        });
        renewed.await.unwrap();
        assert_eq!(world.bao.logins("renew").unwrap(), 1);
    });
}

#[test]
fn a_token_that_can_live_no_longer_is_replaced_without_an_error() {
    with_world(async |world| {
        let role = json!({"token_ttl": "4s", "token_max_ttl": "4s"});
        let store = vault_with(world, "short", role).await;
        put(world, "secret/data/short/app", json!({"v": 1})).await;
        let replaced = eventually(PATIENCE, "a second login", async || {
            text(&store.one(key("secret/data/short/app")).await);
            match world.bao.logins("short").unwrap() {
                1 => Err("one login so far"),
                _ => Ok(()),
            }
        });
        replaced.await.unwrap();
    });
}

#[test]
fn an_entry_that_the_policy_denies_is_denied_and_costs_no_login() {
    with_world(async |world| {
        let store = vault(world, "denied").await;
        put(world, "secret/data/denied/app", json!({"v": 1})).await;
        for _ in 0..3 {
            let outcomes = store
                .fetch(&[key("secret/data/forbidden/x"), key("secret/data/denied/app")])
                .await
                .unwrap();
            let error = failed(&outcomes[0]);
            assert_eq!(error.kind, StoreErrorKind::Denied);
            assert!(error.message.contains("secret/data/forbidden/x"), "{}", error.message);
            assert_eq!(text(&outcomes[1]), r#"{"v":1}"#);
        }
        assert_eq!(world.bao.logins("denied").unwrap(), 1);
    });
}

#[test]
fn a_role_without_the_default_policy_works_too() {
    with_world(async |world| {
        world
            .bao
            .policy(
                "",
                "only-read",
                "path \"secret/data/bare/*\" { capabilities = [\"read\"] }",
            )
            .await
            .unwrap();
        let role = json!({"token_policies": ["only-read"], "token_no_default_policy": true});
        let store = vault_with(world, "bare", role).await;
        put(world, "secret/data/bare/app", json!({"v": 1})).await;
        assert_eq!(text(&store.one(key("secret/data/bare/app")).await), r#"{"v":1}"#);
        for _ in 0..3 {
            assert_eq!(
                failed(&store.one(key("secret/data/other")).await).kind,
                StoreErrorKind::Denied
            );
        }
        assert_eq!(world.bao.logins("bare").unwrap(), 2);
        world.bao.revoke_logins("bare").await.unwrap();
    });
}

#[test]
fn a_login_that_cannot_be_says_which_part_of_it_is_wrong() {
    with_world(async |world| {
        let store = vault(world, "login").await;
        let asked = [key("secret/data/x")];
        let told = async |more: Json| refused(store.fetch_with(&more, &asked).await);

        let error = told(json!({"vaultRole": "nobody"})).await;
        assert_eq!(error.kind, StoreErrorKind::Invalid("/settings/vaultRole".to_owned()));
        assert!(error.message.contains("\"nobody\""), "{}", error.message);
        let error = told(json!({"vaultRole": ""})).await;
        assert_eq!(error.kind, StoreErrorKind::Invalid("/settings/vaultRole".to_owned()));
        let error = told(json!({"vaultMountPoint": "nowhere"})).await;
        assert_eq!(error.kind, StoreErrorKind::Unauthenticated);
        assert!(error.message.contains("auth/nowhere"), "{}", error.message);

        let stranger = Arc::new(Cluster {
            plane: &world.plane,
            account: STRANGER,
            secrets: Default::default(),
        });
        let theirs = plugin(&world.bao, "login", stranger).await;
        let error = refused(theirs.fetch(&asked).await);
        assert_eq!(error.kind, StoreErrorKind::Unauthenticated);
        assert!(error.message.contains("service account"), "{}", error.message);
    });
}

#[test]
fn h5_an_absent_entry_says_where_else_it_may_be() {
    with_world(async |world| {
        let store = vault(world, "h5").await;
        world.bao.mount_kv("kv-h5", 1).await.unwrap();
        world.bao.write("kv-h5/app", json!({"v": 1})).await.unwrap();
        put(world, "secret/data/h5/app", json!({"v": 1})).await;
        put(world, "secret/data/h5/gone", json!({"v": 1})).await;
        world.bao.delete("secret/data/h5/gone").await.unwrap();
        let two = json!({"kvVersion": 2});
        let one = json!({"kvVersion": 1});
        for (version, name, words) in [
            (&two, "secret/data/h5/none", "set kvVersion to 1 and leave data/ out"),
            (&two, "secret/h5/app", r#"write "secret/data/h5/app" and kvVersion 2"#),
            (&one, "secret/h5/app", r#"write "secret/data/h5/app" and kvVersion 2"#),
            (&two, "secret/data/h5/gone", "was deleted at 20"),
            (&two, "kv-h5/data/app", "set kvVersion to 1"),
            (&one, "kv-h5/data/app", "set kvVersion to 2"),
            (&two, "nowhere/data/app", "check the mount"),
        ] {
            let outcomes = store.fetch_with(version, &[key(name)]).await.unwrap();
            let error = failed(&outcomes[0]);
            assert_eq!(error.kind, StoreErrorKind::NotFound, "{name}: {}", error.message);
            assert!(error.message.contains(words), "{name}: {}", error.message);
        }
        let outcomes = store.fetch_with(&two, &[key("kv-h5/app")]).await.unwrap();
        assert_eq!(
            failed(&outcomes[0]).kind,
            StoreErrorKind::Invalid("/settings/kvVersion".to_owned())
        );
    });
}

#[test]
fn h7_a_path_gives_all_entries_below_it() {
    with_world(async |world| {
        let store = vault(world, "h7").await;
        for name in ["a", "deep/b", "deep/er/c c", "gone"] {
            put(
                world,
                &format!("secret/data/h7/{}", name.replace(' ', "%20")),
                json!({"v": name}),
            )
            .await;
        }
        world.bao.delete("secret/data/h7/gone").await.unwrap();
        let Outcome::Values(values) = store.one(tree("secret/data/h7")).await else {
            panic!()
        };
        let names: Vec<(&str, &str)> = values.iter().map(|value| (&*value.name, &*value.full_name)).collect();
        assert_eq!(
            names,
            [
                ("a", "secret/data/h7/a"),
                ("b", "secret/data/h7/deep/b"),
                ("c c", "secret/data/h7/deep/er/c c"),
            ]
        );
        let Outcome::Values(values) = store.one(tree("secret/data/h7/none")).await else {
            panic!()
        };
        assert!(values.is_empty());
    });
}

#[test]
fn the_namespace_of_the_administrator_is_where_it_logs_in_and_reads() {
    with_world(async |world| {
        let bao = &world.bao;
        let post = async |path: &str, body: Json| bao.call(Method::POST, "team", path, body).await.unwrap();
        bao.write("sys/namespaces/team", json!({})).await.unwrap();
        post("sys/mounts/kv", json!({"type": "kv", "options": {"version": "1"}})).await;
        post("kv/app", json!({"v": "of the team"})).await;
        bao.policy("team", "read-all", crate::world::READ_ALL).await.unwrap();
        bao.mount_kubernetes("team", "kubernetes", &world.plane).await.unwrap();
        let account = format!("{NAMESPACE}/{OPERATOR}");
        bao.role("team", "kubernetes", "app", &account, json!({}))
            .await
            .unwrap();
        let store = plugin(bao, "kubernetes", Cluster::operator(world)).await;
        let settings = json!({"namespace": "team", "kvVersion": 1});
        let outcomes = store.fetch_with(&settings, &[key("kv/app")]).await.unwrap();
        assert_eq!(text(&outcomes[0]), r#"{"v":"of the team"}"#);
        let outside = store.fetch_with(&json!({"kvVersion": 1}), &[key("kv/app")]).await;
        assert_eq!(
            refused(outside).kind,
            StoreErrorKind::Unauthenticated,
            "no such login outside of the namespace"
        );
    });
}

#[test]
fn a_sealed_server_is_unavailable_and_says_why() {
    with_world(async |world| {
        let bao = OpenBao::start().await.unwrap();
        bao.policy("", "read-all", crate::world::READ_ALL).await.unwrap();
        bao.mount_kubernetes("", "kubernetes", &world.plane).await.unwrap();
        let account = format!("{NAMESPACE}/{OPERATOR}");
        bao.role("", "kubernetes", "app", &account, json!({})).await.unwrap();
        bao.write("secret/data/app", json!({"data": {"v": 1}})).await.unwrap();
        let store = plugin(&bao, "kubernetes", Cluster::operator(world)).await;
        assert_eq!(text(&store.one(key("secret/data/app")).await), r#"{"v":1}"#);
        bao.seal().await.unwrap();
        let outcome = store.one(key("secret/data/app")).await;
        let error = failed(&outcome);
        assert_eq!(error.kind, StoreErrorKind::Unavailable(None));
        assert!(error.message.contains("sealed"), "{}", error.message);
    });
}
