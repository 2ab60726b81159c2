use keyhole_sdk::{ErrorKind, log};

use super::*;
use crate::fake::Fake;
use crate::settings::Settings;

fn server_settings() -> Settings {
    serde_json::from_value(crate::settings::tests::settings(json!({}))).unwrap()
}

fn no_pause(_: Duration) {
    panic!("nobody has to wait for a login that is the only one");
}

#[test]
fn one_login_serves_all_calls_of_a_role() {
    let fake = Fake::with(&["secret/data/app"]);
    for _ in 0..5 {
        fake.one("secret/data/app");
    }
    assert_eq!(fake.logins(), 1);
    let first = &fake.sent()[0];
    assert_eq!(
        (first.method.as_str(), first.path()),
        ("POST", "/v1/auth/kubernetes/login")
    );
    let body: Json = serde_json::from_slice(first.body.as_ref().unwrap()).unwrap();
    assert_eq!(body, json!({"role": "app", "jwt": "jwt-of-the-account"}));
    assert_eq!(first.header("x-vault-token"), None);
}

#[test]
fn a_token_past_two_thirds_of_its_lease_is_renewed_once() {
    let fake = Fake::with(&["secret/data/app"]);
    fake.one("secret/data/app");
    session::remove(YOUNG);
    for _ in 0..3 {
        fake.one("secret/data/app");
    }
    let renewals = fake.asked().iter().filter(|line| line.ends_with("renew-self")).count();
    assert_eq!((renewals, fake.logins()), (1, 1));
}

#[test]
fn a_token_that_cannot_be_renewed_for_much_longer_is_replaced() {
    let fake = Fake::with(&["secret/data/app"]);
    fake.one("secret/data/app");
    fake.0.borrow_mut().renewed_lease = 600;
    session::remove(YOUNG);
    fake.one("secret/data/app");
    assert_eq!(fake.logins(), 2);
    assert_eq!(
        fake.sent().last().unwrap().header("x-vault-token"),
        Some("s.token-number-2")
    );
}

#[test]
fn a_token_that_may_not_be_renewed_is_replaced() {
    let fake = Fake::with(&["secret/data/app"]);
    fake.one("secret/data/app");
    fake.0.borrow_mut().denied.insert("auth/token/renew-self".to_owned());
    session::remove(YOUNG);
    assert!(matches!(fake.one("secret/data/app"), keyhole_sdk::Outcome::Value(_)));
    assert_eq!(fake.logins(), 2);
}

#[test]
fn a_renewal_that_fails_for_a_passing_reason_costs_nothing() {
    let fake = Fake::with(&["secret/data/app"]);
    fake.one("secret/data/app");
    let fault = (500, json!({"errors": ["internal error"]}));
    fake.0
        .borrow_mut()
        .faults
        .insert("auth/token/renew-self".to_owned(), fault);
    session::remove(YOUNG);
    assert!(matches!(fake.one("secret/data/app"), keyhole_sdk::Outcome::Value(_)));
    assert_eq!(fake.logins(), 1);
    assert!(
        session::get_bytes(YOUNG).is_some(),
        "the next call does not try at once"
    );
}

#[test]
fn a_failed_login_leaves_nothing_behind() {
    let fake = Fake::with(&["secret/data/app"]);
    let fault = (403, json!({"errors": ["permission denied"]}));
    fake.0
        .borrow_mut()
        .faults
        .insert("auth/kubernetes/login".to_owned(), fault);
    let error = fake
        .fetch(json!({}), &[keyhole_sdk::testing::key("secret/data/app")])
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthenticated);
    for entry in [LOGIN, YOUNG, CLAIM] {
        assert!(
            session::get_bytes(entry).is_none(),
            "with {entry} kept, the next calls would not take turns"
        );
    }
}

#[test]
fn a_dead_token_that_cannot_be_replaced_is_forgotten() {
    let fake = Fake::with(&["secret/data/app"]);
    fake.one("secret/data/app");
    fake.revoke_all();
    let fault = (503, json!({"errors": ["Vault is sealed"]}));
    fake.0
        .borrow_mut()
        .faults
        .insert("auth/kubernetes/login".to_owned(), fault);
    fake.one("secret/data/app");
    for entry in [LOGIN, YOUNG, CLAIM] {
        assert!(
            session::get_bytes(entry).is_none(),
            "with {entry} kept, the next calls would not take turns"
        );
    }
}

#[test]
fn the_first_login_waits_for_nothing() {
    let _fake = Fake::new();
    let settings = server_settings();
    let server = Server::new(&settings);
    let (token, fresh) = Login::new(&server, no_pause).token().unwrap();
    assert_eq!((token.text.as_str(), fresh), ("s.token-number-1", true));
}

#[test]
fn who_finds_a_login_under_way_waits_for_it() {
    let fake = Fake::new();
    let settings = server_settings();
    let server = Server::new(&settings);
    let dead = Token {
        text: "dead".to_owned(),
        lease: 60,
        renewable: true,
    };
    session::set(LOGIN, &dead, FOR_EVER).unwrap();
    session::set(CLAIM, &"another", CLAIM_FOR).unwrap();
    // The other one is done during the pause.
    fn other_logs_in(_: Duration) {
        let token = Token {
            text: "theirs".to_owned(),
            lease: 60,
            renewable: true,
        };
        session::set(LOGIN, &token, FOR_EVER).unwrap();
        session::remove(CLAIM);
    }
    let token = Login::new(&server, other_logs_in).replaced(&dead).unwrap();
    assert_eq!((token.text.as_str(), fake.logins()), ("theirs", 0));
}

#[test]
fn of_two_that_claim_at_once_the_later_logs_in() {
    let fake = Fake::new();
    let settings = server_settings();
    let server = Server::new(&settings);
    let dead = Token {
        text: "dead".to_owned(),
        lease: 60,
        renewable: true,
    };
    session::set(LOGIN, &dead, FOR_EVER).unwrap();
    // During the pause after the claim another call overwrites it, logs in, and is done.
    fn other_claims(pause: Duration) {
        if pause == SETTLE {
            session::set(CLAIM, &"another", CLAIM_FOR).unwrap();
        } else {
            let token = Token {
                text: "theirs".to_owned(),
                lease: 60,
                renewable: true,
            };
            session::set(LOGIN, &token, FOR_EVER).unwrap();
            session::remove(CLAIM);
        }
    }
    let token = Login::new(&server, other_claims).replaced(&dead).unwrap();
    assert_eq!((token.text.as_str(), fake.logins()), ("theirs", 0));
}

#[test]
fn a_claim_whose_owner_is_gone_is_not_waited_for_for_ever() {
    let fake = Fake::new();
    let settings = server_settings();
    let server = Server::new(&settings);
    session::set(CLAIM, &"gone", CLAIM_FOR).unwrap();
    fn nothing_happens(_: Duration) {}
    Login::new(&server, nothing_happens).token().unwrap();
    assert_eq!(fake.logins(), 1);
    assert!(CLAIM_FOR < LOOK_EVERY * LOOKS);
}

#[test]
fn a_role_is_needed_and_the_login_has_words_for_what_is_wrong() {
    let told = |more: Json, fault: Option<(u16, Json)>| {
        let fake = Fake::new();
        if let Some(fault) = fault {
            fake.0
                .borrow_mut()
                .faults
                .insert("auth/kubernetes/login".to_owned(), fault);
        }
        fake.fetch(more, &[keyhole_sdk::testing::key("secret/data/app")])
            .unwrap_err()
    };
    let errors = |text: &str| json!({ "errors": [text] });
    let invalid = |pointer: &str| ErrorKind::Invalid(pointer.to_owned());
    for (more, fault, kind, words) in [
        (
            json!({"vaultRole": null}),
            None,
            invalid("/settings/vaultRole"),
            "set spec.vaultRole",
        ),
        (
            json!({"vaultRole": ""}),
            None,
            invalid("/settings/vaultRole"),
            "set spec.vaultRole",
        ),
        (
            json!({}),
            Some((400, errors("invalid role name \"app\""))),
            invalid("/settings/vaultRole"),
            "role \"app\"",
        ),
        (
            json!({}),
            Some((403, errors("permission denied"))),
            ErrorKind::Unauthenticated,
            "bound to the service account",
        ),
        (
            json!({}),
            Some((404, errors("no handler for route"))),
            invalid("/settings/vaultMountPoint"),
            "auth/kubernetes",
        ),
        (
            json!({}),
            Some((500, errors("tokenreview failed"))),
            ErrorKind::Unavailable(None),
            "tokenreview failed",
        ),
        (
            json!({}),
            Some((503, errors("Vault is sealed"))),
            ErrorKind::Unavailable(None),
            "unsealed",
        ),
        (
            json!({}),
            Some((200, json!({"data": {}}))),
            ErrorKind::Unauthenticated,
            "gave no token",
        ),
        (
            json!({}),
            Some((307, json!(null))),
            ErrorKind::Unavailable(None),
            "active server",
        ),
    ] {
        let error = told(more, fault);
        assert_eq!(error.kind, kind, "{}", error.message);
        assert!(error.message.contains(words), "{}", error.message);
        assert!(!error.message.contains("jwt-of"), "{}", error.message);
    }
    assert!(log::take().is_empty());
}
