//! KES's own cases: what its permission check said, with its phrases. Ids are those of the catalogue of
//! KES's behaviour.

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/app";

fn naming(expression: &str) -> Rules {
    rules(Policy::default(), &[(NAMING_ANNOTATION, expression)])
}

fn claims(texts: &[Claim]) -> Claims {
    Claims {
        roles: Vec::new(),
        texts: texts.to_vec(),
    }
}

fn path(text: &str) -> Claim {
    Claim::Path(text.into())
}

fn key(text: &str) -> Claim {
    Claim::Key(text.into())
}

fn enforced(pairs: &[(&str, &str)]) -> Rules {
    let policy = Policy {
        enforced: true,
        ..Policy::default()
    };
    rules(policy, pairs)
}

#[test]
fn n1_a_namespace_without_annotations_allows_everything() {
    assert_eq!(
        denied(&rules(Policy::default(), &[]), &with_role(keys(&["k"]), ROLE)),
        None
    );
}

#[test]
fn n2_an_annotation_of_another_name_limits_nothing() {
    let other = rules(Policy::default(), &[("example.com/permitted-key-name", "^team/")]);
    assert_eq!(denied(&other, &keys(&["k"])), None);
}

#[test]
fn n3_an_empty_naming_annotation_allows_every_key() {
    assert_eq!(denied(&naming(""), &keys(&["k"])), None);
}

#[test]
fn n4_an_expression_for_everything_allows_every_key() {
    assert_eq!(denied(&naming(".*"), &keys(&["k", ""])), None);
}

#[test]
fn n5_a_key_that_matches_is_allowed() {
    assert_eq!(denied(&naming("dev/team-a/.*"), &keys(&["dev/team-a/secret"])), None);
}

#[test]
fn n6_a_key_that_does_not_match_is_denied() {
    assert_eq!(
        denied(&naming("dev/team-a/.*"), &keys(&["dev/team-b/secret"])).unwrap(),
        "key name dev/team-b/secret does not match naming convention dev/team-a/.*"
    );
}

#[test]
fn n7_an_expression_may_match_anywhere_in_a_key() {
    assert_eq!(denied(&naming("team-a"), &keys(&["prod/team-a/secret"])), None);
    assert!(denied(&naming("^team-a"), &keys(&["prod/team-a/secret"])).is_some());
}

#[test]
fn n8_a_path_that_matches_is_allowed() {
    assert_eq!(denied(&naming("^/dev/"), &claims(&[path("/dev/team-a")])), None);
}

#[test]
fn n9_a_path_that_does_not_match_is_denied() {
    assert_eq!(
        denied(&naming("^/dev/"), &claims(&[path("/prod/team-a")])).unwrap(),
        "path /prod/team-a does not match naming convention ^/dev/"
    );
}

#[test]
fn n10_an_empty_path_is_judged_and_denied() {
    assert_eq!(
        denied(&naming("^/dev/"), &claims(&[path("")])).unwrap(),
        "path  does not match naming convention ^/dev/"
    );
}

#[test]
fn n11_of_a_good_key_and_a_bad_path_the_path_is_named() {
    let both = claims(&[path("/prod/x"), key("/dev/y")]);
    assert_eq!(
        denied(&naming("^/dev/"), &both).unwrap(),
        "path /prod/x does not match naming convention ^/dev/"
    );
}

#[test]
fn n12_of_a_bad_key_and_a_good_path_the_key_is_named() {
    let both = claims(&[path("/dev/x"), key("/prod/y")]);
    assert_eq!(
        denied(&naming("^/dev/"), &both).unwrap(),
        "key name /prod/y does not match naming convention ^/dev/"
    );
}

#[test]
fn n13_of_a_bad_key_and_a_bad_path_the_later_is_named() {
    let both = claims(&[path("/prod/x"), key("/prod/y")]);
    assert_eq!(
        denied(&naming("^/dev/"), &both).unwrap(),
        "key name /prod/y does not match naming convention ^/dev/"
    );
}

#[test]
fn n14_of_several_bad_keys_the_last_is_named() {
    assert_eq!(
        denied(&naming("^dev/"), &keys(&["prod/a", "dev/b", "prod/c", "dev/d"])).unwrap(),
        "key name prod/c does not match naming convention ^dev/"
    );
}

#[test]
fn n15_good_entries_of_data_from_are_allowed() {
    assert_eq!(denied(&naming("^dev/"), &keys(&["dev/a", "dev/b"])), None);
}

#[test]
fn n16_a_bad_entry_of_data_from_is_denied() {
    assert_eq!(
        denied(&naming("^dev/"), &keys(&["prod/a"])).unwrap(),
        "key name prod/a does not match naming convention ^dev/"
    );
}

#[test]
fn n17_one_bad_entry_among_good_ones_denies_all() {
    assert_eq!(
        denied(&naming("^dev/"), &keys(&["dev/a", "prod/b", "dev/c"])).unwrap(),
        "key name prod/b does not match naming convention ^dev/"
    );
}

#[test]
fn n18_a_role_that_matches_is_allowed() {
    let limited = rules(Policy::default(), &[(ROLE_ANNOTATION, ".*:role/app$")]);
    assert_eq!(denied(&limited, &with_role(keys(&["k"]), ROLE)), None);
}

#[test]
fn n19_a_role_that_does_not_match_is_denied() {
    let limited = rules(Policy::default(), &[(ROLE_ANNOTATION, ":role/other")]);
    assert_eq!(
        denied(&limited, &with_role(keys(&["k"]), ROLE)).unwrap(),
        format!("namespace does not allow to assume role {ROLE}")
    );
}

#[test]
fn n20_an_empty_role_annotation_allows_every_role() {
    let limited = rules(Policy::default(), &[(ROLE_ANNOTATION, "")]);
    assert_eq!(denied(&limited, &with_role(keys(&["k"]), ROLE)), None);
}

#[test]
fn n21_an_object_without_a_role_is_no_matter_of_the_role_annotation() {
    let limited = rules(Policy::default(), &[(ROLE_ANNOTATION, ":role/other")]);
    assert_eq!(denied(&limited, &keys(&["k"])), None);
}

#[test]
fn n22_a_good_role_does_not_excuse_a_bad_key() {
    let limited = rules(
        Policy::default(),
        &[(NAMING_ANNOTATION, "^dev/"), (ROLE_ANNOTATION, ":role/app")],
    );
    assert_eq!(
        denied(&limited, &with_role(keys(&["prod/a"]), ROLE)).unwrap(),
        "key name prod/a does not match naming convention ^dev/"
    );
}

#[test]
fn n23_a_good_key_does_not_excuse_a_bad_role() {
    let limited = rules(
        Policy::default(),
        &[(NAMING_ANNOTATION, "^dev/"), (ROLE_ANNOTATION, ":role/other")],
    );
    assert_eq!(
        denied(&limited, &with_role(keys(&["dev/a"]), ROLE)).unwrap(),
        format!("namespace does not allow to assume role {ROLE}")
    );
}

#[test]
fn n24_when_both_deny_the_role_is_named() {
    let limited = rules(
        Policy::default(),
        &[(NAMING_ANNOTATION, "^dev/"), (ROLE_ANNOTATION, ":role/other")],
    );
    assert_eq!(
        denied(&limited, &with_role(keys(&["prod/a"]), "vault-role")).unwrap(),
        "namespace does not allow to assume role vault-role"
    );
}

#[test]
fn a1_enforced_a_namespace_without_annotations_allows_nothing() {
    assert_eq!(
        denied(&enforced(&[]), &keys(&["k"])).unwrap(),
        "Namespace annotation is required"
    );
}

#[test]
fn a2_enforced_a_namespace_without_a_naming_annotation_allows_nothing() {
    assert_eq!(
        denied(&enforced(&[("other", "x")]), &keys(&["k"])).unwrap(),
        format!("Missing required annotation {NAMING_ANNOTATION} on namespace team")
    );
}

#[test]
fn a3_enforced_an_empty_naming_annotation_is_missing() {
    assert_eq!(
        denied(&enforced(&[(NAMING_ANNOTATION, "")]), &keys(&["k"])).unwrap(),
        format!("Missing required annotation {NAMING_ANNOTATION} on namespace team")
    );
}

#[test]
fn a4_enforced_a_naming_annotation_is_enough_for_an_object_without_a_role() {
    assert_eq!(denied(&enforced(&[(NAMING_ANNOTATION, ".*")]), &keys(&["k"])), None);
}

#[test]
fn a5_enforced_a_role_needs_a_role_annotation() {
    for pairs in [
        &[(NAMING_ANNOTATION, ".*")][..],
        &[(NAMING_ANNOTATION, ".*"), (ROLE_ANNOTATION, "")],
        &[("other", "x")],
    ] {
        assert_eq!(
            denied(&enforced(pairs), &with_role(keys(&["k"]), ROLE)).unwrap(),
            format!("Missing required annotation {ROLE_ANNOTATION} on namespace team")
        );
    }
}

#[test]
fn a6_enforced_both_annotations_allow_what_they_say() {
    let both = enforced(&[(NAMING_ANNOTATION, "^dev/"), (ROLE_ANNOTATION, ":role/app$")]);
    assert_eq!(denied(&both, &with_role(keys(&["dev/a"]), ROLE)), None);
    assert!(denied(&both, &with_role(keys(&["prod/a"]), ROLE)).is_some());
}
