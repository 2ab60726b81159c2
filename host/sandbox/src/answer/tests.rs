use keyhole_core::Request;

use super::*;

fn key(version: Option<&str>) -> PlannedRequest {
    let selector = Selector::Key("k".into());
    PlannedRequest {
        request: Request {
            selector,
            options: Default::default(),
        },
        known_version: version.map(Arc::from),
    }
}

fn prefix() -> PlannedRequest {
    let selector = Selector::Prefix {
        path: "/p".into(),
        recursive: false,
    };
    PlannedRequest {
        request: Request {
            selector,
            options: Default::default(),
        },
        known_version: None,
    }
}

fn text(text: &str) -> wit::Value {
    wit::Value {
        content: wit::Content::Text(text.to_owned()),
        version: None,
    }
}

fn checked(raw: Vec<wit::Outcome>, requests: &[PlannedRequest]) -> Result<(), CallError> {
    let limits = Limits {
        value: 8,
        values: 12,
        ..Limits::default()
    };
    let answer = Answer::take(raw);
    answer.check_sizes(&limits)?;
    answer.check_fit(requests)
}

fn protocol(result: Result<(), CallError>) -> String {
    match result {
        Err(CallError::Protocol(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_fits_its_requests_or_is_not_believed_at_all() {
    let value = || wit::Outcome::Value(text("v"));
    assert_eq!(
        checked(vec![value(), wit::Outcome::Values(vec![])], &[key(None), prefix()]),
        Ok(())
    );
    assert_eq!(checked(vec![wit::Outcome::Unchanged], &[key(Some("1"))]), Ok(()));
    assert_eq!(
        protocol(checked(vec![value()], &[key(None), key(None)])),
        "it returned 1 outcomes for 2 requests"
    );
    assert_eq!(
        protocol(checked(vec![value(), value()], &[key(None)])),
        "it returned 2 outcomes for 1 requests"
    );
    assert!(protocol(checked(vec![value()], &[prefix()])).contains("prefix"));
    assert!(protocol(checked(vec![wit::Outcome::Values(vec![])], &[key(None)])).contains("one key"));
    assert!(
        protocol(checked(vec![value(), wit::Outcome::Unchanged], &[key(None), key(None)]))
            .starts_with("outcome 1: unchanged")
    );
}

#[test]
fn sizes_are_limited_one_by_one_and_together() {
    let value = |size: usize| wit::Outcome::Value(text(&"x".repeat(size)));
    let over = |what, limit| Err(CallError::Output { what, limit });
    assert_eq!(checked(vec![value(8)], &[key(None)]), Ok(()));
    assert_eq!(checked(vec![value(9)], &[key(None)]), over("value", 8));
    assert_eq!(checked(vec![value(6), value(6)], &[key(None), key(None)]), Ok(()));
    assert_eq!(
        checked(vec![value(6), value(7)], &[key(None), key(None)]),
        over("answer", 12)
    );
    let versioned = wit::Value {
        version: Some("v".repeat(VERSION + 1)),
        ..text("x")
    };
    assert_eq!(
        checked(vec![wit::Outcome::Value(versioned)], &[key(None)]),
        over("version", VERSION)
    );
    let named = |name: String| wit::NamedValue {
        name,
        full_name: String::new(),
        content: wit::Content::Bytes(vec![]),
        version: None,
    };
    let values = wit::Outcome::Values(vec![named("n".repeat(NAME + 1))]);
    assert_eq!(checked(vec![values], &[prefix()]), over("name of a value", NAME));
}

#[test]
fn texts_lose_the_values_of_the_call_and_stay_on_one_line() {
    let raw = wit::Error {
        kind: wit::ErrorKind::Other("code with hunter2-long".to_owned()),
        message: "no\nluck with hunter2-long".to_owned(),
        store_code: Some("X\u{1b}[0m".to_owned()),
    };
    let answer = Answer::take(vec![
        wit::Outcome::Value(text("hunter2-long")),
        wit::Outcome::Failed(raw),
    ]);
    let mut mask = Mask::default();
    answer.values().for_each(|value| mask.add(&value.bytes));
    let outcomes = answer.cleaned(&mask);
    let Outcome::Failed(error) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(error.message, "no luck with ***");
    assert_eq!(error.kind, StoreErrorKind::Other("code with ***".to_owned()));
    assert_eq!(error.store_code.as_deref(), Some("X [0m"));
}

#[test]
fn a_wish_to_be_left_alone_for_ever_is_not_believed() {
    let raw = wit::Error {
        kind: wit::ErrorKind::Throttled(Some(u64::MAX)),
        message: String::new(),
        store_code: None,
    };
    let error = clean_error(store_error(raw), &Mask::default());
    assert_eq!(error.kind, StoreErrorKind::Throttled(Some(RETRY_AFTER)));
    assert_eq!(error.message, "the plugin gave no reason");
}
