use keyhole_sdk::testing::{Answer, Http, key, prefix, tree};
use keyhole_sdk::{Content, ErrorKind, log, session};
use serde_json::{Value as Json, json};

use super::*;
use crate::component::Vault;
use crate::fake::Fake;

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

fn names(outcome: &Outcome) -> Vec<(&str, &str)> {
    match outcome {
        Outcome::Values(values) => values
            .iter()
            .map(|value| (value.name.as_str(), value.full_name.as_str()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn refusal(path: &str, status: u16, body: Json) -> (Fake, Outcome) {
    let fake = Fake::new();
    fake.0.borrow_mut().faults.insert(path.to_owned(), (status, body));
    let outcome = fake.one(path);
    (fake, outcome)
}

#[test]
fn entries_are_read_under_one_token_and_answered_in_order() {
    let fake = Fake::with(&["secret/data/a", "secret/data/b"]);
    let requests = [
        key("secret/data/b"),
        key("secret/data/none"),
        key("secret/../x"),
        key("secret/data/a"),
    ];
    let outcomes = fake.fetch(json!({}), &requests).unwrap();
    assert_eq!(text(&outcomes[0]), r#"{"password":"value of secret/data/b"}"#);
    assert_eq!(failed(&outcomes[1]).kind, ErrorKind::NotFound);
    assert_eq!(failed(&outcomes[2]).kind, ErrorKind::Invalid("/key".to_owned()));
    assert_eq!(text(&outcomes[3]), r#"{"password":"value of secret/data/a"}"#);
    assert_eq!(fake.asked().len(), 4, "a login and three reads: {:?}", fake.asked());
}

#[test]
fn every_request_names_the_namespace_of_the_administrator() {
    let fake = Fake::with(&["secret/data/a"]);
    fake.fetch(
        json!({"namespace": "team/a/", "address": "https://vault.example/behind/"}),
        &[key("secret/data/a")],
    )
    .unwrap();
    let sent = &fake.sent()[0];
    assert_eq!(sent.header("x-vault-namespace"), Some("team/a"));
    assert_eq!(sent.path(), "/behind/v1/auth/kubernetes/login");
}

#[test]
fn nothing_is_asked_when_there_is_nothing_to_ask() {
    let fake = Fake::new();
    let outcomes = fake.fetch(json!({}), &[key(""), key("a/../b")]).unwrap();
    assert_eq!(outcomes.len(), 2);
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(failed(outcome).kind, ErrorKind::Invalid(_)))
    );
    assert!(fake.asked().is_empty());
}

#[test]
fn a_version_that_the_host_has_is_unchanged_and_another_is_sent() {
    let fake = Fake::with(&["secret/data/a"]);
    let Outcome::Value(value) = fake.one("secret/data/a") else {
        panic!()
    };
    let known = value.version.unwrap();
    let again = |version: &str| {
        fake.fetch(json!({}), &[key("secret/data/a").known(version)])
            .unwrap()
            .remove(0)
    };
    assert_eq!(again(&known), Outcome::Unchanged);
    fake.put("secret/data/a", json!({"password": "new"}), 2);
    assert_eq!(text(&again(&known)), r#"{"password":"new"}"#);
}

#[test]
fn a_version_is_asked_for_by_option_and_only_where_there_are_versions() {
    let fake = Fake::with(&["secret/data/a"]);
    fake.fetch(json!({}), &[key("secret/data/a").options(json!({"version": "3"}))])
        .unwrap();
    assert_eq!(fake.asked()[1], "GET /v1/secret/data/a?version=3");
    let outcomes = fake
        .fetch(
            json!({"kvVersion": 1}),
            &[key("secret/a").options(json!({"version": "3"}))],
        )
        .unwrap();
    assert_eq!(
        failed(&outcomes[0]).kind,
        ErrorKind::Invalid("/options/version".to_owned())
    );
}

#[test]
fn a_revoked_token_leads_to_one_new_login_and_no_error() {
    let names = ["secret/data/a", "secret/data/b", "secret/data/c"];
    let fake = Fake::with(&names);
    fake.one(names[0]);
    fake.revoke_all();
    let outcomes = fake.fetch(json!({}), &names.map(key)).unwrap();
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Outcome::Value(_))),
        "{outcomes:?}"
    );
    assert_eq!(fake.logins(), 2);
    fake.one(names[0]);
    assert_eq!(fake.logins(), 2, "the new token is kept");
}

#[test]
fn a_revoked_token_and_a_denied_entry_are_told_apart() {
    let fake = Fake::with(&["secret/data/a", "secret/data/b"]);
    fake.one("secret/data/a");
    fake.0.borrow_mut().denied.insert("secret/data/b".to_owned());
    fake.revoke_all();
    let outcomes = fake
        .fetch(json!({}), &[key("secret/data/a"), key("secret/data/b")])
        .unwrap();
    assert!(matches!(outcomes[0], Outcome::Value(_)));
    let error = failed(&outcomes[1]);
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.message.contains("secret/data/b") && error.message.contains("\"app\""),
        "{}",
        error.message
    );
    assert_eq!(fake.logins(), 2);
}

#[test]
fn an_entry_that_a_policy_denies_costs_no_login() {
    let fake = Fake::with(&["secret/data/a", "secret/data/b"]);
    fake.0.borrow_mut().denied.insert("secret/data/b".to_owned());
    for _ in 0..5 {
        assert_eq!(failed(&fake.one("secret/data/b")).kind, ErrorKind::Denied);
    }
    assert_eq!(fake.logins(), 1);
    let before = fake.asked().len();
    fake.fetch(json!({}), &[key("secret/data/a"), key("secret/data/b")])
        .unwrap();
    assert_eq!(fake.asked().len() - before, 3, "two reads and one look-up");
}

#[test]
fn a_token_that_may_not_look_itself_up_costs_one_login_a_minute_at_most() {
    let fake = Fake::with(&["secret/data/b"]);
    fake.0.borrow_mut().no_default_policy = true;
    fake.0.borrow_mut().denied.insert("secret/data/b".to_owned());
    for _ in 0..5 {
        assert_eq!(failed(&fake.one("secret/data/b")).kind, ErrorKind::Denied);
    }
    assert_eq!(fake.logins(), 2);
    session::remove("blind");
    fake.one("secret/data/b");
    assert_eq!(fake.logins(), 3);
}

#[test]
fn a_login_that_fails_after_a_revocation_fails_what_was_refused() {
    let fake = Fake::with(&["secret/data/a"]);
    fake.one("secret/data/a");
    fake.revoke_all();
    let sealed = (503, json!({"errors": ["Vault is sealed"]}));
    fake.0
        .borrow_mut()
        .faults
        .insert("auth/kubernetes/login".to_owned(), sealed);
    let error = failed(&fake.one("secret/data/a")).clone();
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
    assert!(error.message.contains("sealed"), "{}", error.message);
}

#[test]
fn a_full_call_with_a_dead_token_stays_within_the_hosts_limit() {
    let names: Vec<String> = (0..MAX_BATCH).map(|n| format!("secret/data/{n}")).collect();
    let fake = Fake::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    fake.one(&names[0]);
    fake.revoke_all();
    let before = fake.asked().len();
    let outcomes = fake
        .fetch(json!({}), &names.iter().map(key).collect::<Vec<_>>())
        .unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Value(_))));
    assert!(fake.asked().len() - before <= 64, "{}", fake.asked().len() - before);
}

#[test]
fn an_absent_entry_says_where_else_it_may_be() {
    let none = json!({"errors": []});
    let versioned = json!({"errors": null, "warnings": ["Invalid path for a versioned K/V secrets engine. See the API docs"], "data": null});
    let deleted = json!({"data": {"data": null, "metadata": {"deletion_time": "2026-01-02T03:04:05Z", "destroyed": false, "version": 1}}});
    let destroyed = json!({"data": {"data": null, "metadata": {"deletion_time": "", "destroyed": true, "version": 1}}});
    for (path, body, words) in [
        ("secret/data/x", none.clone(), "set kvVersion to 1 and leave data/ out"),
        ("secret/x", none.clone(), r#"as in "secret/data/x""#),
        ("secret/x", versioned, r#"write "secret/data/x" and kvVersion 2"#),
        ("secret/data/x", deleted, "deleted at 2026-01-02T03:04:05Z"),
        ("secret/data/x", destroyed, "was destroyed"),
        (
            "nomount/data/x",
            json!({"errors": ["no handler for route \"nomount/data/x\". route entry not found."]}),
            "check the mount",
        ),
    ] {
        let (_fake, outcome) = refusal(path, 404, body);
        let error = failed(&outcome);
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(
            error.message.contains(words) && error.message.contains(path),
            "{}",
            error.message
        );
    }
    let fake = Fake::new();
    for (path, words) in [("kv/data/x", "set kvVersion to 2"), ("kv/x", "no entry \"kv/x\"")] {
        let outcomes = fake.fetch(json!({"kvVersion": 1}), &[key(path)]).unwrap();
        assert!(
            failed(&outcomes[0]).message.contains(words),
            "{}",
            failed(&outcomes[0]).message
        );
    }
}

#[test]
fn what_the_server_cannot_do_now_is_tried_again_and_said() {
    let errors = |text: &str| json!({ "errors": [text] });
    for (status, body, kind, words) in [
        (503, errors("Vault is sealed"), ErrorKind::Unavailable(None), "sealed"),
        (
            500,
            errors("internal"),
            ErrorKind::Unavailable(None),
            "HTTP 500 (Vault: internal)",
        ),
        (
            412,
            errors("required index state not present"),
            ErrorKind::Unavailable(None),
            "caught up",
        ),
        (429, errors("quota"), ErrorKind::Throttled(None), "fewer calls"),
        (473, errors(""), ErrorKind::Unavailable(None), "standby"),
        (307, json!(null), ErrorKind::Unavailable(None), "active server"),
        (
            400,
            errors("relative paths not supported"),
            ErrorKind::Invalid("/key".to_owned()),
            "relative paths",
        ),
    ] {
        let (_fake, outcome) = refusal("secret/data/x", status, body);
        let error = failed(&outcome);
        assert_eq!(error.kind, kind, "{status}");
        assert!(error.message.contains(words), "{}", error.message);
        assert!(
            !error.message.contains("vault.example"),
            "the address is the administrator's: {}",
            error.message
        );
    }
}

#[test]
fn what_is_not_vault_is_not_quoted() {
    let fake = Fake::with(&["secret/data/a"]);
    fake.one("secret/data/a");
    let _http = Http::serve(|_| Answer::text(200, "<html>hunter2</html>"));
    let error = failed(
        &keyhole_sdk::testing::fetch::<Vault>(&crate::settings::tests::settings(json!({})), &[key("secret/data/a")])
            .unwrap()[0],
    )
    .clone();
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
    assert!(
        !error.message.contains("hunter2") && error.message.contains("is not Vault"),
        "{}",
        error.message
    );
    let _http = Http::serve(|_| Answer::unreachable("refused"));
    let error = failed(
        &keyhole_sdk::testing::fetch::<Vault>(&crate::settings::tests::settings(json!({})), &[key("secret/data/a")])
            .unwrap()[0],
    )
    .clone();
    assert_eq!(error.kind, ErrorKind::Unavailable(None));
    assert!(error.message.contains("cannot be reached"), "{}", error.message);
}

#[test]
fn no_token_is_ever_told() {
    let fake = Fake::with(&["secret/data/a"]);
    fake.one("secret/data/a");
    fake.revoke_all();
    fake.one("secret/data/a");
    let told = format!("{:?} {:?}", log::take(), fake.one("secret/data/none"));
    assert!(!told.contains("s.token") && !told.contains("jwt-of"), "{told}");
}

fn team() -> Fake {
    let fake = Fake::with(&[
        "secret/data/team/a",
        "secret/data/team/deep/b",
        "secret/data/team/deep/er/c",
    ]);
    let mut state = fake.0.borrow_mut();
    state
        .folders
        .insert("secret/metadata/team".to_owned(), vec!["a", "deep/"]);
    state
        .folders
        .insert("secret/metadata/team/deep".to_owned(), vec!["b", "er/"]);
    state
        .folders
        .insert("secret/metadata/team/deep/er".to_owned(), vec!["c"]);
    drop(state);
    fake
}

#[test]
fn a_path_gives_its_direct_entries_or_all_of_them() {
    let fake = team();
    let outcomes = fake
        .fetch(json!({}), &[prefix("secret/data/team"), tree("/secret/data/team/")])
        .unwrap();
    assert_eq!(names(&outcomes[0]), [("a", "secret/data/team/a")]);
    assert_eq!(
        names(&outcomes[1]),
        [
            ("a", "secret/data/team/a"),
            ("b", "secret/data/team/deep/b"),
            ("c", "secret/data/team/deep/er/c")
        ]
    );
}

#[test]
fn a_path_that_holds_nothing_is_empty_and_deleted_entries_are_left_out() {
    let fake = team();
    assert!(names(&fake.fetch(json!({}), &[tree("secret/data/none")]).unwrap()[0]).is_empty());
    let deleted = (
        404,
        json!({"data": {"data": null, "metadata": {"deletion_time": "2026"}}}),
    );
    fake.0
        .borrow_mut()
        .faults
        .insert("secret/data/team/a".to_owned(), deleted);
    assert_eq!(
        names(&fake.fetch(json!({}), &[tree("secret/data/team")]).unwrap()[0]).len(),
        2
    );
}

#[test]
fn a_path_of_version_2_has_data_after_its_mount() {
    let fake = team();
    for path in ["secret/team", "data/team", "secret/../data", ""] {
        let outcomes = fake.fetch(json!({}), &[tree(path)]).unwrap();
        assert_eq!(
            failed(&outcomes[0]).kind,
            ErrorKind::Invalid("/path".to_owned()),
            "{path}"
        );
    }
    let kv1 = Fake::new();
    kv1.0.borrow_mut().folders.insert("kv/team".to_owned(), vec!["a"]);
    kv1.0
        .borrow_mut()
        .entries
        .insert("kv/team/a".to_owned(), json!({"data": {"x": 1}}));
    let outcomes = kv1.fetch(json!({"kvVersion": 1}), &[tree("kv/team")]).unwrap();
    assert_eq!(names(&outcomes[0]), [("a", "kv/team/a")]);
}

#[test]
fn a_path_that_may_not_be_listed_says_which_capability_is_missing() {
    let fake = team();
    fake.0.borrow_mut().denied.insert("secret/metadata/team/".to_owned());
    let outcomes = fake.fetch(json!({}), &[tree("secret/data/team")]).unwrap();
    let error = failed(&outcomes[0]);
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.message.contains("capability list on \"secret/metadata/team\""),
        "{}",
        error.message
    );
}

#[test]
fn a_path_with_more_than_one_call_can_read_is_told_before_the_host_cuts_the_call() {
    let fake = Fake::new();
    let many: Vec<&'static str> = (0..100).map(|n| &*format!("n{n}").leak()).collect();
    fake.0
        .borrow_mut()
        .folders
        .insert("secret/metadata/team".to_owned(), many.clone());
    for name in many {
        fake.put(&format!("secret/data/team/{name}"), json!({"a": 1}), 1);
    }
    let outcomes = fake.fetch(json!({}), &[tree("secret/data/team")]).unwrap();
    assert_eq!(failed(&outcomes[0]).kind, ErrorKind::TooLarge);
    assert!(fake.asked().len() < 64);
    let outcomes = fake
        .fetch(json!({}), &[tree("secret/data/team"), key("secret/data/team/n1")])
        .unwrap();
    assert_eq!(failed(&outcomes[0]).kind, ErrorKind::Unavailable(None));
    let outcomes = fake
        .fetch(json!({"exchanges": 512}), &[tree("secret/data/team")])
        .unwrap();
    assert_eq!(names(&outcomes[0]).len(), 100);
}
