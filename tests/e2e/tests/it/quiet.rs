//! Nothing is written, and hardly anything asked, when nothing changes.

use std::collections::BTreeSet;

use keyhole_test_harness::{Host, eventually};
use kube::ResourceExt as _;
use serde_json::json;

use crate::case::{PATIENCE, unique};
use crate::world::{REGION, case};

#[test]
fn w2_a_secret_is_not_written_again_while_its_status_says_that_it_was_synced() {
    case(async |case| {
        let value = unique("quiet");
        let key = case.set("db", value.clone());
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        let before = case.expect_data("app", &[("value", &value)]).await;
        let mut syncs = BTreeSet::new();
        eventually(PATIENCE, "three syncs", async || {
            syncs.insert(case.expect_success("app").await["lastSync"].to_string());
            (syncs.len() > 2).then_some(()).ok_or(syncs.len())
        })
        .await
        .unwrap();
        let after = case.secrets().get("app").await.unwrap();
        assert_eq!(before.resource_version(), after.resource_version());
    });
}

#[test]
fn many_objects_share_batches() {
    case(async |case| {
        // A region of its own, so that the requests can be counted.
        let region = "eu-central-2";
        let keys: Vec<String> = (0..40).map(|number| case.key(&format!("s{number}"))).collect();
        for key in &keys {
            let value = unique("batch");
            case.world.values.lock().unwrap().push(value.clone().into_bytes());
            case.world.aws.set_secret(region, key, value);
        }
        // A host that finds them all in its first list.
        let instance = format!("batches-{}", case.namespace);
        let objects = (0..80).map(|number| {
            let data = json!([{"key": keys[number % 40], "name": "a"}, {"key": keys[(number + 7) % 40], "name": "b"}]);
            let spec = json!({"backendType": "secretsManager", "controllerId": instance, "region": region, "refreshInterval": "1h", "data": data});
            async move { case.create_spec(&format!("app-{number}"), spec).await }
        });
        futures::future::join_all(objects).await;
        let host = Host::start(case.own_host(&instance)).await.unwrap();
        for number in 0..80 {
            case.expect_success(&format!("app-{number}")).await;
        }
        let counts = case.world.aws.counts();
        let calls = counts.in_region("BatchGetSecretValue", region) + counts.in_region("GetSecretValue", region);
        // Two calls hold them all; singly it would be 160.
        assert!(calls <= 10, "{calls} calls for 40 secrets; {REGION} is for others");
        case.keep_log(host.log());
    });
}
