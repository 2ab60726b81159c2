//! `dataFrom`, `dataFromWithOptions` and `data` in one Secret.

use std::collections::BTreeSet;

use serde_json::json;

use super::secrets::reads;
use crate::case::{Case, unique};
use crate::world::{case, moto_case};

#[test]
fn f1_data_wins_over_data_from_with_options_over_data_from() {
    case(merging);
}

#[test]
fn f1_against_moto_data_wins_over_data_from_with_options_over_data_from() {
    moto_case(merging);
}

async fn merging(case: &Case) {
    let (from_1, _) = case
        .put(
            "from-1",
            json!({"a": "f1", "b": "f1", "c": "f1", "d": "f1", "e": "f1"}).to_string(),
        )
        .await;
    let (from_2, _) = case
        .put(
            "from-2",
            json!({"b": "f2", "c": "f2", "d": "f2", "e": "f2"}).to_string(),
        )
        .await;
    let (with_1, _) = case
        .put("with-1", json!({"c": "w1", "d": "w1", "e": "w1"}).to_string())
        .await;
    let (with_2, _) = case.put("with-2", json!({"d": "w2", "e": "w2"}).to_string()).await;
    let (plain_1, _) = case.put("plain-1", "p1").await;
    let (plain_2, _) = case.put("plain-2", "p2").await;
    let spec = json!({
        "backendType": "secretsManager",
        "data": [{"key": plain_1, "name": "e"}, {"key": plain_2, "name": "e"}, {"key": plain_1, "name": "f"}],
        "dataFromWithOptions": [{"key": with_1}, {"key": with_2, "versionStage": "AWSCURRENT"}],
        "dataFrom": [from_1, from_2],
    });
    case.create_spec("app", spec).await;
    let wanted = [
        ("a", "f1"),
        ("b", "f2"),
        ("c", "w1"),
        ("d", "w2"),
        ("e", "p2"),
        ("f", "p1"),
    ];
    case.expect_data("app", &wanted).await;
    case.expect_success("app").await;
}

#[test]
fn f2_what_cannot_be_spread_fails_the_object_and_changes_nothing() {
    case(async |case| {
        let value = unique("whole");
        let good = case.set("good", json!({"user": value}).to_string());
        let spec = json!({"backendType": "secretsManager", "dataFrom": [good]});
        case.create_spec("app", spec).await;
        let before = case.expect_data("app", &[("user", &value)]).await;
        for (name, bad) in [
            ("text", unique("no-json")),
            ("quoted", format!("{:?}", unique("quoted"))),
            ("number", "7314159265358979".to_owned()),
            ("null", "null".to_owned()),
        ] {
            let key = case.set(name, bad);
            case.patch("app", json!({"spec": {"dataFrom": [good, key]}})).await;
            case.expect_error("app", "InvalidValue", &[&key, "dataFrom[1]"]).await;
            assert_eq!(case.secrets().get("app").await.unwrap(), before, "{name}");
        }
    });
}

#[test]
fn f2_an_array_is_spread_by_index() {
    case(async |case| {
        let (first, second) = (unique("first"), unique("second"));
        let key = case.set("list", json!([first, {"inner": second}, 7]).to_string());
        let spec = json!({"backendType": "secretsManager", "dataFrom": [key]});
        case.create_spec("app", spec).await;
        let inner = json!({"inner": second}).to_string();
        case.expect_data("app", &[("0", &first), ("1", &inner), ("2", "7")])
            .await;
    });
}

#[test]
fn f2_a_secret_without_any_key_is_never_written() {
    case(async |case| {
        let key = case.set("empty", "{}");
        let spec = json!({"backendType": "secretsManager", "dataFrom": [key]});
        case.create_spec("app", spec).await;
        case.expect_error("app", "InvalidValue", &[&key]).await;
        assert_eq!(case.data("app").await, None);
    });
}

#[test]
fn f3_options_of_what_is_spread_are_passed_on() {
    case(async |case| {
        let (old, new) = (unique("old"), unique("new"));
        let old_id = case.put("db", json!({"old": old}).to_string()).await.1;
        let key = case.set("db", json!({"new": new, "encoded": "Zm9v"}).to_string());
        let create = async |name: &str, options: serde_json::Value| {
            let mut entry = json!({"key": key});
            entry
                .as_object_mut()
                .unwrap()
                .extend(options.as_object().unwrap().clone());
            let spec = json!({"backendType": "secretsManager", "dataFromWithOptions": [entry]});
            case.create_spec(name, spec).await;
        };
        create("by-stage", json!({"versionStage": "AWSPREVIOUS"})).await;
        create("by-id", json!({"versionId": old_id})).await;
        create("current", json!({"isBinary": true})).await;
        case.expect_data("by-stage", &[("old", &old)]).await;
        case.expect_data("by-id", &[("old", &old)]).await;
        case.expect_data("current", &[("new", &new), ("encoded", "Zm9v")]).await;
        let asked: BTreeSet<_> = reads(case, &key)
            .into_iter()
            .map(|request| (request.version_stage, request.version_id))
            .collect();
        assert!(asked.contains(&(Some("AWSPREVIOUS".to_owned()), None)), "{asked:?}");
        assert!(asked.contains(&(None, Some(old_id))), "{asked:?}");
    });
}
