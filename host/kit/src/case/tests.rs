use super::*;
use keyhole_core::{NamedValue, SecretBytes, StoreError};
use std::time::Duration;

fn value(text: &str, version: Option<&str>) -> Outcome {
    Outcome::Value(Value {
        bytes: SecretBytes::from(text.to_owned()),
        is_text: true,
        version: version.map(Into::into),
    })
}

fn failed(kind: StoreErrorKind) -> Outcome {
    Outcome::Failed(StoreError {
        kind,
        message: "m".into(),
        store_code: None,
    })
}

fn expected(yaml: &str) -> Expected {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn a_value_is_compared_with_its_version_if_one_is_named() {
    let any = expected("value: a");
    assert_eq!(any.mismatch(&value("a", Some("7"))), None);
    assert!(
        any.mismatch(&value("b", None))
            .unwrap()
            .contains("expected value \"a\"")
    );
    let third = expected("{value: a, version: \"3\"}");
    assert_eq!(third.mismatch(&value("a", Some("3"))), None);
    assert!(third.mismatch(&value("a", None)).is_some());
    assert_eq!(expected("valueBase64: YQ==").mismatch(&value("a", None)), None);
}

#[test]
fn values_are_compared_in_any_order_and_none_may_be_more() {
    let named = |name: &str| NamedValue {
        name: name.into(),
        full_name: format!("/x/{name}"),
        value: Value {
            bytes: SecretBytes::from(name.to_owned()),
            is_text: true,
            version: None,
        },
    };
    let both = expected("values: [{name: a, value: a}, {name: b, fullName: /x/b, value: b}]");
    assert_eq!(both.mismatch(&Outcome::Values(vec![named("b"), named("a")])), None);
    for wrong in [
        vec![named("a")],
        vec![named("a"), named("c")],
        vec![named("a"), named("b"), named("c")],
    ] {
        assert!(both.mismatch(&Outcome::Values(wrong)).is_some());
    }
    assert!(both.mismatch(&value("a", None)).is_some());
}

#[test]
fn an_error_is_compared_by_kind_and_retry_after() {
    let throttled = |seconds| failed(StoreErrorKind::Throttled(seconds));
    let seven = expected("{error: throttled, retryAfterMs: 7000}");
    assert_eq!(seven.mismatch(&throttled(Some(Duration::from_secs(7)))), None);
    assert!(seven.mismatch(&throttled(None)).is_some());
    assert!(expected("error: not-found").mismatch(&throttled(None)).is_some());
    assert!(expected("unchanged: true").mismatch(&value("a", None)).is_some());
}

#[test]
fn what_is_wrong_in_a_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let why = |yaml: &str| {
        fs::write(folder.path().join(CASE_FILE), yaml).unwrap();
        Recorded::load(folder.path()).unwrap_err().to_string()
    };
    assert!(why("requests: []").contains("asks for nothing"));
    assert!(
        why("requests: [{key: a, path: b, expect: {value: v}}]")
            .contains("requests[0]: say exactly one of key and path")
    );
    assert!(why("requests: [{key: a, expect: {}}]").contains("expect: say exactly one of"));
    assert!(
        why("requests: [{key: a, expect: {error: missing}}]")
            .contains("\"missing\" is no kind of error; one of not-found")
    );
    assert!(why("requests: [{key: a, exepct: {value: v}}]").contains("exepct"));
}

#[test]
fn a_folder_gives_its_cases_by_name_and_other_folders_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a", "other"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["b", "a"] {
        fs::write(
            folder.path().join(name).join(CASE_FILE),
            "requests: [{key: k, expect: {value: v}}]",
        )
        .unwrap();
    }
    let exchange = "request: {method: GET, url: 'https://s.example.com/k'}\nresponse: {status: 200, body: v}\n";
    fs::write(folder.path().join("a/01.yaml"), exchange).unwrap();
    let cases = Recorded::all(folder.path()).unwrap();
    let seen: Vec<_> = cases
        .iter()
        .map(|case| (case.name.as_str(), case.exchanges.len()))
        .collect();
    assert_eq!(seen, [("a", 1), ("b", 0)]);
    assert!(Recorded::all(Path::new("/nonexistent")).unwrap().is_empty());
}
