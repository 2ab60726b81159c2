//! Two plugins that claim one backend type.

use jiff::Timestamp;
use keyhole_test_harness::eventually;
use serde_json::json;

use super::bench::{Bench, create, fresh, from_file, obliging, plugin_case, word};
use crate::case::PATIENCE;

/// Ages are told apart by the second, so waits for the next one.
async fn younger_than(bench: &Bench, plugin: &str) {
    let created = bench
        .plugins()
        .get(plugin)
        .await
        .unwrap()
        .metadata
        .creation_timestamp
        .unwrap();
    let over = eventually(PATIENCE, "another second", async || {
        (Timestamp::now().as_second() > created.0.as_second())
            .then_some(())
            .ok_or("not yet")
    });
    over.await.unwrap();
}

#[test]
fn the_older_plugin_serves_the_newer_says_so_and_takes_over_when_the_older_goes() {
    plugin_case(async |case, bench| {
        let (older, newer, backend_type) = (fresh(case, "z-older"), fresh(case, "a-newer"), fresh(case, "type"));
        let (old, new) = (word(case, "old"), word(case, "new"));
        bench.write(&older, &obliging(&json!({"types": [backend_type], "says": old})));
        bench.write(
            &newer,
            &obliging(&json!({"types": [backend_type, format!("{newer}-own")], "says": new})),
        );
        bench.apply(&older, from_file(&older)).await;
        bench.expect_serving(&older).await;
        younger_than(bench, &older).await;
        let mut only_that = from_file(&newer);
        only_that["backendTypes"] = json!([backend_type]);
        bench.apply(&newer, only_that).await;
        let taken = format!("{backend_type} is served by plugin {older} already");
        let status = bench.expect_broken(&newer, "TypeTaken", &[&taken]).await;
        assert!(status.get("backendTypes").is_none(), "{status}");
        create(case, "app", &backend_type).await;
        case.expect_data("app", &[("value", &format!("{old} plain k"))]).await;

        // With a type that nobody else has it serves that one.
        bench.apply(&newer, from_file(&newer)).await;
        let status = bench.expect_serving(&newer).await;
        assert_eq!(status["backendTypes"], format!("{newer}-own"));
        assert!(
            status["conditions"][0]["message"].as_str().unwrap().contains(&taken),
            "{status}"
        );

        bench.delete(&older).await;
        case.expect_data("app", &[("value", &format!("{new} plain k"))]).await;
        let both = bench
            .expect(&newer, "serve both", |status| {
                status["backendTypes"].as_str().is_some_and(|types| types.contains(','))
            })
            .await;
        assert!(
            !both["conditions"][0]["message"].as_str().unwrap().contains("already"),
            "{both}"
        );
    });
}

#[test]
fn backend_types_restrict_what_is_claimed() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "narrow");
        let (one, two) = (fresh(case, "one"), fresh(case, "two"));
        bench.write(&name, &obliging(&json!({"types": [one, two]})));
        let mut spec = from_file(&name);
        spec["backendTypes"] = json!([two]);
        bench.apply(&name, spec.clone()).await;
        let status = bench.expect_serving(&name).await;
        assert_eq!(status["backendTypes"], two.as_str());
        create(case, "app", &one).await;
        case.expect_error("app", "NoPlugin", &[&one]).await;

        spec["backendTypes"] = json!([two, "three"]);
        bench.apply(&name, spec).await;
        let words = ["spec.backendTypes[1]: the plugin does not serve \"three\"", &one];
        bench.expect_broken(&name, "InvalidSpec", &words).await;
    });
}
