//! Plugins that only some namespaces may use, and plugins that are still to come.

use keyhole_api::NamespaceSelector;

use super::*;
use crate::plan::Admission;

/// A plan for a plugin that is for namespaces with this label alone.
fn for_label(name: &str, generation: i64, label: &str) -> Planned {
    let selector = serde_json::from_value(serde_json::json!({ "matchLabels": { label: "yes" } })).unwrap();
    let selector = NamespaceSelector::try_from(&selector).unwrap();
    Ok(ObjectPlan::new(PlanParts {
        admission: Some(Admission::new("vault".into(), Arc::new(selector))),
        ..(*plan(name, generation)?).clone()
    }))
}

fn labelled(index: &mut Index, labels: &[&str]) -> Vec<String> {
    let labels = labels.iter().map(|label| ((*label).to_owned(), "yes".to_owned()));
    words(&index.apply_namespace(&"ns".into(), false, rules(&[]), Arc::new(labels.collect())))
}

#[test]
fn an_object_of_a_namespace_that_is_not_selected_is_refused_and_never_asked_for() {
    let mut index = started();
    let steps = index.apply(seen("a", 1, 5), Some(for_label("a", 1, "team")), false);
    let [Step::Report(_, failures)] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!(failures[0].reason, Reason::NotPermitted);
    assert_eq!(
        failures[0].condition_message(0),
        "plugin vault is only for namespaces with the labels team=yes, and ns is none; have the namespace labelled so, or \
         spec.namespaces of BackendPlugin vault changed"
    );
}

#[test]
fn labels_are_followed_both_ways() {
    let mut index = started();
    index.apply(seen("a", 1, 5), Some(for_label("a", 1, "team")), false);
    index.apply(seen("b", 1, 6), Some(plan("b", 1)), false);
    assert_eq!(labelled(&mut index, &["team"]), ["edit a"]);
    assert!(
        labelled(&mut index, &["team", "other"]).is_empty(),
        "nothing that counts"
    );
    assert_eq!(labelled(&mut index, &["other"]), ["forget a", "report a 1"]);
}

#[test]
fn another_selector_is_judged_even_when_all_else_is_the_same() {
    let mut index = started();
    labelled(&mut index, &["team"]);
    let first = index.apply(seen("a", 1, 5), Some(for_label("a", 1, "team")), false);
    assert_eq!(words(&first), ["new a"]);
    let narrowed = index.apply(seen("a", 1, 5), Some(for_label("a", 1, "nobody")), false);
    assert_eq!(words(&narrowed), ["forget a", "report a 1"]);
    assert!(!index.accepts(&for_label("a", 1, "team").unwrap()));
}

#[test]
fn an_object_whose_namespace_is_not_known_is_held_and_not_refused() {
    let mut index = Index::new(true);
    index.start();
    let steps = index.apply(seen("a", 1, 5), Some(for_label("a", 1, "team")), false);
    assert!(steps.is_empty(), "{steps:?}");
    assert_eq!(labelled(&mut index, &["team"]), ["new a"]);
}

#[test]
fn an_object_whose_plugin_is_still_to_come_says_nothing() {
    let mut index = listing(true);
    index.apply(synced("a", 1, 5), Some(Err(Vec::new())), true);
    index.apply_secret(key("a"), at(10));
    assert!(index.start().is_empty());
    assert!(index.apply(seen("b", 1, 6), Some(Err(Vec::new())), false).is_empty());
    // As after any other restart: an object in good order is refreshed in its own time.
    let planned = index.apply(synced("a", 1, 5), Some(plan("a", 1)), false);
    assert_eq!(words(&planned), ["refresh a"]);
    let unknown = index.apply(seen("b", 1, 6), Some(unplanned()), false);
    assert_eq!(words(&unknown), ["report b 1"]);
}
