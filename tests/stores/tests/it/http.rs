//! `backendType: http` against OpenBao's own API: a store that the plugin knows nothing about but what the
//! settings say, with a credential that the plugin never sees.

use std::sync::Arc;

use keyhole_core::{Outcome, StoreErrorKind};
use keyhole_sandbox::{Credential, HeaderGrant};
use serde_json::json;

use crate::world::{Cluster, OPERATOR, Store, World, failed, key, text, with_world};

const PLUGIN: &str = "keyhole-http";

/// Entries of `secret/` by the name below it, with the root token as a granted header.
async fn store(world: &'static World, token: &str) -> Store {
    let settings = json!({
        "url": format!("{}/v1/secret/data/{{key}}", world.bao.endpoint()),
        "value": "/data/data/password",
        "version": "/data/metadata/created_time",
    });
    let cluster = Cluster {
        plane: &world.plane,
        account: OPERATOR,
        secrets: [("store-token", token.to_owned())].into(),
    };
    Store::load(PLUGIN, world.bao.endpoint(), settings, Arc::new(cluster), |grant| {
        grant.headers = vec![HeaderGrant {
            name: "authorization".parse().unwrap(),
            prefix: "Bearer ".to_owned(),
            credential: Credential::Secret {
                name: "store-token".into(),
                key: "token".into(),
            },
            hosts: Vec::new(),
        }];
    })
    .await
}

#[test]
fn entries_are_read_with_a_header_that_the_plugin_never_sees() {
    with_world(async |world| {
        let put = async |name: &str, password: &str| {
            let body = json!({"data": {"password": password}});
            world.bao.write(&format!("secret/data/{name}"), body).await.unwrap();
        };
        put("http/a", "one").await;
        put("http/b%20c", "two").await;
        let store = store(world, world.bao.root_token()).await;
        let requests = [
            key("http/a"),
            key("http/none"),
            key("http/b c"),
            key("http/../../sys/mounts"),
        ];
        let outcomes = store.fetch(&requests).await.unwrap();
        assert_eq!((text(&outcomes[0]), text(&outcomes[2])), ("one", "two"));
        assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::NotFound);
        assert_eq!(failed(&outcomes[3]).kind, StoreErrorKind::Invalid("/key".to_owned()));
        let Outcome::Value(value) = &outcomes[0] else { panic!() };
        let again = keyhole_sandbox::PlannedRequest {
            known_version: value.version.clone(),
            ..key("http/a")
        };
        assert!(matches!(store.one(again).await, Outcome::Unchanged));
    });
}

#[test]
fn a_credential_that_the_store_does_not_take_is_denied() {
    with_world(async |world| {
        let store = store(world, "s.no-such-token").await;
        let outcome = store.one(key("http/a")).await;
        assert_eq!(failed(&outcome).kind, StoreErrorKind::Denied);
        assert!(!failed(&outcome).message.contains("no-such-token"));
    });
}
