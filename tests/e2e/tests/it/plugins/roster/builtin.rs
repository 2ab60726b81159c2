//! An object named like a built-in plugin.

use keyhole_test_harness::{Host, Manifest};
use serde_json::json;

use super::bench::{lonely_plugin_case, word};
use crate::case::PATIENCE;

#[test]
fn an_object_overrides_a_built_in_plugin_also_right_after_a_restart() {
    lonely_plugin_case(Manifest::Install, async |case, bench| {
        let key = case.set("db", word(case, "first"));
        case.create("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_success("app").await;

        let spec = json!({"source": {"builtin": "secrets-manager"}, "namespaces": {"matchLabels": {"no": "body"}}});
        bench.apply("secrets-manager", spec.clone()).await;
        let status = bench.expect_serving("secrets-manager").await;
        assert_eq!(status["backendTypes"], "secretsManager");
        assert_eq!(status["credentials"], "hidden");
        case.expect_error("app", "NotPermitted", &["plugin secrets-manager is only for"])
            .await;

        let asked = bench.world.aws.requests().len();
        let mut host = Host::start(bench.host_config()).await.unwrap();
        case.create("late", json!([{"key": key, "name": "value"}])).await;
        case.expect_error("late", "NotPermitted", &["plugin secrets-manager is only for"])
            .await;
        assert_eq!(
            bench.world.aws.requests().len(),
            asked,
            "asked under the grant of before"
        );
        host.sigterm_and_wait(PATIENCE).await.unwrap();
        case.keep_log(host.log());

        // A grant takes the place of the built-in one whole.
        let bare = json!({"source": {"builtin": "secrets-manager"}, "grant": {"hosts": []}});
        bench.apply("secrets-manager", bare).await;
        case.expect_error("app", "EgressDenied", &["spec.grant"]).await;

        bench.delete("secrets-manager").await;
        case.expect_success("app").await;
        case.expect_success("late").await;
    });
}
