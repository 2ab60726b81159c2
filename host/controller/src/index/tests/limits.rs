//! Namespaces that limit what their objects may fetch.

use super::*;

fn limits(keys: &str) -> NamespaceRules {
    let annotation = keyhole_api::names::NAMING_PERMITTED_ANNOTATION.to_owned();
    NamespaceRules::of(&BTreeMap::from([(annotation, keys.to_owned())]))
}

#[test]
fn a_namespace_that_becomes_limited_stops_its_objects_and_what_is_on_its_way_for_them() {
    let mut index = with_held();
    let limited = index.apply_rules(&"ns".into(), limits("^team/"));
    assert_eq!(words(&limited.steps), ["forget a", "report a 1"]);
    assert!(!limited.plan_again);
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    assert!(
        index.apply_rules(&"ns".into(), limits("^team/")).steps.is_empty(),
        "told already"
    );
    assert_eq!(
        words(&index.apply(seen("b", 1, 6), Some(plan("b", 1)), false)),
        ["report b 1"]
    );

    let relaxed = index.apply_rules(&"ns".into(), NamespaceRules::default());
    assert!(relaxed.plan_again && relaxed.steps.is_empty());
    assert_eq!(
        words(&index.apply(synced("a", 1, 7), Some(plan("a", 1)), false)),
        ["edit a"]
    );
    assert!(index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn a_limit_that_is_listed_after_the_objects_holds_from_the_start() {
    let mut index = Index::new(true);
    index.apply(seen("a", 1, 5), Some(plan("a", 1)), true);
    assert!(index.apply_rules(&"ns".into(), limits("^team/")).steps.is_empty());
    assert_eq!(words(&index.start()), ["report a 1"]);
}
