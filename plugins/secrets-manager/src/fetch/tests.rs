use futures_executor::block_on;
use keyhole_aws::Fault;
use keyhole_sdk::{Error, ErrorKind, Selector, log, session};

use super::*;
use crate::ask::Version;
use crate::fake::{Fake, fault, unreachable};

fn request(key: &str) -> Request<Options> {
    Request {
        selector: Selector::key(key),
        options: Options::default(),
        known_version: None,
    }
}

fn requests(keys: &[&str]) -> Vec<Request<Options>> {
    keys.iter().map(|key| request(key)).collect()
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

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("s{n:02}")).collect()
}

#[test]
fn a_batch_is_matched_by_name_whatever_its_order() {
    let fake = Fake::with(&["a", "b", "c"]);
    let outcomes = run(&fake, &requests(&["c", "missing", "a", "b"]));
    assert_eq!(fake.calls(), (1, 0));
    assert_eq!(
        [0, 2, 3].map(|n| text(&outcomes[n])),
        ["value of c", "value of a", "value of b"]
    );
    let error = failed(&outcomes[1]);
    assert_eq!(
        (&error.kind, error.message.as_str()),
        (&ErrorKind::NotFound, "no secret \"missing\" in eu-west-1")
    );
}

#[test]
fn a_single_secret_is_asked_without_a_batch() {
    let fake = Fake::with(&["a"]);
    assert_eq!(text(&run(&fake, &requests(&["a"]))[0]), "value of a");
    assert_eq!(fake.calls(), (0, 1));
    assert_eq!(fake.gets.borrow()[0].1, Version::Stage("AWSCURRENT".to_owned()));
}

#[test]
fn one_name_in_two_requests_travels_once() {
    let fake = Fake::with(&["a", "b"]);
    let outcomes = run(&fake, &requests(&["a", "b", "a"]));
    assert_eq!(fake.batches.borrow()[0], ["a", "b"]);
    assert_eq!(text(&outcomes[2]), "value of a");
}

#[test]
fn more_than_twenty_names_take_two_batches_and_a_lone_rest_none() {
    let all = names(41);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let fake = Fake::with(&all);
    let outcomes = run(&fake, &requests(&all));
    assert_eq!(fake.calls(), (2, 1));
    assert!(
        all.iter()
            .zip(&outcomes)
            .all(|(name, outcome)| text(outcome) == format!("value of {name}"))
    );
}

#[test]
fn pages_are_followed_to_the_end() {
    let fake = Fake {
        page: 2,
        ..Fake::with(&["a", "b", "c", "d", "e"])
    };
    let outcomes = run(&fake, &requests(&["a", "b", "c", "d", "e"]));
    assert_eq!(fake.calls(), (3, 0));
    assert_eq!(text(&outcomes[4]), "value of e");
}

#[test]
fn what_a_batch_leaves_out_or_answers_twice_is_asked_singly() {
    let mut fake = Fake::with(&["a", "b", "c"]);
    fake.left_out = vec!["a".to_owned()];
    fake.twice = vec!["b".to_owned()];
    let outcomes = run(&fake, &requests(&["a", "b", "c"]));
    let mut asked: Vec<_> = fake.gets.borrow().iter().map(|(name, _)| name.clone()).collect();
    asked.sort();
    assert_eq!(asked, ["a", "b"]);
    assert_eq!(
        [0, 1, 2].map(|n| text(&outcomes[n])),
        ["value of a", "value of b", "value of c"]
    );
}

#[test]
fn an_error_of_one_entry_stands_and_is_not_asked_again() {
    let mut fake = Fake::with(&["a", "b"]);
    fake.entry_faults
        .insert("a".to_owned(), fault("DecryptionFailure", "cannot decrypt"));
    let outcomes = run(&fake, &requests(&["a", "b"]));
    assert_eq!(fake.calls(), (1, 0));
    assert_eq!(failed(&outcomes[0]).kind, ErrorKind::Denied);
    assert_eq!(text(&outcomes[1]), "value of b");
}

#[test]
fn a_batch_that_is_not_permitted_is_tried_once_and_then_remembered() {
    let denied = fault(
        "AccessDeniedException",
        "not authorized to perform: secretsmanager:BatchGetSecretValue",
    );
    let fake = Fake {
        batch_fault: Some(denied),
        ..Fake::with(&["a", "b"])
    };
    for calls in [(1, 2), (1, 4)] {
        assert_eq!(text(&run(&fake, &requests(&["a", "b"]))[1]), "value of b");
        assert_eq!(fake.calls(), calls);
    }
    assert_eq!(log::take().len(), 1, "said once");
    session::remove("batch-denied");
    run(&fake, &requests(&["a", "b"]));
    assert_eq!(fake.calls(), (2, 6));
}

#[test]
fn a_batch_that_fails_for_any_other_reason_is_asked_singly_and_not_remembered() {
    let proxy = Fault {
        status: Some(403),
        ..Fault::default()
    };
    let codes = ["InternalServiceError", "InvalidParameterException", "SomethingNew"];
    for batch_fault in codes.map(|code| fault(code, "oops")).into_iter().chain([proxy]) {
        let shown = format!("{batch_fault:?}");
        let fake = Fake {
            batch_fault: Some(batch_fault),
            ..Fake::with(&["a", "b"])
        };
        let outcomes = run(&fake, &requests(&["a", "b"]));
        assert_eq!(
            (text(&outcomes[0]), text(&outcomes[1])),
            ("value of a", "value of b"),
            "{shown}"
        );
        assert!(!is_denied(), "{shown}");
    }
}

#[test]
fn a_throttled_batch_is_not_answered_with_more_calls() {
    let throttled = fault("ThrottlingException", "Rate exceeded");
    let fake = Fake {
        batch_fault: Some(throttled),
        ..Fake::with(&["a", "b"])
    };
    let outcomes = run(&fake, &requests(&["a", "b"]));
    assert_eq!(fake.calls(), (1, 0));
    assert!(
        outcomes
            .iter()
            .all(|outcome| failed(outcome).kind == ErrorKind::Throttled(None))
    );
}

#[test]
fn an_unaccepted_identity_is_reported_without_more_calls() {
    let fake = Fake {
        batch_fault: Some(fault("ExpiredTokenException", "expired")),
        ..Fake::with(&["a", "b"])
    };
    let outcomes = run(&fake, &requests(&["a", "b"]));
    assert_eq!(fake.calls(), (1, 0));
    assert!(
        outcomes
            .iter()
            .all(|outcome| failed(outcome).kind == ErrorKind::Unauthenticated)
    );
}

#[test]
fn singles_are_bounded_and_stop_when_throttled() {
    let all = names(30);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let staged: Vec<_> = all
        .iter()
        .map(|name| {
            let options = Options {
                version_stage: Some("AWSPREVIOUS".to_owned()),
                version_id: None,
            };
            Request {
                options,
                ..request(name)
            }
        })
        .collect();

    let fake = Fake::with(&all);
    assert_eq!(text(&run(&fake, &staged)[29]), "value of s29");
    assert_eq!((fake.calls(), fake.most_under_way.get()), ((0, 30), CONCURRENCY));

    let mut fake = Fake::with(&all);
    fake.get_faults
        .insert("s00".to_owned(), fault("ThrottlingException", "Rate exceeded"));
    let outcomes = run(&fake, &staged);
    let asked = fake.calls().1;
    assert!(asked < 2 * CONCURRENCY, "{asked} calls after the first was throttled");
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Value(_)))
            .count(),
        asked - 1
    );
    assert_eq!(failed(&outcomes[29]).kind, ErrorKind::Throttled(None));
}

#[test]
fn one_secret_that_fails_does_not_take_the_others_with_it() {
    let mut fake = Fake::with(&["a", "b"]);
    fake.batch_fault = Some(fault("InternalServiceError", "oops"));
    fake.get_faults.insert("a".to_owned(), unreachable());
    let outcomes = run(&fake, &requests(&["a", "b"]));
    assert_eq!(failed(&outcomes[0]).kind, ErrorKind::Unavailable(None));
    assert_eq!(text(&outcomes[1]), "value of b");
}

#[test]
fn a_dead_network_costs_one_wave_of_calls_and_not_one_for_each_secret() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut fake = Fake {
        batch_fault: Some(unreachable()),
        ..Fake::with(&all)
    };
    fake.get_faults = all.iter().map(|name| ((*name).to_owned(), unreachable())).collect();
    let outcomes = run(&fake, &requests(&all));
    assert_eq!(fake.calls(), (1, CONCURRENCY));
    assert!(
        outcomes
            .iter()
            .all(|outcome| failed(outcome).kind == ErrorKind::Unavailable(None))
    );
}

#[test]
fn many_lost_secrets_do_not_take_those_with_them_that_can_be_had() {
    let all = names(20);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut fake = Fake {
        batch_fault: Some(unreachable()),
        ..Fake::with(&all)
    };
    fake.get_faults = all[1..19]
        .iter()
        .map(|name| ((*name).to_owned(), unreachable()))
        .collect();
    let outcomes = run(&fake, &requests(&all));
    assert_eq!(
        (text(&outcomes[0]), text(&outcomes[19])),
        ("value of s00", "value of s19")
    );
}

#[test]
fn a_batch_that_cannot_get_through_does_not_stop_what_can() {
    let fake = Fake {
        batch_fault: Some(unreachable()),
        ..Fake::with(&["a", "b", "c"])
    };
    let outcomes = run(&fake, &requests(&["a", "b", "c"]));
    assert_eq!(fake.calls(), (1, 3));
    assert_eq!(text(&outcomes[2]), "value of c");
}

#[test]
fn a_version_that_the_host_has_is_answered_unchanged() {
    let fake = Fake::with(&["a", "b", "c"]);
    let mut requests = requests(&["a", "b", "c", "a"]);
    requests[0].known_version = Some("v of a".to_owned());
    requests[1].known_version = Some("older".to_owned());
    let outcomes = run(&fake, &requests);
    assert_eq!(outcomes[0], Outcome::Unchanged);
    assert_eq!((text(&outcomes[1]), text(&outcomes[2])), ("value of b", "value of c"));
    assert_eq!(
        text(&outcomes[3]),
        "value of a",
        "the same secret for somebody who does not have it"
    );
    let Outcome::Value(value) = &outcomes[1] else { panic!() };
    assert_eq!(value.version.as_deref(), Some("v of b"));
}
