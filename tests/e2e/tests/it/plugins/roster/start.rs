//! The start of a host in a cluster that has plugins already.

use keyhole_test_harness::{Host, Manifest, eventually};
use serde_json::json;

use super::bench::{create, from_file, lonely_plugin_case, obliging, word};
use crate::case::PATIENCE;

#[test]
fn after_a_restart_no_object_says_that_its_plugin_is_missing() {
    lonely_plugin_case(Manifest::Install, async |case, bench| {
        let (first, second) = (word(case, "first"), word(case, "second"));
        bench.write("steady", &obliging(&json!({"types": ["steady"], "says": first})));
        bench.apply("steady", from_file("steady")).await;
        bench.expect_serving("steady").await;
        create(case, "app", "steady").await;
        case.expect_success("app").await;
        let before = case.objects().get("app").await.unwrap().data["status"]["conditions"].clone();
        let told = bench.plugins().get("steady").await.unwrap().metadata.resource_version;

        // Both hosts see the same cluster; this one has everything to find out.
        let mut host = Host::start(bench.host_config()).await.unwrap();
        bench.write("steady", &obliging(&json!({"types": ["steady"], "says": second})));
        case.expect_data("app", &[("value", &format!("{second} plain k"))])
            .await;
        let after = case.objects().get("app").await.unwrap().data["status"]["conditions"].clone();
        assert_eq!(after[0]["lastTransitionTime"], before[0]["lastTransitionTime"]);
        let log = host.log();
        assert!(!log.contains("NoPlugin") && !log.contains("no plugin serves"), "{log}");
        eventually(PATIENCE, "the new file to be told", async || {
            let plugin = bench.plugins().get("steady").await.map_err(|error| error.to_string())?;
            (plugin.metadata.resource_version != told)
                .then_some(())
                .ok_or_else(|| "as before".to_owned())
        })
        .await
        .unwrap();
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}

#[test]
fn a_plugin_that_cannot_be_loaded_at_the_start_holds_up_only_its_own_objects() {
    lonely_plugin_case(Manifest::Install, async |case, bench| {
        bench.apply("absent", from_file("absent")).await;
        bench.expect_broken("absent", "SourceNotFound", &["absent"]).await;
        let key = case.set("db", word(case, "value"));
        case.create("aws", json!([{"key": key, "name": "value"}])).await;
        create(case, "app", "absent").await;
        case.expect_success("aws").await;
        let words = [
            "no plugin serves backendType \"absent\"",
            "BackendPlugins that do not serve: absent (SourceNotFound)",
        ];
        case.expect_error("app", "NoPlugin", &words).await;
        bench.expect_counted(&[("SourceNotFound", 1.0)]).await;
        let mut host = Host::start(bench.host_config()).await.unwrap();
        case.create("more", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("more").await;
        bench.write("absent", &obliging(&json!({"types": ["absent"]})));
        case.expect_success("app").await;
        bench.expect_counted(&[("SourceNotFound", 0.0), ("Serving", 1.0)]).await;
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());
    });
}
