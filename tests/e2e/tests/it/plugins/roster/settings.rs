//! Settings that the administrator gives to all objects.

use serde_json::json;

use super::bench::{create, fresh, from_file, obliging, plugin_case, word};

#[test]
fn changed_settings_refresh_the_objects_of_that_plugin_and_no_others() {
    plugin_case(async |case, bench| {
        let (mine, other) = (fresh(case, "mine"), fresh(case, "other"));
        let (says, early, late) = (word(case, "says"), word(case, "early"), word(case, "late"));
        for name in [&mine, &other] {
            bench.write(name, &obliging(&json!({"types": [name], "says": says})));
        }
        let with = |name: &str, greeting: &str| {
            let mut spec = from_file(name);
            spec["settings"] = json!({"greeting": greeting});
            spec
        };
        bench.apply(&mine, with(&mine, &early)).await;
        bench.apply(&other, with(&other, &early)).await;
        for name in [&mine, &other] {
            bench.expect_serving(name).await;
            create(case, name, name).await;
            case.expect_data(name, &[("value", &format!("{says} {early} k"))]).await;
            case.expect_success(name).await;
        }
        // An object may set what the schema opens to it.
        let own = json!({"backendType": mine, "refreshInterval": "1h", "config": {"greeting": "own"}, "data": [{"key": "k", "name": "value"}]});
        case.create_spec("own", own).await;
        case.expect_data("own", &[("value", &format!("{says} own k"))]).await;

        let calls = bench.calls(&other).await;
        let before = case.objects().get(&other).await.unwrap().metadata.resource_version;
        bench.apply(&mine, with(&mine, &late)).await;
        case.expect_data(&mine, &[("value", &format!("{says} {late} k"))]).await;
        case.expect_data("own", &[("value", &format!("{says} own k"))]).await;
        assert_eq!(
            bench.calls(&other).await,
            calls,
            "an object of another plugin was fetched"
        );
        let after = case.objects().get(&other).await.unwrap().metadata.resource_version;
        assert_eq!(after, before, "an object of another plugin was written");
    });
}

#[test]
fn settings_that_the_plugin_does_not_know_are_named() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "unknown");
        bench.write(&name, &obliging(&json!({"types": [name]})));
        let mut spec = from_file(&name);
        spec["settings"] = json!({"adress": "x", "greeting": 7});
        bench.apply(&name, spec).await;
        let words = [
            "spec.settings.adress: the plugin does not know it; known: address, greeting",
            "spec.settings.greeting: 7 is not of type",
        ];
        bench.expect_broken(&name, "InvalidSpec", &words).await;
    });
}

#[test]
fn an_object_cannot_set_what_is_the_administrators() {
    plugin_case(async |case, bench| {
        let name = fresh(case, "admin");
        bench.write(&name, &obliging(&json!({"types": [name]})));
        bench.apply(&name, from_file(&name)).await;
        bench.expect_serving(&name).await;
        let spec = json!({"backendType": name, "config": {"address": "https://evil.example.com"}, "dataFrom": ["k"]});
        case.create_spec("app", spec).await;
        case.expect_error("app", "InvalidSpec", &["address may be set by the administrator only"])
            .await;
    });
}
