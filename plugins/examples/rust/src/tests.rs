#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use keyhole_sdk::ErrorKind;
use keyhole_sdk::http::Sent;
use keyhole_sdk::testing::{self, Answer, Http, key, prefix, tree};
use serde_json::{Value as Json, json};

use super::*;

fn settings() -> Json {
    json!({ "address": "https://store.example.com", "prefix": "team-a" })
}

/// A store with two secrets.
fn store() -> Http {
    Http::serve(|request: &Sent| {
        let db = json!({ "key": "team-a/db", "value": "hunter2", "version": "3" });
        match (request.path(), request.query()) {
            ("/v1/secrets/team-a/db", _) if request.header("if-none-match") == Some("\"3\"") => Answer::status(304),
            ("/v1/secrets/team-a/db", _) => Answer::json(200, &db),
            ("/v1/secrets/team-a/busy", _) => Answer::status(429).header("retry-after", "2"),
            ("/v1/secrets", "prefix=team-a%2Fx&recursive=true") => Answer::json(200, &json!({ "secrets": [db] })),
            ("/v1/secrets", _) => Answer::json(200, &json!({ "secrets": [] })),
            _ => Answer::status(404),
        }
    })
}

#[test]
fn each_request_has_its_outcome_in_its_place() {
    let store = store();
    let asked = [
        key("db"),
        key("absent"),
        key("db").known("3"),
        key("db").known("2"),
        key("busy"),
        key("../b"),
    ];
    let outcomes = testing::fetch::<JsonStore>(&settings(), &asked).unwrap();

    let db: Outcome = Value::text("hunter2").version("3").into();
    assert_eq!((&outcomes[0], &outcomes[3]), (&db, &db));
    assert_eq!(outcomes[2], Outcome::Unchanged);
    let kinds = [1, 4, 5].map(|failed| match &outcomes[failed] {
        Outcome::Failed(error) => error.kind.clone(),
        other => panic!("{other:?}"),
    });
    let after = Some(std::time::Duration::from_secs(2));
    let expected = [
        ErrorKind::NotFound,
        ErrorKind::Throttled(after),
        ErrorKind::Invalid("/key".to_owned()),
    ];
    assert_eq!(kinds, expected);
    assert!(
        store
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn a_path_becomes_named_values() {
    let _store = store();
    let outcomes = testing::fetch::<JsonStore>(&settings(), &[tree("x"), prefix("x")]).unwrap();
    let Outcome::Values(values) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        (values[0].name.as_str(), values[0].full_name.as_str()),
        ("db", "team-a/db")
    );
    assert_eq!(outcomes[1], Outcome::Values(Vec::new()), "nothing there is no error");
}

#[test]
fn settings_that_cannot_work_are_told_where() {
    let paths = |settings: Json| -> Vec<String> {
        let problems = testing::validate::<JsonStore>(&settings);
        problems.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(paths(settings()), [""; 0]);
    assert_eq!(
        paths(json!({ "address": "store", "prefix": "../b" })),
        ["/address", "/prefix"]
    );
}
