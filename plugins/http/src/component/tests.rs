use std::time::Duration;

use keyhole_sdk::testing::{self, Answer, Http, key, tree};
use keyhole_sdk::{Content, ErrorKind, Value};
use serde_json::{Value as Json, json};

use super::*;

fn settings(more: Json) -> Json {
    let mut settings = json!({"url": "https://store.example/v1/{key}", "value": "/data/value"});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    settings
}

fn fetch(more: Json, names: &[&str]) -> Vec<Outcome> {
    let requests: Vec<_> = names.iter().map(|name| key(*name)).collect();
    testing::fetch::<HttpStore>(&settings(more), &requests).unwrap()
}

/// What becomes of one answer.
fn read(more: Json, answer: Answer) -> Outcome {
    let answer = std::cell::RefCell::new(Some(answer));
    let _store = Http::serve(move |_| answer.take().unwrap());
    fetch(more, &["app"]).remove(0)
}

fn value(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Value(value) => value,
        other => panic!("{other:?}"),
    }
}

fn text(outcome: Outcome) -> String {
    match value(outcome).content {
        Content::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn bytes(outcome: Outcome) -> Vec<u8> {
    match value(outcome).content {
        Content::Bytes(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn failed(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_key_is_asked_once_and_a_refused_one_takes_no_other_with_it() {
    let store = Http::serve(|request| match request.path() {
        "/v1/team/a" => Answer::json(200, &json!({"data": {"value": "one"}})),
        "/v1/b" => Answer::json(200, &json!({"data": {"value": "two"}})),
        _ => Answer::status(404),
    });
    let outcomes = fetch(
        json!({"headers": {"X-Tenant": "t"}}),
        &["b", "../admin", "none", "team/a", ""],
    );
    let [b, admin, none, a, empty] = <[Outcome; 5]>::try_from(outcomes).unwrap();
    assert_eq!((text(b), text(a)), ("two".to_owned(), "one".to_owned()));
    assert_eq!(failed(none).message, "no entry \"none\"");
    for refused in [admin, empty] {
        assert_eq!(failed(refused).kind, ErrorKind::Invalid("/key".to_owned()));
    }
    let sent = store.requests();
    assert_eq!(sent.len(), 3);
    assert!(
        sent.iter()
            .all(|sent| sent.header("x-tenant") == Some("t") && sent.header("accept") == Some("application/json"))
    );
}

#[test]
fn a_store_may_be_asked_by_a_body() {
    let store = Http::serve(|_| Answer::json(200, &json!({"data": {"value": "one"}})));
    let json_body = json!({"url": "https://store.example/query", "method": "POST", "body": r#"{"name": "{key}"}"#});
    assert_eq!(text(fetch(json_body, &["a\"b"]).remove(0)), "one");
    let form = json!({"url": "https://store.example/query", "method": "POST", "body": "name={key}",
        "headers": {"content-type": "application/x-www-form-urlencoded"}});
    fetch(form, &["a b"]);
    let sent = store.requests();
    assert_eq!(sent[0].body.as_deref(), Some(&br#"{"name": "a\"b"}"#[..]));
    assert_eq!(
        (sent[0].method.as_str(), sent[0].header("content-type")),
        ("POST", Some("application/json"))
    );
    assert_eq!(sent[1].body.as_deref(), Some(&b"name=a%20b"[..]));
    assert_eq!(
        sent[1].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
}

#[test]
fn the_value_is_where_the_pointer_says_with_the_digits_of_the_store() {
    let answer = |value: &str| Answer::text(200, format!(r#"{{"data":{{"value":{value}}}}}"#));
    for (said, wanted) in [
        (r#""a\u003cb""#, "a<b"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.50", "1.50"),
        ("true", "true"),
        (r#"{"b":1,"a":[2]}"#, r#"{"a":[2],"b":1}"#),
        (r#""""#, ""),
    ] {
        assert_eq!(text(read(json!({}), answer(said))), wanted);
    }
    assert_eq!(
        text(read(json!({"value": ""}), Answer::text(200, r#"{ "a": 1 }"#))),
        r#"{"a":1}"#
    );
}

#[test]
fn without_a_pointer_the_value_is_the_whole_body() {
    let whole = json!({"value": null});
    assert_eq!(text(read(whole.clone(), Answer::text(200, "a\nb\n"))), "a\nb\n");
    assert_eq!(bytes(read(whole, Answer::bytes(200, [0xff, 0, 1]))), [0xff, 0, 1]);
}

#[test]
fn base64_becomes_bytes_in_either_alphabet() {
    let wanted = [0xfb, 0xff, 0x00];
    for said in ["+/8A", "-_8A", "+/8\nA\n"] {
        let answer = Answer::json(200, &json!({"data": {"value": said}}));
        assert_eq!(bytes(read(json!({"base64": true}), answer)), wanted);
        assert_eq!(
            bytes(read(json!({"base64": true, "value": null}), Answer::text(200, said))),
            wanted
        );
    }
    for said in [json!("hunter2!"), json!(7)] {
        let error = failed(read(
            json!({"base64": true}),
            Answer::json(200, &json!({"data": {"value": said}})),
        ));
        assert_eq!(error.kind, ErrorKind::Other("invalid-value".to_owned()));
        assert!(!error.message.contains("hunter2"));
    }
}

#[test]
fn nothing_where_the_pointer_points_is_no_entry_and_no_json_is_no_value() {
    for body in [json!({}), json!({"data": {"value": null}}), json!({"data": "hunter2"})] {
        let error = failed(read(json!({}), Answer::json(200, &body)));
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(
            error.message.contains("/data/value") && !error.message.contains("hunter2"),
            "{}",
            error.message
        );
    }
    let error = failed(read(json!({}), Answer::text(200, "<html>hunter2")));
    assert_eq!(error.kind, ErrorKind::Other("invalid-value".to_owned()));
    assert!(!error.message.contains("hunter2"));
}

#[test]
fn a_version_comes_from_the_answer_or_from_a_strong_etag() {
    let body = json!({"data": {"value": "x", "version": 7}});
    let pointer = json!({"version": "/data/version"});
    let version = |more: &Json, answer: Answer| value(read(more.clone(), answer)).version;
    assert_eq!(version(&pointer, Answer::json(200, &body)).as_deref(), Some("7"));
    let with = |etag: &str| Answer::json(200, &body).header("etag", etag);
    assert_eq!(version(&json!({}), with("\"abc\"")).as_deref(), Some("\"abc\""));
    assert_eq!(version(&json!({}), with("W/\"abc\"")), None);
    assert_eq!(version(&json!({"version": "/data"}), Answer::json(200, &body)), None);
}

#[test]
fn a_version_that_the_host_has_is_not_sent_again() {
    let known = |more: Json, version: &str| {
        let request = key("app").known(version);
        testing::fetch::<HttpStore>(&settings(more), &[request])
            .unwrap()
            .remove(0)
    };
    let store = Http::serve(|request| match request.header("if-none-match") {
        Some("\"abc\"") => Answer::status(304),
        _ => Answer::json(200, &json!({"data": {"value": "x", "version": "7"}})),
    });
    assert_eq!(known(json!({}), "\"abc\""), Outcome::Unchanged);
    assert_eq!(text(known(json!({}), "\"old\"")), "x");
    let pointer = json!({"version": "/data/version"});
    assert_eq!(known(pointer.clone(), "7"), Outcome::Unchanged);
    assert_eq!(text(known(pointer, "6")), "x");
    assert_eq!(store.requests()[2].header("if-none-match"), None);
    // Nobody asked whether something changed.
    let error = failed(read(json!({}), Answer::status(304)));
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
}

#[test]
fn statuses_mean_what_http_says_or_what_the_settings_say() {
    let seconds = Some(Duration::from_secs(7));
    for (status, kind) in [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (410, ErrorKind::NotFound),
        (429, ErrorKind::Throttled(seconds)),
        (503, ErrorKind::Unavailable(seconds)),
        (302, ErrorKind::Unavailable(seconds)),
        (418, ErrorKind::Other("http-418".to_owned())),
    ] {
        let answer = Answer::text(status, "hunter2").header("retry-after", "7");
        let error = failed(read(json!({}), answer));
        assert_eq!(error.kind, kind);
        assert!(
            !error.message.contains("hunter2") && !error.message.contains("store.example"),
            "{}",
            error.message
        );
        assert_eq!(error.store_code, Some(status.to_string()));
    }
    let own = json!({"statuses": {"422": "notFound", "403": "notFound", "409": "unavailable", "400": "invalid"}});
    for (status, kind) in [
        (422, ErrorKind::NotFound),
        (403, ErrorKind::NotFound),
        (409, ErrorKind::Unavailable(None)),
        (400, ErrorKind::Invalid("/key".to_owned())),
    ] {
        assert_eq!(failed(read(own.clone(), Answer::status(status))).kind, kind);
    }
    let error = failed(read(json!({}), Answer::unreachable("connection refused")));
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
}

#[test]
fn settings_with_a_problem_send_nothing() {
    let store = Http::serve(|_| Answer::status(200));
    let bad = settings(json!({"headers": {"cookie": "a=b"}}));
    let error = testing::fetch::<HttpStore>(&bad, &[key("app")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid("/settings/headers/cookie".to_owned()));
    assert!(store.requests().is_empty());
    assert_eq!(testing::validate::<HttpStore>(&bad)[0].path, "/headers/cookie");
}

#[test]
fn paths_are_unsupported() {
    let _store = Http::serve(|_| Answer::status(200));
    let outcomes = testing::fetch::<HttpStore>(&settings(json!({})), &[tree("a")]).unwrap();
    assert_eq!(
        failed(outcomes.into_iter().next().unwrap()).kind,
        ErrorKind::Unsupported
    );
}
