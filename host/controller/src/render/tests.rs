//! The road without a cluster gives what the operator would write.

use super::*;
use crate::plan::fixture::{Table, external_secret, live_set};
use serde_json::{Value as Json, json};

fn object(name: &str, data: Json) -> ExternalSecret {
    external_secret(
        name,
        json!({"backendType": "other", "type": "kubernetes.io/tls", "data": data}),
    )
}

async fn rendered(objects: &[ExternalSecret], table: &Arc<Table>) -> Vec<Rendered> {
    render(
        objects,
        &live_set(table),
        &Defaults::default(),
        PlannerConfig::default(),
        None,
    )
    .await
}

fn text(rendered: &Rendered) -> Vec<(String, String)> {
    let text =
        |(key, value): (&String, &SecretBytes)| (key.clone(), String::from_utf8_lossy(value.expose()).into_owned());
    rendered.result.as_ref().unwrap().iter().map(text).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[tokio::test(start_paused = true)]
async fn objects_become_data_in_their_order_from_shared_calls() {
    let table = Arc::new(Table {
        values: vec![("db", r#"{"user":"u","password":"p"}"#), ("key", "v")],
        ..Table::default()
    });
    let objects = [
        object(
            "second",
            json!([{"key": "db", "name": "user", "property": "user"}, {"key": "key", "name": "k"}]),
        ),
        object(
            "first",
            json!([{"key": "db", "name": "password", "property": "password"}]),
        ),
    ];
    let rendered = rendered(&objects, &table).await;
    assert_eq!(rendered[0].key, ObjectKey::new("team", "second"));
    assert_eq!(rendered[0].secret_type, "kubernetes.io/tls");
    assert_eq!(text(&rendered[0]), [pair("k", "v"), pair("user", "u")]);
    assert_eq!(text(&rendered[1]), [pair("password", "p")]);
    assert_eq!(
        *table.calls.lock().unwrap(),
        [["db", "key"]],
        "one call, and what both need is in it once"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_of_every_stage_stand_in_the_place_of_their_object() {
    let table = Arc::new(Table {
        values: vec![("db", "no json")],
        ..Table::default()
    });
    let objects = [
        external_secret(
            "plan",
            json!({"backendType": "nope", "data": [{"key": "db", "name": "n"}]}),
        ),
        object(
            "fetch",
            json!([{"key": "db", "name": "n"}, {"key": "gone", "name": "m"}]),
        ),
        object("shape", json!([{"key": "db", "name": "n", "property": "p"}])),
        object("fine", json!([{"key": "db", "name": "n"}])),
        object("fine", json!([{"key": "db", "name": "other"}])),
    ];
    let rendered = rendered(&objects, &table).await;
    let reason = |index: usize| rendered[index].result.as_ref().unwrap_err()[0].reason;
    assert_eq!(reason(0), Reason::NoPlugin);
    assert_eq!(reason(1), Reason::NotFound);
    assert_eq!(reason(2), Reason::InvalidValue);
    assert_eq!(text(&rendered[3]), [pair("n", "no json")]);
    let twice = &rendered[4].result.as_ref().unwrap_err()[0];
    assert_eq!(
        twice.condition_message(0),
        "team/fine was given before; keep one of the two"
    );
    let line = rendered[1].result.as_ref().unwrap_err()[0].status_line();
    assert_eq!(line, r#"ERROR, data[1]: other: no secret "gone""#);
}

#[tokio::test(start_paused = true)]
async fn more_objects_than_any_channel_holds_are_rendered() {
    let table = Arc::new(Table {
        values: vec![("k", "v")],
        ..Table::default()
    });
    let objects: Vec<_> = (0..3000)
        .map(|index| object(&format!("o{index}"), json!([{"key": "k", "name": "n"}])))
        .collect();
    let rendered = rendered(&objects, &table).await;
    assert!(rendered.iter().all(|rendered| text(rendered) == [pair("n", "v")]));
    assert_eq!(table.calls.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_becomes_nothing() {
    assert!(rendered(&[], &Arc::default()).await.is_empty());
}
