use futures_executor::block_on;
use keyhole_aws::Fault;
use keyhole_sdk::{Content, Error, ErrorKind, log, session};

use super::*;
use crate::fake::{Fake, fault, key, prefix, unreachable, with};
use crate::options::Joint;

fn keys<S: AsRef<str>>(names: &[S]) -> Vec<Request<Options>> {
    names.iter().map(|name| key(name.as_ref())).collect()
}

fn run(fake: &Fake, requests: &[Request<Options>]) -> Vec<Outcome> {
    block_on(fetch(fake, "eu-west-1", requests))
}

fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Value(Value {
            content: Content::Text(text),
            ..
        }) => text,
        other => panic!("{other:?}"),
    }
}

fn failed(outcome: &Outcome) -> &Error {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Proposed and full names.
fn named(outcome: &Outcome) -> Vec<(&str, &str)> {
    match outcome {
        Outcome::Values(values) => values
            .iter()
            .map(|named| (named.name.as_str(), named.full_name.as_str()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn denied() -> Fault {
    fault("AccessDeniedException", "not authorized to perform: ssm:GetParameters")
}

#[test]
fn a_batch_is_matched_by_name_whatever_its_order() {
    let fake = Fake::with(&["/a", "/b", "/c"]);
    let outcomes = run(&fake, &keys(&["/c", "/missing", "/a", "/b"]));
    assert_eq!(fake.calls(), (1, 0, 0));
    assert_eq!(
        [0, 2, 3].map(|n| text(&outcomes[n])),
        ["value of /c", "value of /a", "value of /b"]
    );
}

#[test]
fn a_missing_parameter_is_told_in_the_words_of_kes_from_a_batch_and_singly() {
    for missing in [keys(&["/a", "/missing"]), keys(&["/missing"])] {
        let outcomes = run(&Fake::with(&["/a"]), &missing);
        let error = failed(outcomes.last().unwrap());
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(error.message, "ParameterNotFound: /missing could not be found.");
        assert_eq!(error.store_code.as_deref(), Some("ParameterNotFound"));
    }
}

#[test]
fn a_single_parameter_is_asked_without_a_batch() {
    let fake = Fake::with(&["/a"]);
    assert_eq!(text(&run(&fake, &keys(&["/a", "/a"]))[1]), "value of /a");
    assert_eq!(fake.calls(), (0, 1, 0));
}

#[test]
fn selectors_and_arns_are_asked_singly_beside_a_batch() {
    let arn = "arn:aws:ssm:eu-west-1:1:parameter/a";
    let mut fake = Fake::with(&["/a", "/b", "arn"]);
    fake.get_faults.insert(arn.to_owned(), fault("ParameterNotFound", ""));
    let outcomes = run(&fake, &keys(&["/a", "/a:3", "/b", "/a:prod", arn]));
    assert_eq!(*fake.batches.borrow(), [["/a", "/b"]]);
    assert_eq!(*fake.gets.borrow(), ["/a:3", "/a:prod", arn]);
    assert_eq!((text(&outcomes[1]), text(&outcomes[3])), ("value of /a", "value of /a"));
    assert!(failed(&outcomes[4]).message.contains(arn));
}

#[test]
fn more_than_ten_names_take_two_batches_and_a_lone_rest_none() {
    let names: Vec<String> = (0..21).map(|n| format!("/s{n:02}")).collect();
    let fake = Fake::with(&names);
    let outcomes = run(&fake, &keys(&names));
    assert_eq!(fake.calls(), (2, 1, 0));
    assert!(
        names
            .iter()
            .zip(&outcomes)
            .all(|(name, outcome)| text(outcome) == format!("value of {name}"))
    );
}

#[test]
fn what_a_batch_leaves_out_or_answers_twice_is_asked_singly() {
    let mut fake = Fake::with(&["/a", "/b", "/c"]);
    fake.left_out = vec!["/a".to_owned()];
    fake.twice = vec!["/b".to_owned()];
    let outcomes = run(&fake, &keys(&["/a", "/b", "/c"]));
    assert_eq!(*fake.gets.borrow(), ["/a", "/b"]);
    assert_eq!(
        [0, 1, 2].map(|n| text(&outcomes[n])),
        ["value of /a", "value of /b", "value of /c"]
    );
}

#[test]
fn a_batch_that_is_not_permitted_is_tried_once_and_then_remembered() {
    let fake = Fake {
        batch_fault: Some(denied()),
        ..Fake::with(&["/a", "/b"])
    };
    for calls in [(1, 2, 0), (1, 4, 0)] {
        assert_eq!(text(&run(&fake, &keys(&["/a", "/b"]))[1]), "value of /b");
        assert_eq!(fake.calls(), calls);
    }
    assert_eq!(log::take().len(), 1, "said once");
    session::remove("batch-denied");
    run(&fake, &keys(&["/a", "/b"]));
    assert_eq!(fake.calls(), (2, 6, 0));
}

#[test]
fn one_forbidden_parameter_does_not_end_batches_for_the_others() {
    let mut fake = Fake {
        batch_fault: Some(denied()),
        ..Fake::with(&["/a", "/b"])
    };
    fake.get_faults
        .insert("/b".to_owned(), fault("AccessDeniedException", "ssm:GetParameter"));
    let outcomes = run(&fake, &keys(&["/a", "/b"]));
    assert_eq!(text(&outcomes[0]), "value of /a");
    assert_eq!(failed(&outcomes[1]).kind, ErrorKind::Denied);
    assert!(!is_denied(), "the batch was denied for the sake of /b");
}

#[test]
fn a_batch_that_fails_for_any_other_reason_is_asked_singly_and_not_remembered() {
    let kms = fault("AccessDeniedException", "not authorized to perform: kms:Decrypt");
    let codes = [
        "InternalServerError",
        "InvalidKeyId",
        "ValidationException",
        "SomethingNew",
    ];
    let faults = codes.map(|code| fault(code, "oops"));
    for batch_fault in faults.into_iter().chain([kms, unreachable()]) {
        let shown = format!("{batch_fault:?}");
        let fake = Fake {
            batch_fault: Some(batch_fault),
            ..Fake::with(&["/a", "/b"])
        };
        let outcomes = run(&fake, &keys(&["/a", "/b"]));
        assert_eq!(text(&outcomes[1]), "value of /b", "{shown}");
        assert!(!is_denied(), "{shown}");
    }
}

#[test]
fn a_throttled_batch_is_not_answered_with_more_calls() {
    let fake = Fake {
        batch_fault: Some(fault("ThrottlingException", "Rate exceeded")),
        ..Fake::with(&["/a", "/b"])
    };
    let outcomes = run(&fake, &keys(&["/a", "/b"]));
    assert_eq!(fake.calls(), (1, 0, 0));
    assert!(
        outcomes
            .iter()
            .all(|outcome| failed(outcome).kind == ErrorKind::Throttled(None))
    );
}

#[test]
fn singles_are_bounded() {
    let names: Vec<String> = (0..10).map(|n| format!("/s{n}:prod")).collect();
    let plain: Vec<String> = (0..10).map(|n| format!("/s{n}")).collect();
    let fake = Fake::with(&plain);
    run(&fake, &keys(&names));
    assert_eq!((fake.calls(), fake.most_under_way.get()), ((0, 10, 0), CONCURRENCY));
}

#[test]
fn a_version_that_the_host_has_is_answered_unchanged() {
    let fake = Fake::with(&["/a", "/b"]);
    let mut requests = keys(&["/a", "/b", "/a"]);
    requests[0].known_version = Some("v of /a".to_owned());
    requests[1].known_version = Some("older".to_owned());
    let outcomes = run(&fake, &requests);
    assert_eq!(outcomes[0], Outcome::Unchanged);
    assert_eq!((text(&outcomes[1]), text(&outcomes[2])), ("value of /b", "value of /a"));
    let Outcome::Value(value) = &outcomes[1] else { panic!() };
    assert_eq!(value.version.as_deref(), Some("v of /b"));
}

#[test]
fn a_string_list_is_text_until_pairs_are_asked_for() {
    let mut fake = Fake::with(&["/plain"]);
    fake.parameters.insert("/list".to_owned(), "b=2,a=1".to_owned());
    fake.parameters.insert("/odd".to_owned(), "a=1,hunter2".to_owned());
    fake.lists = vec!["/list".to_owned(), "/odd".to_owned()];
    let pairs = |name| {
        let options = Options {
            string_list: StringList::Pairs,
            ..Options::default()
        };
        with(key(name), options)
    };
    let outcomes = run(&fake, &[key("/list"), pairs("/list"), pairs("/odd"), pairs("/plain")]);
    assert_eq!(
        (text(&outcomes[0]), text(&outcomes[1])),
        ("b=2,a=1", r#"{"a":"1","b":"2"}"#)
    );
    let invalid = ErrorKind::Other("invalid-value".to_owned());
    for (outcome, message) in [
        (
            &outcomes[2],
            r#"parameter "/odd" in eu-west-1 is no list of pairs: entry 2 has no = between name and value"#,
        ),
        (
            &outcomes[3],
            r#"parameter "/plain" in eu-west-1 is no list of pairs: it is no StringList"#,
        ),
    ] {
        let error = failed(outcome);
        assert_eq!((&error.kind, error.message.as_str()), (&invalid, message));
    }
}

#[test]
fn a_path_gives_children_or_all_below_by_the_names_that_are_wanted() {
    let fake = Fake::with(&["/app/name", "/app/db/name", "/app/db/user", "/apple/name"]);
    let joined = Options {
        join_path_with: Some(Joint::Underscore),
        ..Options::default()
    };
    let requests = [
        prefix("/app/", false),
        prefix("/app", true),
        with(prefix("/app", true), joined),
        prefix("/nothing", true),
    ];
    let outcomes = run(&fake, &requests);
    assert_eq!(named(&outcomes[0]), [("name", "/app/name")]);
    let leaves = [
        ("name", "/app/db/name"),
        ("user", "/app/db/user"),
        ("name", "/app/name"),
    ];
    assert_eq!(named(&outcomes[1]), leaves, "the host tells that two give the same key");
    let whole = [
        ("db_name", "/app/db/name"),
        ("db_user", "/app/db/user"),
        ("name", "/app/name"),
    ];
    assert_eq!(named(&outcomes[2]), whole);
    assert_eq!(named(&outcomes[3]), []);
    assert_eq!(fake.calls(), (0, 0, 3), "the same path in two requests is read once");
}

#[test]
fn keys_and_paths_of_one_call_each_have_their_answer() {
    let fake = Fake::with(&["/a", "/b", "/p/x"]);
    let outcomes = run(&fake, &[key("/a"), prefix("/p", false), key(""), key("/b")]);
    assert_eq!((text(&outcomes[0]), text(&outcomes[3])), ("value of /a", "value of /b"));
    assert_eq!(named(&outcomes[1]), [("x", "/p/x")]);
    assert_eq!(failed(&outcomes[2]).kind, ErrorKind::Invalid("/key".to_owned()));
}
