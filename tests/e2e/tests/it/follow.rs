//! A Secret follows its store and its object.

use serde_json::json;

use crate::case::unique;
use crate::world::case;

#[test]
fn an_edited_spec_follows_and_drops_what_it_no_longer_names() {
    case(async |case| {
        let (one, two) = (unique("one"), unique("two"));
        let (first, second) = (case.set("first", one.clone()), case.set("second", two.clone()));
        let data = json!([{"key": first, "name": "a"}, {"key": second, "name": "b"}]);
        case.create_slow("app", data).await;
        case.expect_data("app", &[("a", &one), ("b", &two)]).await;
        case.patch("app", json!({"spec": {"data": [{"key": second, "name": "c"}]}}))
            .await;
        case.expect_data("app", &[("c", &two)]).await;
        case.expect_success("app").await;
    });
}

#[test]
fn the_refresh_annotation_forces_a_sync() {
    case(async |case| {
        let (first, second) = (unique("first"), unique("second"));
        let key = case.set("db", first.clone());
        case.create_slow("app", json!([{"key": key, "name": "value"}])).await;
        case.expect_data("app", &[("value", &first)]).await;
        case.set("db", second.clone());
        let annotation = json!({"externalsecrets.kubernetes-client.io/refresh": "now"});
        case.patch("app", json!({"metadata": {"annotations": annotation}}))
            .await;
        case.expect_data("app", &[("value", &second)]).await;
        case.expect_status("app", "forced", |line| line == "SUCCESS").await;
    });
}
