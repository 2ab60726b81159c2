//! Plugins that come, change and go while the host runs.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use keyhole_test_harness::eventually;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::bench::{create, fresh, from_file, obliging, plugin_case, word};
use crate::case::{PATIENCE, ready};

#[test]
fn a_plugin_is_added_changed_and_deleted_without_a_restart() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "life");
        create(case, "early", &name).await;
        case.expect_error("early", "NoPlugin", &["no plugin serves backendType", &name])
            .await;

        let (first, second) = (word(case, "first"), word(case, "second"));
        let says = |word: &str, version: &str| obliging(&json!({"types": [name], "says": word, "version": version}));
        bench.write(&name, &says(&first, "1.0.0"));
        bench.apply(&name, from_file(&name)).await;
        let before = bench.expect_serving(&name).await;
        assert_eq!(before["backendTypes"], name.as_str());
        assert_eq!(before["source"], format!("file {name}"));
        assert_eq!(before["version"], "obliging 1.0.0");
        assert_eq!(before["contract"], "0.1.0");
        assert_eq!(before["credentials"], "none");
        assert_eq!(before["digest"], before["servingDigest"]);
        case.expect_data("early", &[("value", &format!("{first} plain k"))])
            .await;

        bench.write(&name, &says(&second, "1.1.0"));
        case.expect_data("early", &[("value", &format!("{second} plain k"))])
            .await;
        let after = bench
            .expect(&name, "serve its new version", |status| {
                status["version"] == "obliging 1.1.0"
            })
            .await;
        assert_ne!(before["digest"], after["digest"]);

        bench.delete(&name).await;
        case.expect_error("early", "NoPlugin", &["no plugin serves backendType", &name])
            .await;
        case.expect_data("early", &[("value", &format!("{second} plain k"))])
            .await;
    });
}

#[test]
fn a_broken_version_is_told_and_the_last_good_one_serves_on() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "broken");
        let said = word(case, "good");
        let good = obliging(&json!({"types": [name], "says": said}));
        bench.write(&name, &good);
        bench.apply(&name, from_file(&name)).await;
        let before = bench.expect_serving(&name).await;

        bench.write(&name, b"\0asm, and nothing that can be compiled");
        let broken = bench
            .expect(&name, "say that it is broken", |status| {
                ready(status)["status"] == "False"
            })
            .await;
        assert_eq!(broken["servingDigest"], before["servingDigest"]);
        assert_ne!(broken["digest"], before["digest"], "{broken}");
        assert_eq!(broken["backendTypes"], name.as_str());
        let message = ready(&broken)["message"].as_str().unwrap();
        assert!(
            message.contains("What was loaded before serves on: obliging 1.0.0"),
            "{message}"
        );
        create(case, "late", &name).await;
        case.expect_data("late", &[("value", &format!("{said} plain k"))]).await;

        bench.write(&name, &good);
        bench.expect_serving(&name).await;
        expect_event(case.client.clone(), &name, "Serving", "Normal").await;
        expect_event(
            case.client.clone(),
            &name,
            ready(&broken)["reason"].as_str().unwrap(),
            "Warning",
        )
        .await;
    });
}

/// Waits for an event about a BackendPlugin.
async fn expect_event(client: kube::Client, plugin: &str, reason: &str, kind: &str) {
    let events: Api<Event> = Api::namespaced(client, "default");
    let about = ListParams::default().fields(&format!("involvedObject.name={plugin}"));
    let what = format!("event {reason}");
    let found = eventually(PATIENCE, &what, async || {
        let list = events.list(&about).await.map_err(|error| error.to_string())?;
        let seen: Vec<_> = list
            .iter()
            .map(|event| (event.reason.clone(), event.type_.clone()))
            .collect();
        let wanted = (Some(reason.to_owned()), Some(kind.to_owned()));
        seen.contains(&wanted).then_some(()).ok_or_else(|| format!("{seen:?}"))
    });
    found.await.unwrap();
}

#[test]
fn a_file_that_is_not_there_yet_is_loaded_when_it_comes() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "late-file");
        bench.apply(&name, from_file(&name)).await;
        bench.expect_broken(&name, "SourceNotFound", &[&name]).await;
        bench.write(&name, &obliging(&json!({"types": [name]})));
        bench.expect_serving(&name).await;
    });
}

#[test]
fn a_plugin_in_a_config_map_follows_it() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "map");
        let (first, second) = (word(case, "map-first"), word(case, "map-second"));
        let maps: Api<ConfigMap> = Api::namespaced(case.client.clone(), &bench.world.installed.namespace);
        let holds = async |word: &str| {
            let map = ConfigMap {
                metadata: kube::core::ObjectMeta {
                    name: Some(name.clone()),
                    ..Default::default()
                },
                binary_data: Some(
                    [(
                        "plugin.wasm".to_owned(),
                        ByteString(obliging(&json!({"types": [name], "says": word}))),
                    )]
                    .into(),
                ),
                ..ConfigMap::default()
            };
            let params = PatchParams::apply("case").force();
            maps.patch(&name, &params, &Patch::Apply(&map)).await.unwrap();
        };
        bench
            .apply(&name, json!({"source": {"configMap": {"name": name}}}))
            .await;
        bench.expect_broken(&name, "SourceNotFound", &[&name]).await;
        holds(&first).await;
        bench.expect_serving(&name).await;
        create(case, "app", &name).await;
        case.expect_data("app", &[("value", &format!("{first} plain k"))]).await;
        holds(&second).await;
        case.expect_data("app", &[("value", &format!("{second} plain k"))])
            .await;

        maps.delete(&name, &DeleteParams::default()).await.unwrap();
        let gone = bench.expect_broken(&name, "SourceNotFound", &["serves on"]).await;
        assert!(gone["servingDigest"].is_string(), "{gone}");
    });
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "quiet");
        bench.write(&name, &obliging(&json!({"types": [name]})));
        bench.apply(&name, from_file(&name)).await;
        bench.expect_serving(&name).await;
        let version = async || bench.plugins().get(&name).await.unwrap().metadata.resource_version;
        let before = version().await;
        // Somebody else's plugin comes, changes and goes meanwhile.
        let other = fresh(case, "restless");
        for wishes in [json!({"types": [other]}), json!({"types": [other], "says": "more"})] {
            bench.write(&other, &obliging(&wishes));
            bench.apply(&other, from_file(&other)).await;
            bench.expect_serving(&other).await;
        }
        bench.delete(&other).await;
        assert_eq!(version().await, before);
    });
}
