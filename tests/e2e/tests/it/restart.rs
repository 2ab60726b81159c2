//! The host may die at any instant: all state is in the API server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_aws::{FakeAws, FakeConfig};
use keyhole_test_harness::{Host, HostConfig, eventually};
use kube::ResourceExt as _;
use kube_runtime::{WatchStreamExt as _, watcher};
use serde_json::json;

use crate::case::{Case, PATIENCE, data_of, unique};
use crate::world::{REGION, case};

const OBJECTS: usize = 200;
/// The host is killed when so many Secrets are there.
const KILLS: [usize; 3] = [10, 80, 150];

/// Keys of one object's Secret; all hold the same text, so that a mixture of two states would show.
const KEYS: [&str; 3] = ["a", "b", "c"];

#[test]
fn killed_in_the_middle_of_two_hundred_objects_it_loses_none_and_writes_none_by_halves() {
    case(async |case| {
        // Its own AWS, slow enough that there is a middle.
        let latency = Duration::from_millis(5);
        let aws = FakeAws::start(FakeConfig {
            latency,
            ..FakeConfig::default()
        })
        .unwrap();
        for number in 0..OBJECTS {
            let value = unique("many");
            case.world.values.lock().unwrap().push(value.clone().into_bytes());
            let members: serde_json::Map<_, _> = KEYS.iter().map(|key| ((*key).to_owned(), json!(value))).collect();
            aws.set_secret(REGION, &format!("s{number}"), json!(members).to_string());
        }
        let instance = format!("killed-{}", case.namespace);
        let spec = |number: usize| {
            let data: Vec<_> = KEYS
                .iter()
                .map(|key| json!({"key": format!("s{number}"), "name": key, "property": key}))
                .collect();
            json!({"backendType": "secretsManager", "controllerId": instance, "data": data})
        };
        let create = (0..OBJECTS).map(|number| {
            let spec = spec(number);
            async move { case.create_spec(&format!("app-{number}"), spec).await }
        });
        futures::stream::iter(create)
            .buffer_unordered(16)
            .collect::<Vec<_>>()
            .await;

        let seen = watch_for_halves(case);
        let config = HostConfig::new(&case.world.installed.kubeconfig)
            .aws(&aws, REGION)
            .instance(&instance)
            .env("KEYHOLE_WRITERS", "1");
        let mut host = Host::start(config).await.unwrap();
        let mut killed_at = Vec::new();
        for wanted in KILLS {
            eventually(PATIENCE, &format!("{wanted} Secrets"), async || seen.at_least(wanted))
                .await
                .unwrap();
            host.sigkill();
            killed_at.push(seen.count());
            host.restart().await.unwrap();
        }
        assert!(
            killed_at[0] < OBJECTS,
            "it was done before it was killed: {killed_at:?}"
        );
        eventually(PATIENCE, "all Secrets", async || seen.at_least(OBJECTS))
            .await
            .unwrap();
        for number in 0..OBJECTS {
            case.expect_success(&format!("app-{number}")).await;
        }
        assert_eq!(*seen.halves.lock().unwrap(), Vec::<String>::new());
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}

/// What a watch over the Secrets of the case saw.
struct Seen {
    names: Mutex<BTreeSet<String>>,
    halves: Mutex<Vec<String>>,
}

impl Seen {
    fn count(&self) -> usize {
        self.names.lock().unwrap().len()
    }

    fn at_least(&self, wanted: usize) -> Result<(), String> {
        let count = self.count();
        (count >= wanted).then_some(()).ok_or_else(|| format!("{count} so far"))
    }
}

/// Looks at every state that every Secret is ever in.
fn watch_for_halves(case: &Case) -> Arc<Seen> {
    let seen = Arc::new(Seen {
        names: Mutex::default(),
        halves: Mutex::default(),
    });
    let mut states = Box::pin(
        watcher(case.secrets(), watcher::Config::default())
            .default_backoff()
            .applied_objects(),
    );
    let sink = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some(state) = states.next().await {
            // A watch that breaks begins anew.
            let Ok(secret) = state else { continue };
            let secret: Secret = secret;
            let data = data_of(&secret);
            let whole = data.keys().eq(KEYS.iter()) && data.values().collect::<BTreeSet<_>>().len() == 1;
            if !whole {
                sink.halves
                    .lock()
                    .unwrap()
                    .push(format!("{}: {:?}", secret.name_any(), data.keys()));
            }
            sink.names.lock().unwrap().insert(secret.name_any());
        }
    });
    seen
}

#[test]
fn a_restart_reads_what_is_there_and_writes_nothing() {
    case(async |case| {
        let value = unique("restart");
        let key = case.set("db", value.clone());
        let instance = format!("restart-{}", case.namespace);
        let mut host = Host::start(case.own_host(&instance)).await.unwrap();
        let spec =
            json!({"backendType": "secretsManager", "controllerId": instance, "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        let before = case.expect_data("app", &[("value", &value)]).await;
        let synced = case.expect_success("app").await["lastSync"].clone();
        let status = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        host.restart().await.unwrap();
        case.patch(
            "app",
            json!({"metadata": {"annotations": {"externalsecrets.kubernetes-client.io/refresh": "again"}}}),
        )
        .await;
        case.expect_status("app", "synced again", |line| line == "SUCCESS")
            .await;
        eventually(PATIENCE, "a later sync", async || {
            (case.expect_success("app").await["lastSync"] != synced)
                .then_some(())
                .ok_or("not yet")
        })
        .await
        .unwrap();
        let after = case.secrets().get("app").await.unwrap();
        assert_eq!(before.resource_version(), after.resource_version());
        case.keep_log(host.log());
    });
}

#[test]
fn what_happened_while_it_was_down_is_seen() {
    case(async |case| {
        let (old, new) = (unique("old"), unique("new"));
        let key = case.set("db", old.clone());
        let instance = format!("down-{}", case.namespace);
        let mut host = Host::start(case.own_host(&instance)).await.unwrap();
        let spec = |name: &str| json!({"backendType": "secretsManager", "controllerId": instance, "data": [{"key": key, "name": name}]});
        for name in ["edited", "deleted", "rotated"] {
            case.create_spec(name, spec("value")).await;
            case.expect_data(name, &[("value", &old)]).await;
        }
        host.sigkill();
        case.set("db", new.clone());
        case.patch("edited", json!({"spec": spec("renamed")})).await;
        case.delete("deleted").await;
        case.create_spec("created", spec("value")).await;
        host.restart().await.unwrap();
        case.expect_data("edited", &[("renamed", &new)]).await;
        case.expect_data("created", &[("value", &new)]).await;
        case.expect_data("rotated", &[("value", &new)]).await;
        case.expect_gone("deleted").await;
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}
