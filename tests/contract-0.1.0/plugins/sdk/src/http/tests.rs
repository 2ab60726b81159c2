use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::ErrorKind;
use crate::testing::{Answer, Http};

const URL: &str = "https://store.example/v1/secrets/db?token=q-secret";

/// The error of a GET that is answered so.
fn error_of(answer: impl Fn() -> Answer + 'static) -> Error {
    let _store = Http::serve(move |_| answer());
    get(URL).send().and_then(Response::json::<Json>).unwrap_err()
}

#[test]
fn each_status_has_its_error() {
    let after = Some(Duration::from_secs(7));
    let other = |status: u16| ErrorKind::Other(format!("http-{status}"));
    for (status, kind) in [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (429, ErrorKind::Throttled(after)),
        (500, ErrorKind::Unavailable(after)),
        (503, ErrorKind::Unavailable(after)),
        (599, ErrorKind::Unavailable(after)),
        (302, other(302)),
        (304, other(304)),
        (400, other(400)),
        (409, other(409)),
        (600, other(600)),
    ] {
        let error = error_of(move || Answer::text(status, "a-secret").header("Retry-After", "7"));
        assert_eq!(error.kind, kind, "{status}");
        let told = format!("the store answered {status}");
        assert!(error.message.starts_with(&told), "{}", error.message);
        assert!(
            error.message.contains(" to GET https://store.example/v1/secrets/db"),
            "{}",
            error.message
        );
    }
}

#[test]
fn no_message_holds_a_body_or_a_query() {
    let answers: [fn() -> Answer; 6] = [
        || Answer::text(500, "a-secret"),
        || Answer::text(200, "\"a-secret"),
        || Answer::json(200, &json!({ "a-secret": "a-secret" })),
        || Answer::json(200, &["a-secret"]),
        || Answer::bytes(200, vec![b'"', 0xff]),
        || Answer::unreachable("the connection broke"),
    ];
    for answer in answers {
        let _store = Http::serve(move |_| answer());
        for error in [
            get(URL).send().and_then(Response::json::<String>).unwrap_err(),
            get(URL).send().and_then(Response::json::<Vec<u32>>).unwrap_err(),
            get(URL).limit(0).send().and_then(Response::text).unwrap_err(),
        ] {
            let told = format!("{error:?}");
            assert!(!told.contains("a-secret") && !told.contains("q-secret"), "{told}");
        }
        let told = format!("{:?} {:?}", get(URL).bearer("a-secret"), get(URL).send());
        assert!(!told.contains("a-secret") && !told.contains("q-secret"), "{told}");
    }
}

#[test]
fn a_date_as_retry_after_leaves_the_wait_to_the_host() {
    let error = error_of(|| Answer::status(429).header("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"));
    assert_eq!(error.kind, ErrorKind::Throttled(None));
}

#[test]
fn what_is_no_answer_is_unavailable_and_what_is_no_json_is_unreadable() {
    let error = error_of(|| Answer::unreachable("the connection is refused"));
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
    assert_eq!(
        error.message,
        "no answer to GET https://store.example/v1/secrets/db: the connection is refused"
    );
    let error = error_of(|| Answer::text(200, "<html>"));
    assert_eq!(error.kind, ErrorKind::Other("unreadable-answer".to_owned()));
}

#[test]
fn a_body_is_read_up_to_the_limit_and_no_further() {
    let _store = Http::serve(|_| Answer::text(200, "12345"));
    assert_eq!(get(URL).limit(5).send().unwrap().text().unwrap(), "12345");
    let error = get(URL).limit(4).send().unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.ends_with("is larger than 4 bytes"), "{}", error.message);
}

#[test]
fn a_request_arrives_as_it_was_put_together() {
    let store = Http::serve(|_| Answer::status(204));
    let sent = request("patch", "https://store.example/a b".replace(' ', "%20"))
        .query("q", "1 & 2")
        .query("next", "ü")
        .header("X-One", "1")
        .header("x-one", "2")
        .bearer("t")
        .json(&json!({ "role": "app" }))
        .send();
    assert_eq!(sent.unwrap().status(), 204);

    let sent = &store.requests()[0];
    assert_eq!((sent.method.as_str(), sent.path()), ("PATCH", "/a%20b"));
    assert_eq!(sent.query(), "q=1%20%26%202&next=%C3%BC");
    assert_eq!(sent.header("x-one"), Some("2"), "the later one stands alone");
    assert_eq!(sent.header("authorization"), Some("Bearer t"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("content-length"), Some("14"));
    assert!(sent.header("user-agent").unwrap().starts_with("keyhole-sdk/"));
    assert_eq!(sent.body.as_deref(), Some(br#"{"role":"app"}"#.as_slice()));
}

#[test]
fn what_cannot_be_sent_is_never_sent_and_never_shown() {
    let store = Http::serve(|_| Answer::status(200));
    for request in [
        get("a-secret"),
        get("ftp://a-secret/"),
        get("https://a-secret@store.example/"),
        get("https://store.example/a-secret two"),
        get("https://store.example/").header("x-token", "a-secret\n"),
        get("https://store.example/").header("a name", "a-secret"),
        request("GET /", "https://store.example/"),
    ] {
        let error = request.send().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid("/settings".to_owned()), "{error}");
        assert!(!error.message.contains("a-secret"), "{error}");
    }
    assert!(store.requests().is_empty());
}

#[test]
fn many_answers_come_in_the_order_of_their_requests() {
    let store = Http::serve(|request| match request.path() {
        "/7" => Answer::status(404),
        path => Answer::text(200, path),
    });
    let answers = send_all((0..20).map(|n| get(format!("https://store.example/{n}"))));
    for (n, answer) in answers.into_iter().enumerate() {
        match answer.and_then(Response::text) {
            Ok(path) => assert_eq!(path, format!("/{n}")),
            Err(error) => assert_eq!((n, error.kind), (7, ErrorKind::NotFound)),
        }
    }
    assert_eq!(store.requests().len(), 20);
}

#[test]
fn a_key_cannot_leave_its_folder() {
    for key in ["..", ".", "../admin", "a/../../b", "a/.", "a/./b"] {
        assert_eq!(
            encode_path(key).unwrap_err().kind,
            ErrorKind::Invalid("/key".to_owned()),
            "{key}"
        );
    }
    for (key, path) in [
        ("a/b", "a/b"),
        ("..a/b..", "..a/b.."),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
    ] {
        assert_eq!(encode_path(key).unwrap(), path);
    }
}

#[test]
fn a_path_is_put_together_with_one_slash_between() {
    let store = Http::serve(|_| Answer::status(200));
    for (address, parts, path) in [
        ("https://store.example", ["v1/s", "", "/a b"], "/v1/s/a%20b"),
        ("https://store.example/", ["v1/s", "team/", "a"], "/v1/s/team/a"),
        ("https://store.example/x/", ["", "", ""], "/x/"),
    ] {
        let request = parts.iter().fold(get(address), |request, part| request.path(part));
        request.send().unwrap();
        assert_eq!(store.requests().pop().unwrap().path(), path);
    }
    let error = get("https://store.example")
        .path("team")
        .path("../b")
        .send()
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid("/key".to_owned()));
    assert_eq!(store.requests().len(), 3);
}

#[test]
fn without_a_script_there_is_no_answer() {
    drop(Http::serve(|_| Answer::status(200)));
    let error = get(URL).send().unwrap_err();
    assert!(error.message.contains("testing::Http"), "{error}");
}
