//! What annotations of a namespace permit.

use super::*;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

mod kes;

/// Answers with the `regex` crate, or with what it was told, and remembers what it was asked.
#[derive(Default)]
struct Engine {
    fails: Vec<(&'static str, MatchError)>,
    asked: Mutex<Vec<String>>,
}

impl Matcher for Engine {
    fn matches<'a>(&'a self, question: &'a Question) -> Matching<'a> {
        let Question {
            expression,
            text,
            anchored,
        } = question;
        self.asked.lock().unwrap().push(text.to_string());
        let failure = self.fails.iter().find(|(known, _)| **expression == **known);
        let answer = match failure {
            Some((_, error)) => Err(error.clone()),
            None => Ok(dialect::compile(expression, *anchored).unwrap().is_match(text)),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn rules(policy: Policy, pairs: &[(&str, &str)]) -> Rules {
    Arc::new(policy).rules("team", &annotations(pairs))
}

fn keys(keys: &[&str]) -> Claims {
    Claims {
        roles: Vec::new(),
        texts: keys.iter().map(|key| Claim::Key((*key).into())).collect(),
    }
}

fn with_role(claims: Claims, role: &str) -> Claims {
    Claims {
        roles: vec![role.into()],
        ..claims
    }
}

fn judged(rules: &Rules, claims: &Claims) -> Ruling {
    let ruling = now(rules.judge(claims, &Engine::default()));
    if let Some(settled) = rules.settled(claims) {
        assert_eq!(settled, ruling, "what is settled is what a judge would say");
    }
    ruling
}

/// The reason of a denial; `None` when the object is allowed.
fn denied(rules: &Rules, claims: &Claims) -> Option<String> {
    match judged(rules, claims) {
        Ruling::Allowed => None,
        Ruling::Denied(denial) => Some(denial.reason),
        Ruling::Unjudged(denial) => panic!("{denial:?}"),
    }
}

#[test]
fn the_status_line_is_kess_and_the_condition_says_what_to_do() {
    let rules = rules(Policy::default(), &[(ROLE_ANNOTATION, "role/a")]);
    let Ruling::Denied(denial) = judged(&rules, &with_role(keys(&["k"]), "arn:aws:iam::1:role/b")) else {
        panic!("allowed")
    };
    let failure = denial.failure("team", "app");
    assert_eq!(
        failure.status_line(),
        "ERROR, not allowed to fetch secret: team/app: namespace does not allow to assume role arn:aws:iam::1:role/b"
    );
    assert!(
        failure
            .condition_message(0)
            .ends_with("; change the object, or annotation iam.amazonaws.com/permitted of namespace team")
    );
}

#[test]
fn a_rule_that_limits_nothing_takes_no_engine() {
    for everything in EVERYTHING {
        let rules = rules(
            Policy::default(),
            &[(NAMING_ANNOTATION, everything), (ROLE_ANNOTATION, everything)],
        );
        assert_eq!(
            rules.settled(&with_role(keys(&["k"]), "r")),
            Some(Ruling::Allowed),
            "{everything}"
        );
    }
    let anchored = Policy {
        anchored: true,
        ..Policy::default()
    };
    assert_eq!(
        rules(anchored, &[(NAMING_ANNOTATION, ".*")]).settled(&keys(&["a\nb"])),
        None
    );
}

#[test]
fn anchored_expressions_must_match_the_whole_text() {
    let anchored = Policy {
        anchored: true,
        ..Policy::default()
    };
    let naming = [(NAMING_ANNOTATION, "team/[a-z]+")];
    assert_eq!(
        denied(&rules(Policy::default(), &naming), &keys(&["other/team/db"])),
        None
    );
    assert!(denied(&rules(anchored.clone(), &naming), &keys(&["other/team/db"])).is_some());
    assert_eq!(denied(&rules(anchored, &naming), &keys(&["team/db"])), None);
}

#[test]
fn annotations_have_the_names_that_the_operator_was_told() {
    let policy = Policy {
        naming_annotation: "keys".into(),
        role_annotation: "roles".into(),
        ..Policy::default()
    };
    let usual = rules(policy.clone(), &[(NAMING_ANNOTATION, "x"), (ROLE_ANNOTATION, "x")]);
    assert_eq!(denied(&usual, &with_role(keys(&["k"]), "r")), None);
    let own = rules(policy, &[("keys", "x"), ("roles", "r")]);
    assert_eq!(
        denied(&own, &with_role(keys(&["k"]), "r")).unwrap(),
        "key name k does not match naming convention x"
    );
}

#[test]
fn nothing_is_asked_after_the_first_denial() {
    let engine = Engine::default();
    let limited = rules(
        Policy::default(),
        &[(NAMING_ANNOTATION, "^a"), (ROLE_ANNOTATION, "role/a")],
    );
    now(limited.judge(&with_role(keys(&["x", "a"]), "role/b"), &engine));
    assert_eq!(*engine.asked.lock().unwrap(), ["role/b"]);
    engine.asked.lock().unwrap().clear();
    now(limited.judge(&keys(&["a1", "x", "a2"]), &engine));
    assert_eq!(*engine.asked.lock().unwrap(), ["a2", "x"], "the last one is named");
}

#[test]
fn an_expression_that_cannot_be_judged_denies_and_says_why() {
    let naming = |expression: &str| rules(Policy::default(), &[(NAMING_ANNOTATION, expression)]);
    let engine = Engine {
        fails: vec![
            ("(", MatchError::Malformed("Unbalanced parenthesis".into())),
            ("(a*)*b", MatchError::Exhausted("250 ms of CPU time".into())),
            ("(?=a)", MatchError::Unavailable("no folder".into())),
        ],
        ..Engine::default()
    };
    let ruling = |expression: &str| now(naming(expression).judge(&keys(&["k"]), &engine));
    let place = format!("annotation {NAMING_ANNOTATION} of namespace team");
    assert_eq!(
        ruling("("),
        Ruling::Denied(Denial {
            reason: format!("{place}: malformed expression (Unbalanced parenthesis): ("),
            remedy: format!("mend {place}"),
        })
    );
    assert_eq!(
        ruling("(a*)*b"),
        Ruling::Denied(Denial {
            reason: format!("{place}: key name k cannot be judged by (a*)*b: it takes more than 250 ms of CPU time"),
            remedy: format!("simplify {place}"),
        })
    );
    assert_eq!(
        ruling("(?=a)"),
        Ruling::Unjudged(Denial {
            reason: format!("{place}: key name k cannot be judged by (?=a): JavaScript is not available: no folder"),
            remedy: "it is tried again".into(),
        })
    );
}

#[test]
fn a_malformed_role_expression_is_ignored_when_no_role_is_used() {
    let engine = Engine {
        fails: vec![("(", MatchError::Malformed("x".into()))],
        ..Engine::default()
    };
    let limited = rules(Policy::default(), &[(ROLE_ANNOTATION, "(")]);
    assert_eq!(now(limited.judge(&keys(&["k"]), &engine)), Ruling::Allowed);
    let ruling = now(limited.judge(&with_role(keys(&["k"]), "r"), &engine));
    assert!(matches!(ruling, Ruling::Denied(_)), "{ruling:?}");
}

#[test]
fn a_change_that_is_not_about_an_object_is_none_for_it() {
    let before = rules(Policy::default(), &[(NAMING_ANNOTATION, "a")]);
    let role_too = rules(Policy::default(), &[(NAMING_ANNOTATION, "a"), (ROLE_ANNOTATION, "r")]);
    assert!(before.same_for(&role_too, &keys(&["a"])));
    assert!(!before.same_for(&role_too, &with_role(keys(&["a"]), "r")));
    assert!(!before.same_for(&rules(Policy::default(), &[(NAMING_ANNOTATION, "b")]), &keys(&["a"])));
    assert_eq!(
        rules(Policy::default(), &[]),
        rules(Policy::default(), &[("other", "x")])
    );
}

#[test]
fn every_role_of_an_object_is_judged() {
    let rules = rules(Policy::default(), &[(ROLE_ANNOTATION, "^allowed")]);
    let of = |roles: &[&str]| Claims {
        roles: roles.iter().map(|role| (*role).into()).collect(),
        ..keys(&["k"])
    };
    assert_eq!(denied(&rules, &of(&["allowed-1", "allowed-2"])), None);
    assert_eq!(
        denied(&rules, &of(&["allowed-1", "other"])).as_deref(),
        Some("namespace does not allow to assume role other")
    );
    assert!(!rules.same_for(&self::rules(Policy::default(), &[]), &of(&["allowed-1"])));
}
