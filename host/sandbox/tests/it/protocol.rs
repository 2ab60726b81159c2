//! Answers that are too large, or no answers to what was asked.

use keyhole_core::limits::Limits;
use keyhole_core::{CallError, Outcome, StoreError, StoreErrorKind};
use serde_json::json;

use crate::guest::{Sandbox, call, keys};
use crate::output::Log;

const KIB: usize = 1 << 10;

fn small() -> Limits {
    Limits {
        value: 64 * KIB,
        values: 100 * KIB,
        ..Limits::default()
    }
}

fn output(what: &'static str, limit: usize) -> CallError {
    CallError::Output { what, limit }
}

fn protocol(error: CallError) -> String {
    match error {
        CallError::Protocol(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_value_over_its_limit_is_no_value() {
    let sandbox = Sandbox::new(small()).await;
    assert_eq!(
        sandbox.says(json!({"do": "big", "bytes": 64 * KIB})).await.len(),
        64 * KIB
    );
    assert_eq!(
        sandbox.error(json!({"do": "big", "bytes": 64 * KIB + 1})).await,
        output("value", 64 * KIB)
    );
}

#[tokio::test]
async fn values_together_are_limited_too() {
    let sandbox = Sandbox::new(small()).await;
    let settings = json!({"do": "big", "bytes": 60 * KIB});
    assert!(sandbox.fetch(settings.clone(), &["a"]).await.is_ok());
    assert_eq!(
        sandbox.fetch(settings, &["a", "b"]).await.unwrap_err(),
        output("answer", 100 * KIB)
    );
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_giant_answer_is_not_even_copied() {
    let sandbox = Sandbox::new(small()).await;
    assert_eq!(
        sandbox.error(json!({"do": "big", "bytes": 24 << 20})).await,
        output("answer", 100 * KIB)
    );
    assert_eq!(
        sandbox.error(json!({"do": "crowd", "bytes": 200_000})).await,
        output("answer", 100 * KIB)
    );
    assert_eq!(
        sandbox.error(json!({"do": "message", "bytes": 4 << 20})).await,
        output("answer", 100 * KIB)
    );
}

#[tokio::test]
async fn an_answer_over_its_limit_is_not_searched_for_what_else_must_be_hidden() {
    let sandbox = Sandbox::new(small()).await;
    let (log, _guard) = Log::catch();
    let settings = json!({"do": "indiscreet", "text": "x ".repeat(32 * KIB + 1)});
    assert_eq!(sandbox.error(settings).await, output("value", 64 * KIB));
    let lines = log.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("3 lines of a call that failed are not shown"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_version_is_short() {
    let sandbox = Sandbox::new(small()).await;
    assert!(
        sandbox
            .fetch(json!({"do": "version", "bytes": KIB}), &["a"])
            .await
            .is_ok()
    );
    assert_eq!(
        sandbox.error(json!({"do": "version", "bytes": KIB + 1})).await,
        output("version", KIB)
    );
}

#[tokio::test]
async fn fewer_or_more_outcomes_than_requests_are_none() {
    let sandbox = Sandbox::new(small()).await;
    let fewer = sandbox
        .fetch(json!({"do": "fewer"}), &["a", "b", "c"])
        .await
        .unwrap_err();
    assert_eq!(protocol(fewer), "it returned 2 outcomes for 3 requests");
    assert_eq!(
        protocol(sandbox.error(json!({"do": "more"})).await),
        "it returned 2 outcomes for 1 requests"
    );
}

#[tokio::test]
async fn unchanged_is_an_answer_only_where_a_version_was_sent() {
    let sandbox = Sandbox::new(small()).await;
    let text = protocol(sandbox.error(json!({"do": "unchanged"})).await);
    assert!(text.contains("no known-version was sent"), "{text}");
    let mut requests = keys(&["a"]);
    requests[0].known_version = Some("1".into());
    let outcomes = sandbox
        .plugin
        .fetch(&call(json!({"do": "unchanged"})), &requests)
        .await
        .unwrap();
    assert!(matches!(outcomes[..], [Outcome::Unchanged]));
}

#[tokio::test]
async fn several_values_are_no_answer_to_a_key() {
    let sandbox = Sandbox::new(small()).await;
    assert!(protocol(sandbox.error(json!({"do": "values"})).await).contains("one key"));
}

#[tokio::test]
async fn broken_texts_and_pointers_are_the_guests_fault() {
    let sandbox = Sandbox::new(small()).await;
    assert!(protocol(sandbox.error(json!({"do": "not-utf8"})).await).contains("utf"));
    match sandbox.error(json!({"do": "wild-pointer"})).await {
        CallError::Protocol(text) => assert!(text.contains("out of bounds"), "{text}"),
        CallError::Output { .. } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_of_the_store_keeps_its_kind_and_loses_what_is_not_fit_to_show() {
    let sandbox = Sandbox::new(small()).await;
    let error = sandbox
        .error(json!({"do": "error", "kind": "throttled", "after": 1500, "message": "slow\n\tdown \u{1b}[1m"}))
        .await;
    let kind = StoreErrorKind::Throttled(Some(std::time::Duration::from_millis(1500)));
    assert_eq!(
        error,
        CallError::Store(StoreError {
            kind,
            message: "slow down [1m".to_owned(),
            store_code: None
        })
    );
    let CallError::Store(long) = sandbox.error(json!({"do": "message", "bytes": 8 * KIB})).await else {
        panic!()
    };
    assert!(long.message.len() <= KIB, "{}", long.message.len());
}

#[tokio::test]
async fn more_requests_than_the_plugin_takes_never_reach_it() {
    let sandbox = Sandbox::new(small()).await;
    let names: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(sandbox.fetch(json!({}), &names[..64]).await.unwrap().len(), 64);
    assert!(matches!(
        sandbox.fetch(json!({}), &names).await,
        Err(CallError::Host(_))
    ));
    assert!(
        sandbox.fetch(json!({"do": "trap"}), &[]).await.unwrap().is_empty(),
        "nothing asked, nothing run"
    );
}
