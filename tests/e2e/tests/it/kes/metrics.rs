//! The metrics by which KES is watched.

use keyhole_test_harness::{Host, eventually};
use serde_json::json;

use crate::case::{Case, PATIENCE, unique};
use crate::world::case;

/// Waits until the host's metrics have exactly these lines.
async fn expect_lines(host: &Host, lines: &[String]) {
    eventually(PATIENCE, "the lines of KES", async || {
        let page = host.page("/metrics").await.map_err(|error| error.to_string())?;
        let missing: Vec<_> = lines
            .iter()
            .filter(|line| !page.lines().any(|there| there == *line))
            .collect();
        missing
            .is_empty()
            .then_some(())
            .ok_or_else(|| format!("missing {missing:?}"))
    })
    .await
    .unwrap();
}

fn labels(case: &Case) -> String {
    format!(r#"name="app",namespace="{}",backend="secretsManager""#, case.namespace)
}

#[test]
fn m1_a_success_and_a_failure_give_the_lines_of_kes() {
    case(async |case| {
        let key = case.set("db", unique("metrics"));
        case.create_slow("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;
        let labels = labels(case);
        let state = |value: &str| format!("kubernetes_external_secrets_last_sync_call_state{{{labels}}} {value}");
        let count =
            |status: &str| format!(r#"kubernetes_external_secrets_sync_calls_count{{{labels},status="{status}"}} 1"#);
        expect_lines(&case.world.host, &[state("1"), count("success")]).await;
        case.patch(
            "app",
            json!({"spec": {"data": [{"key": key, "name": "value", "property": "none"}]}}),
        )
        .await;
        case.expect_error("app", "InvalidValue", &[]).await;
        expect_lines(&case.world.host, &[state("-1"), count("success"), count("error")]).await;
        let page = case.world.host.page("/metrics").await.unwrap();
        assert!(
            !page.contains("\nsync_calls") && !page.contains("\nlast_state"),
            "deprecated names were not asked for"
        );
    });
}

#[test]
fn the_names_that_kes_deprecated_are_there_on_request_and_no_object_is_named_on_request() {
    case(async |case| {
        let instance = format!("metrics-{}", case.namespace);
        let key = case.set("db", unique("metrics"));
        let config = |name: &str, value: &str| case.own_host(&instance).env(name, value);
        let deprecated = Host::start(config("KEYHOLE_DEPRECATED_METRICS", "true")).await.unwrap();
        let spec = json!({"backendType": "secretsManager", "controllerId": instance, "refreshInterval": "1h", "data": [{"key": key, "name": "value"}]});
        case.create_spec("app", spec).await;
        case.expect_success("app").await;
        let labels = labels(case);
        expect_lines(
            &deprecated,
            &[
                format!("last_state{{{labels}}} 1"),
                format!(r#"sync_calls{{{labels},status="success"}} 1"#),
            ],
        )
        .await;
        case.keep_log(deprecated.log());
        drop(deprecated);

        let unnamed = Host::start(config("KEYHOLE_OBJECT_METRICS", "false")).await.unwrap();
        case.patch("app", json!({"spec": {"data": [{"key": key, "name": "renamed"}]}}))
            .await;
        case.expect_success("app").await;
        let page = unnamed.page("/metrics").await.unwrap();
        assert!(
            page.contains("keyhole_syncs_total") && !page.contains(&case.namespace),
            "{page}"
        );
        case.keep_log(unnamed.log());
    });
}
