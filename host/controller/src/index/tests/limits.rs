//! Namespaces that limit what their objects may fetch, and namespaces that nothing is known of.

use super::*;

/// A plan that wants these keys, and this role.
pub(super) fn wanting(name: &str, generation: i64, keys: &[&str], role: Option<&str>) -> Planned {
    let claims = Claims {
        roles: role.map(Into::into).into_iter().collect(),
        texts: keys.iter().map(|key| Claim::Key((*key).into())).collect(),
    };
    Ok(ObjectPlan::new(PlanParts {
        claims: Arc::new(claims),
        admission: None,
        ..(*plan(name, generation)?).clone()
    }))
}

fn limit(index: &mut Index, annotations: &[(&str, &str)]) -> Vec<Step> {
    index.apply_namespace(&"ns".into(), false, rules(annotations), Labels::default())
}

fn naming(index: &mut Index, expression: &str) -> Vec<Step> {
    limit(index, &[(NAMING_ANNOTATION, expression)])
}

/// The ticket of the only case.
pub(super) fn ticket(steps: &[Step]) -> u64 {
    let tickets: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Judge(case) => Some(case.ticket),
            _ => None,
        })
        .collect();
    assert_eq!(tickets.len(), 1, "{steps:?}");
    tickets[0]
}

pub(super) fn denial() -> Denial {
    Denial {
        reason: "key name k does not match naming convention ^team/".into(),
        remedy: "change it".into(),
    }
}

fn judged(index: &mut Index, name: &str, ticket: u64, ruling: Ruling) -> Vec<String> {
    words(&index.judged(&key(name), ticket, ruling))
}

/// An index with one synced object that wants key `k` and has what it wants.
fn with_served() -> Index {
    let mut index = started();
    index.apply_secret(key("a"), at(10));
    let steps = index.apply(synced("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false);
    assert_eq!(words(&steps), ["refresh a"]);
    index.finish(finish("a", Some(Some(held(10, true))), Some(Reason::Synced)));
    index
}

#[test]
fn an_object_is_neither_asked_for_nor_refused_while_it_is_judged() {
    let mut index = started();
    naming(&mut index, "^team/");
    let steps = index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false);
    assert_eq!(words(&steps), ["judge a"]);
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    assert!(index.repair(&key("a"), "uid", Instant::now()).is_none());
    index.delete_secret(&key("a"), at(50));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert_eq!(judged(&mut index, "a", ticket(&steps), Ruling::Allowed), ["new a"]);
    assert!(index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn a_denied_object_is_reported_and_its_secret_left_alone() {
    let mut index = started();
    naming(&mut index, "^team/");
    let steps = index.apply(synced("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false);
    let steps = index.judged(&key("a"), ticket(&steps), Ruling::Denied(denial()));
    assert_eq!(words(&steps), ["report a 1"]);
    let [Step::Report(_, failures)] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        failures[0].status_line(),
        "ERROR, not allowed to fetch secret: ns/a: key name k does not match naming convention ^team/"
    );
    index.delete_secret(&key("a"), at(50));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert!(!index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn a_limit_that_comes_later_stops_what_is_on_its_way_at_once() {
    let mut index = with_served();
    assert!(index.accepts(&plan("a", 1).unwrap()));
    let steps = naming(&mut index, "^team/");
    assert_eq!(words(&steps), ["forget a", "judge a"]);
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    let first = ticket(&steps);
    assert_eq!(judged(&mut index, "a", first, Ruling::Denied(denial())), ["report a 1"]);
    assert!(naming(&mut index, "^team/").is_empty(), "told already");
    assert!(
        judged(&mut index, "a", first, Ruling::Allowed).is_empty(),
        "an answer counts once"
    );

    // A wider limit, without a list of the objects.
    let steps = naming(&mut index, "^(team/|k)");
    assert_eq!(words(&steps), ["judge a"]);
    assert_eq!(judged(&mut index, "a", ticket(&steps), Ruling::Allowed), ["edit a"]);
}

#[test]
fn a_limit_that_is_taken_away_lets_a_denied_object_be_synced_at_once() {
    let mut index = with_served();
    let steps = naming(&mut index, "^team/");
    judged(&mut index, "a", ticket(&steps), Ruling::Denied(denial()));
    assert_eq!(words(&limit(&mut index, &[])), ["edit a"]);
    assert!(index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn an_object_that_stays_permitted_keeps_its_time() {
    let mut index = with_served();
    let steps = naming(&mut index, "k");
    assert_eq!(judged(&mut index, "a", ticket(&steps), Ruling::Allowed), ["refresh a"]);

    // A repair that was under way is not lost.
    index.apply_secret(key("a"), at(11));
    assert_eq!(looked(&mut index, Instant::now()), ["check a"]);
    index.repair(&key("a"), "uid", Instant::now()).unwrap();
    let steps = naming(&mut index, "^k");
    assert_eq!(judged(&mut index, "a", ticket(&steps), Ruling::Allowed), ["new a"]);
}

#[test]
fn an_answer_to_an_older_question_counts_for_nothing() {
    let mut index = started();
    naming(&mut index, "^team/");
    let first = ticket(&index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["team/k"], None)), false));
    let second = ticket(&index.apply(seen("a", 2, 6), Some(wanting("a", 2, &["k"], None)), false));
    assert!(judged(&mut index, "a", first, Ruling::Allowed).is_empty());
    assert!(!index.accepts(&plan("a", 2).unwrap()));
    let third = ticket(&naming(&mut index, "^x"));
    assert!(judged(&mut index, "a", second, Ruling::Allowed).is_empty());
    assert_eq!(judged(&mut index, "a", third, Ruling::Denied(denial())), ["report a 1"]);
}

#[test]
fn an_edit_of_other_things_needs_no_new_judgement() {
    let mut index = with_served();
    let steps = naming(&mut index, "k");
    judged(&mut index, "a", ticket(&steps), Ruling::Allowed);
    let steps = index.apply(synced("a", 2, 6), Some(wanting("a", 2, &["k"], None)), false);
    assert_eq!(words(&steps), ["edit a"]);
    let steps = index.apply(synced("a", 3, 7), Some(wanting("a", 3, &["other"], None)), false);
    assert_eq!(words(&steps), ["forget a", "judge a"]);
}

#[test]
fn an_edit_of_a_denied_object_is_judged_and_reported_again() {
    let mut index = started();
    naming(&mut index, "^team/");
    let steps = index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false);
    judged(&mut index, "a", ticket(&steps), Ruling::Denied(denial()));
    let steps = index.apply(seen("a", 2, 6), Some(wanting("a", 2, &["k"], None)), false);
    assert_eq!(
        judged(&mut index, "a", ticket(&steps), Ruling::Denied(denial())),
        ["report a 1"]
    );
    let forced = Seen {
        refresh: Some("now".into()),
        ..seen("a", 2, 7)
    };
    assert_eq!(words(&index.apply(forced.clone(), None, false)), ["report a 1"]);
    assert_eq!(index.view(&key("a")).unwrap().refresh.as_deref(), Some("now"));
    assert!(index.apply(forced, None, false).is_empty(), "taken care of");
}

#[test]
fn a_rule_about_roles_is_none_for_an_object_without_one() {
    let mut index = with_served();
    index.apply_secret(key("b"), at(10));
    index.apply(synced("b", 1, 5), Some(wanting("b", 1, &["k"], Some("role"))), false);
    let steps = limit(&mut index, &[(ROLE_ANNOTATION, "other")]);
    assert_eq!(words(&steps), ["forget b", "judge b"]);
    assert!(index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn what_nobody_could_judge_is_denied_and_tried_again_with_growing_pauses() {
    let mut index = started();
    naming(&mut index, "^team/");
    let mut steps = index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let told = judged(&mut index, "a", ticket(&steps), Ruling::Unjudged(denial()));
        assert_eq!(told[0], "report a 1");
        pauses.push(told[1].clone());
        assert!(!index.accepts(&plan("a", 1).unwrap()));
        steps = index.judge_again(&key("a"));
        assert_eq!(words(&steps), ["judge a"]);
        assert!(index.judge_again(&key("a")).is_empty(), "under way");
    }
    assert_eq!(pauses[..3], ["judge a in 1", "judge a in 2", "judge a in 4"]);
    assert_eq!(pauses[9], "judge a in 300");
    assert_eq!(judged(&mut index, "a", ticket(&steps), Ruling::Allowed), ["edit a"]);
    assert!(index.judge_again(&key("a")).is_empty(), "nothing to try again");
}

#[test]
fn an_object_waits_for_its_namespace() {
    let mut index = Index::new(true);
    index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), true);
    assert!(index.start().is_empty());
    assert!(
        index
            .apply(seen("b", 1, 6), Some(wanting("b", 1, &["k"], None)), false)
            .is_empty()
    );
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    let elsewhere = Arc::new(Policy::default()).rules("elsewhere", &BTreeMap::new());
    assert!(
        index
            .apply_namespace(&"elsewhere".into(), false, elsewhere, Labels::default())
            .is_empty()
    );
    let mut steps = words(&limit(&mut index, &[]));
    steps.sort();
    assert_eq!(steps, ["new a", "new b"]);
}

#[test]
fn a_limit_that_is_listed_after_the_objects_holds_from_the_start() {
    let mut index = Index::new(true);
    index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), true);
    assert!(naming(&mut index, "^team/").is_empty());
    assert_eq!(words(&index.start()), ["judge a"]);
}

#[test]
fn objects_stop_when_nothing_is_known_of_their_namespace_any_more() {
    let gone: [fn(&mut Index) -> Vec<Step>; 5] = [
        |index| index.delete_namespace("ns"),
        |index| index.namespaces_listed(None, &HashSet::new()),
        |index| index.namespaces_listed(Some("ns"), &HashSet::new()),
        |index| index.namespaces_lost(None),
        |index| index.namespaces_lost(Some("ns")),
    ];
    for gone in gone {
        let mut index = with_served();
        assert!(index.namespaces_listed(Some("elsewhere"), &HashSet::new()).is_empty());
        assert!(index.namespaces_lost(Some("elsewhere")).is_empty());
        let all = HashSet::from([ObjectKey::new("ns", "ns")]);
        assert!(index.namespaces_listed(None, &all).is_empty());
        assert_eq!(words(&gone(&mut index)), ["forget a"]);
        assert!(!index.accepts(&plan("a", 1).unwrap()));
        assert_eq!(words(&limit(&mut index, &[])), ["refresh a"]);
    }
}

#[test]
fn a_judgement_that_comes_when_the_namespace_is_gone_counts_for_nothing() {
    let mut index = started();
    naming(&mut index, "^team/");
    let ticket = ticket(&index.apply(seen("a", 1, 5), Some(wanting("a", 1, &["k"], None)), false));
    index.delete_namespace("ns");
    assert!(judged(&mut index, "a", ticket, Ruling::Allowed).is_empty());
    assert!(!index.accepts(&plan("a", 1).unwrap()));
}

#[test]
fn a_namespace_made_anew_while_it_was_being_deleted_is_decided_about_anew() {
    let mut index = with_served();
    index.apply_namespace(&"ns".into(), true, rules(&[]), Labels::default());
    let steps = naming(&mut index, "^team/");
    assert_eq!(words(&steps), ["judge a"]);
}

#[test]
fn nothing_is_asked_for_in_a_namespace_that_is_being_deleted() {
    let mut index = with_held();
    let ns = Arc::from("ns");
    assert_eq!(
        words(&index.apply_namespace(&ns, true, rules(&[]), Labels::default())),
        ["forget a"]
    );
    assert!(
        index
            .apply_namespace(&ns, true, rules(&[]), Labels::default())
            .is_empty(),
        "told already"
    );
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    index.delete_secret(&key("a"), at(50));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert!(index.apply(synced("b", 1, 6), Some(plan("b", 1)), false).is_empty());
    assert!(index.delete_namespace("ns").is_empty());
    assert!(!index.accepts(&plan("a", 1).unwrap()), "nothing is known of it");
}

#[test]
fn a_refresh_that_was_under_way_is_forced_again_when_the_object_is_permitted() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(10));
    let annotated = |version| Seen {
        refresh: Some("now".into()),
        ..synced("a", 1, version)
    };
    assert_eq!(words(&index.apply(annotated(6), None, false)), ["forced a"]);
    assert_eq!(words(&index.namespaces_lost(None)), ["forget a"]);
    assert_eq!(words(&limit(&mut index, &[])), ["forced a"]);

    // One that came to its end is not.
    let mut handled = annotated(7);
    handled.shown.status.observed_refresh = Some("now".into());
    assert!(index.apply(handled, None, false).is_empty());
    assert_eq!(words(&index.namespaces_lost(None)), ["forget a"]);
    assert_eq!(words(&limit(&mut index, &[])), ["refresh a"]);
}

#[test]
fn a_secret_that_was_changed_while_its_object_was_held_is_put_right_afterwards() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(10));
    assert_eq!(words(&index.namespaces_lost(None)), ["forget a"]);
    index.apply_secret(key("a"), at(11));
    assert!(
        looked(&mut index, Instant::now()).is_empty(),
        "nothing is done while it is held"
    );
    assert_eq!(words(&limit(&mut index, &[])), ["new a"]);
}
