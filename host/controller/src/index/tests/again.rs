//! Plans that are made anew because the plugins changed, from a list that may be older than what is known.

use super::limits::{denial, ticket, wanting};
use super::*;

#[test]
fn a_list_from_before_our_own_write_still_gives_the_object_its_new_plan() {
    let mut index = with_held();
    index.finish(Finish {
        shown: Some(synced("a", 1, 9).shown),
        ..finish("a", None, None)
    });
    // What the list says of version 6 is about the same generation.
    assert!(!index.wants_plan(&key("a"), "uid", 1));
    assert_eq!(words(&index.plan_again(&key("a"), plan("a", 1))), ["edit a"]);
    let shown = index.view(&key("a")).unwrap().shown;
    assert_eq!(&*shown.resource_version, "9", "nothing but the plan is taken from it");
    assert_eq!(
        words(&index.plan_again(&key("a"), unplanned())),
        ["forget a", "report a 1"]
    );
    assert!(!index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn an_object_that_is_gone_does_not_come_back() {
    let mut index = with_held();
    index.delete(&key("a"));
    assert!(index.wants_plan(&key("a"), "uid", 1), "so nobody plans it");
    assert!(index.plan_again(&key("a"), plan("a", 1)).is_empty());
    assert!(index.is_empty());
}

#[test]
fn an_object_that_is_not_permitted_is_not_fetched_under_its_new_plan_either() {
    let mut index = with_held();
    index.plan_again(&key("a"), wanting("a", 1, &["k"], None));
    let limited = rules(&[(NAMING_ANNOTATION, "^nothing$")]);
    let steps = index.apply_namespace(&"ns".into(), false, limited, Labels::default());
    let denied = index.judged(&key("a"), ticket(&steps), Ruling::Denied(denial()));
    assert_eq!(words(&denied), ["report a 1"]);
    let steps = words(&index.plan_again(&key("a"), wanting("a", 1, &["k"], None)));
    assert_eq!(steps, ["judge a"], "and nothing is asked before that");
    assert!(!index.accepts(&wanting("a", 1, &["k"], None).unwrap()));
}

#[test]
fn an_object_that_is_being_deleted_is_not_fetched() {
    let mut index = with_held();
    index.apply(
        Seen {
            deleting: true,
            ..synced("a", 1, 6)
        },
        None,
        false,
    );
    assert!(index.plan_again(&key("a"), plan("a", 1)).is_empty());
}

#[test]
fn a_report_that_was_not_written_yet_is_void_when_the_plugin_is_there_and_the_object_is_synced_at_once() {
    let mut index = started();
    assert_eq!(
        words(&index.apply(synced("a", 1, 5), Some(unplanned()), false)),
        ["report a 1"]
    );
    assert!(index.is_unserved(&key("a"), 1));
    assert_eq!(words(&index.plan_again(&key("a"), plan("a", 1))), ["edit a"]);
    assert!(!index.is_unserved(&key("a"), 1));
}

#[test]
fn a_result_that_could_not_be_shown_is_void_once_there_is_a_later_one() {
    let mut index = with_held();
    let attempt = |second| Attempt {
        generation: 1,
        outcome: Ok("right"),
        refresh: None,
        at: Timestamp::from_second(second).unwrap(),
    };
    assert!(index.is_latest(&key("a"), &attempt(2000)));
    index.finish(Finish {
        attempt: Some((Reason::Synced, Timestamp::from_second(2010).unwrap())),
        ..finish("a", None, None)
    });
    assert!(!index.is_latest(&key("a"), &attempt(2000)));
    assert!(index.is_latest(&key("a"), &attempt(2010)));
}

#[test]
fn a_status_that_cannot_be_written_is_tried_by_one_at_a_time_with_growing_pauses() {
    let mut index = with_held();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        pauses.push(index.report_again_after(&key("a")).unwrap().as_secs());
        assert_eq!(index.report_again_after(&key("a")), None, "somebody waits");
        index.take_unreported(&key("a"));
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
    index.finish(Finish {
        shown: Some(synced("a", 1, 9).shown),
        ..finish("a", None, None)
    });
    assert_eq!(index.report_again_after(&key("a")).unwrap().as_secs(), 10);
}

#[test]
fn an_object_that_waits_for_its_namespace_counts_for_the_age_and_one_without_a_plan_does_not() {
    let mut index = with_held();
    let age = |index: &Index| index.survey().1;
    assert!(age(&index).is_some());
    index.namespaces_lost(None);
    assert!(age(&index).is_some());
    let mut denied = with_held();
    denied.plan_again(&key("a"), unplanned());
    assert!(age(&denied).is_none(), "nobody refreshes it");
    let mut closing = with_held();
    closing.apply_namespace(&"ns".into(), true, rules(&[]), Labels::default());
    assert!(age(&closing).is_none(), "nor one that goes with its namespace");
}

#[test]
fn why_an_object_could_not_be_served_is_not_told_late_once_it_is() {
    let mut index = started();
    index.apply(synced("a", 1, 5), Some(unplanned()), false);
    let attempt = Attempt {
        generation: 1,
        outcome: Err(vec![]),
        refresh: None,
        at: Timestamp::from_second(2000).unwrap(),
    };
    index.finish(Finish {
        unreported: Some(attempt.clone()),
        ..finish("a", None, Some(Reason::NoPlugin))
    });
    assert!(index.is_latest(&key("a"), &attempt));
    assert_eq!(words(&index.plan_again(&key("a"), plan("a", 1))), ["edit a"]);
    assert!(!index.is_latest(&key("a"), &attempt));
    assert!(index.take_unreported(&key("a")).is_none());
}
