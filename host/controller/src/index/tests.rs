//! What the index makes necessary when objects, Secrets, namespaces and plugins come, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use keyhole_core::digest::{ContentDigest, ContentKey};
use keyhole_core::item::{Item, Mapping};
use keyhole_core::permission::{Claim, Claims, Denial, NAMING_ANNOTATION, Policy, ROLE_ANNOTATION, Rules, Ruling};
use keyhole_core::request::JsonText;
use keyhole_core::{CallError, GroupKey, Identity, Outcome, PluginId, Reason, Request, Selector};

use super::*;
use crate::plan::{Labels, PlanParts};
use crate::planner::{Exchanges, Fetch, PlannedRequest};
use crate::report::Ready;

mod admission;
mod again;
mod limits;
mod secrets;

struct Nobody;

impl Fetch for Nobody {
    fn max_batch(&self) -> usize {
        1
    }

    fn concurrent_calls(&self) -> usize {
        1
    }

    fn validate<'a>(&'a self, _: &'a JsonText) -> BoxFuture<'a, Result<(), Failure>> {
        unreachable!()
    }

    fn fetch<'a>(
        &'a self,
        _: &'a GroupKey,
        _: &'a Arc<[Arc<str>]>,
        _: u32,
        _: &'a [PlannedRequest],
        _: &'a Exchanges,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        unreachable!()
    }
}

const INTERVAL: Duration = Duration::from_secs(60);

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

fn plan_of(name: &str, uid: &str, generation: i64, interval: Option<Duration>) -> Planned {
    let request = Request {
        selector: Selector::Key(format!("v{generation}").as_str().into()),
        options: JsonText::default(),
    };
    let mapping = Mapping::Single {
        name: "k".to_owned(),
        property: None,
        is_binary: false,
    };
    let plugin = PluginId {
        name: "p".into(),
        digest: "sha256:0".into(),
    };
    Ok(ObjectPlan::new(PlanParts {
        key: key(name),
        uid: uid.into(),
        generation,
        backend_type: "b".into(),
        group: GroupKey {
            plugin,
            settings: JsonText::default(),
            region: None,
            identity: Identity::default(),
            namespace: None,
        },
        source: Arc::new(Nobody),
        items: vec![Item {
            place: "data[0]".to_owned(),
            request,
            mapping,
        }],
        interval,
        secret_type: "Opaque".to_owned(),
        leniency: Default::default(),
        claims: Arc::default(),
        admission: None,
    }))
}

fn plan(name: &str, generation: i64) -> Planned {
    plan_of(name, "uid", generation, Some(INTERVAL))
}

fn unplanned() -> Planned {
    Err(vec![Failure::new(Reason::NoPlugin, "no plugin")])
}

fn seen(name: &str, generation: i64, version: u64) -> Seen {
    Seen {
        key: key(name),
        shown: Shown {
            uid: "uid".into(),
            resource_version: version.to_string().as_str().into(),
            status: Status::default(),
        },
        generation,
        deleting: false,
        backend_type: "b".into(),
        refresh: None,
    }
}

/// An object that was synced before, at this generation.
fn synced(name: &str, generation: i64, version: u64) -> Seen {
    let mut seen = seen(name, generation, version);
    seen.shown.status = Status {
        line: Some("SUCCESS".into()),
        last_sync: Some(Timestamp::from_second(1000).unwrap()),
        observed_generation: Some(generation),
        observed_refresh: None,
        ready: Some(Ready {
            holds: true,
            reason: "Synced".into(),
            message: "".into(),
            since: None,
            observed_generation: Some(generation),
        }),
    };
    seen
}

/// What the namespace says with these annotations.
fn rules(annotations: &[(&str, &str)]) -> Rules {
    let annotations = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Arc::new(Policy::default()).rules("ns", &annotations.collect())
}

/// An index that knows the namespace, and that it limits nothing.
fn listing(watches_secrets: bool) -> Index {
    let mut index = Index::new(watches_secrets);
    assert!(
        index
            .apply_namespace(&"ns".into(), false, rules(&[]), Labels::default())
            .is_empty()
    );
    index
}

fn started() -> Index {
    let mut index = listing(true);
    assert!(index.start().is_empty());
    index
}

/// An index with one object, in good order, whose Secret was written at version 10 by this process.
fn with_held() -> Index {
    let mut index = started();
    index.apply(synced("a", 1, 5), Some(plan("a", 1)), false);
    index.finish(finish("a", Some(Some(held(10, true))), Some(Reason::Synced)));
    index
}

fn digest() -> ContentDigest {
    ContentKey::random().unwrap().digest(&BTreeMap::new(), &[])
}

fn held(version: u64, ours: bool) -> Held {
    let standing = if ours { Standing::Ours } else { Standing::Foreign };
    Held {
        version: Version::of(&version.to_string()),
        digest: digest(),
        standing,
    }
}

fn finish(name: &str, held: Option<Option<Held>>, reason: Option<Reason>) -> Finish {
    Finish {
        key: key(name),
        uid: "uid".into(),
        held,
        unlisted: None,
        attempt: reason.map(|reason| (reason, Timestamp::from_second(2000).unwrap())),
        shown: None,
        unreported: None,
        unreadable: false,
        secret_lists: 0,
    }
}

fn at(version: u64) -> Version {
    Version::of(&version.to_string())
}

fn words(steps: &[Step]) -> Vec<String> {
    let word = |step: &Step| match step {
        Step::Submit(submit) => format!("{} {}", submit.cause.label(), submit.plan.key.name),
        Step::Forget(key) => format!("forget {}", key.name),
        Step::Report(key, failures) => format!("report {} {}", key.name, failures.len()),
        Step::Check(key) => format!("check {}", key.name),
        Step::Wake(_, key) => format!("wake {}", key.name),
        Step::Gone(key) => format!("gone {}", key.name),
        Step::Judge(case) => format!("judge {}", case.key.name),
        Step::JudgeAgain(after, key) => format!("judge {} in {}", key.name, after.as_secs()),
    };
    steps.iter().map(word).collect()
}

fn looked(index: &mut Index, now: Instant) -> Vec<String> {
    words(&index.look(&key("a"), now).into_iter().collect::<Vec<_>>())
}

#[test]
fn nothing_is_done_before_everything_is_listed_and_then_each_object_gets_its_cause() {
    let mut index = listing(true);
    let mut failed = synced("failed", 1, 1);
    failed.shown.status.line = Some("ERROR, x".into());
    let mut forced = synced("forced", 1, 1);
    forced.refresh = Some("now".into());
    let mut deleting = synced("deleting", 1, 1);
    deleting.deleting = true;
    for (object, planned) in [
        (seen("fresh", 1, 1), plan("fresh", 1)),
        (synced("good", 1, 1), plan("good", 1)),
        (synced("missing", 1, 1), plan("missing", 1)),
        (synced("edited", 1, 1), plan("edited", 2)),
        (failed, plan("failed", 1)),
        (forced, plan("forced", 1)),
        (deleting, plan("deleting", 1)),
        (synced("unplanned", 1, 1), unplanned()),
    ] {
        let generation = if &*object.key.name == "edited" {
            2
        } else {
            object.generation
        };
        assert!(
            index
                .apply(Seen { generation, ..object }, Some(planned), true)
                .is_empty()
        );
    }
    for name in ["good", "edited", "failed", "forced", "unplanned"] {
        index.apply_secret(key(name), at(1));
    }
    let mut steps = words(&index.start());
    steps.sort();
    assert_eq!(
        steps,
        [
            "forced forced",
            "new edited",
            "new failed",
            "new fresh",
            "new missing",
            "refresh good",
            "report unplanned 1"
        ]
    );
}

#[test]
fn a_missing_secret_is_not_fetched_for_an_object_that_is_fetched_once() {
    let mut index = listing(true);
    index.apply(synced("a", 1, 1), Some(plan_of("a", "uid", 1, None)), true);
    assert_eq!(words(&index.start()), ["refresh a"]);
}

#[test]
fn without_a_watch_on_secrets_none_is_taken_for_missing() {
    let mut index = listing(false);
    index.apply(synced("a", 1, 1), Some(plan("a", 1)), true);
    assert_eq!(words(&index.start()), ["refresh a"]);
    assert!(!index.view(&key("a")).unwrap().seems_missing);
}

#[test]
fn the_last_sync_of_the_status_goes_to_the_planner() {
    let mut index = started();
    index.apply_secret(key("a"), at(1));
    let steps = index.apply(synced("a", 1, 1), Some(plan("a", 1)), false);
    let [Step::Submit(submit)] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(
        (submit.cause, submit.last_sync),
        (Cause::Refresh, Some(Timestamp::from_second(1000).unwrap()))
    );
}

#[test]
fn an_edit_is_submitted_and_an_echo_of_our_own_status_is_not() {
    let mut index = with_held();
    assert!(!index.wants_plan(&key("a"), "uid", 1));
    assert!(index.apply(synced("a", 1, 6), None, false).is_empty());
    assert!(index.wants_plan(&key("a"), "uid", 2));
    assert_eq!(
        words(&index.apply(synced("a", 2, 7), Some(plan("a", 2)), false)),
        ["edit a"]
    );
}

#[test]
fn a_plan_that_is_made_anew_and_says_the_same_is_not_submitted() {
    let mut index = started();
    let planned = plan("a", 1).unwrap();
    index.apply(synced("a", 1, 5), Some(Ok(planned.clone())), false);
    assert!(index.apply(synced("a", 1, 5), Some(Ok(planned)), false).is_empty());
    assert_eq!(
        words(&index.apply(synced("a", 1, 5), Some(plan("a", 1)), false)),
        ["edit a"],
        "another plugin"
    );
}

#[test]
fn an_event_from_before_our_own_write_is_ignored_and_a_list_is_not() {
    let mut index = with_held();
    let mut written = synced("a", 1, 9);
    written.shown.status.observed_refresh = Some("x".into());
    index.finish(Finish {
        shown: Some(written.shown.clone()),
        ..finish("a", None, None)
    });
    index.apply(synced("a", 1, 6), None, false);
    assert_eq!(index.view(&key("a")).unwrap().shown, written.shown);
    index.apply(synced("a", 1, 6), None, true);
    assert_eq!(&*index.view(&key("a")).unwrap().shown.resource_version, "6");
}

#[test]
fn a_state_that_a_watch_showed_meanwhile_is_not_overwritten_by_a_writer() {
    let mut index = with_held();
    index.apply(synced("a", 2, 20), Some(plan("a", 2)), false);
    index.finish(Finish {
        shown: Some(synced("a", 1, 9).shown),
        ..finish("a", None, None)
    });
    assert_eq!(&*index.view(&key("a")).unwrap().shown.resource_version, "20");
}

#[test]
fn what_cannot_be_planned_is_reported_and_forgotten_by_the_planner() {
    let mut index = with_held();
    assert_eq!(
        words(&index.apply(synced("a", 2, 6), Some(unplanned()), false)),
        ["forget a", "report a 1"]
    );
    assert_eq!(
        words(&index.apply(synced("a", 3, 7), Some(plan("a", 3)), false)),
        ["edit a"]
    );
    assert_eq!(
        words(&index.apply(seen("b", 1, 7), Some(unplanned()), false)),
        ["report b 1"]
    );
}

#[test]
fn an_object_of_the_same_name_is_another_object() {
    let mut index = with_held();
    let mut object = seen("a", 1, 30);
    object.shown.uid = "other".into();
    assert!(index.wants_plan(&key("a"), "other", 1));
    let steps = index.apply(object, Some(plan_of("a", "other", 1, Some(INTERVAL))), false);
    assert_eq!(words(&steps), ["forget a", "gone a", "new a"]);
    assert!(index.view(&key("a")).unwrap().held.is_none());
    index.finish(finish("a", Some(Some(held(40, true))), Some(Reason::Synced)));
    assert!(
        index.view(&key("a")).unwrap().held.is_none(),
        "that was the other one's writer"
    );
}

#[test]
fn nothing_is_asked_for_an_object_that_is_being_deleted() {
    let mut index = with_held();
    let planned = plan("a", 1).unwrap();
    assert!(index.accepts(&planned));
    let deleting = Seen {
        deleting: true,
        ..synced("a", 1, 6)
    };
    assert_eq!(words(&index.apply(deleting.clone(), None, false)), ["forget a"]);
    assert!(!index.accepts(&planned));
    let edited = Seen {
        generation: 2,
        ..deleting
    };
    assert!(index.apply(edited, Some(plan("a", 2)), false).is_empty());
    index.delete_secret(&key("a"), at(50));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert_eq!(words(&index.delete(&key("a"))), ["forget a", "gone a"]);
    assert!(index.delete(&key("a")).is_empty());
}

#[test]
fn objects_that_a_list_does_not_hold_are_gone() {
    let mut index = with_held();
    index.apply(seen("b", 1, 1), Some(plan("b", 1)), false);
    assert!(index.listed(Some("elsewhere"), &HashSet::new()).is_empty());
    assert_eq!(
        words(&index.listed(Some("ns"), &HashSet::from([key("a")]))),
        ["forget b", "gone b"]
    );
    assert_eq!(words(&index.listed(None, &HashSet::new())), ["forget a", "gone a"]);
    assert!(index.is_empty());
}

#[test]
fn a_result_is_accepted_for_the_newest_generation_only() {
    let mut index = with_held();
    assert!(index.accepts(&plan("a", 1).unwrap()));
    assert!(!index.accepts(&plan_of("a", "other", 1, None).unwrap()));
    index.apply(synced("a", 2, 6), Some(plan("a", 2)), false);
    assert!(!index.accepts(&plan("a", 1).unwrap()));
    assert!(index.accepts(&plan("a", 2).unwrap()));
}

#[test]
fn a_new_value_of_the_refresh_annotation_forces_one_sync() {
    let mut index = with_held();
    let annotated = |version, value: &str| Seen {
        refresh: Some(value.into()),
        ..synced("a", 1, version)
    };
    assert_eq!(words(&index.apply(annotated(6, "1"), None, false)), ["forced a"]);
    assert!(index.apply(annotated(7, "1"), None, false).is_empty(), "under way");
    assert_eq!(index.view(&key("a")).unwrap().refresh.as_deref(), Some("1"));
    assert_eq!(words(&index.apply(annotated(8, "2"), None, false)), ["forced a"]);
    let mut handled = annotated(9, "2");
    handled.shown.status.observed_refresh = Some("2".into());
    assert!(index.apply(handled, None, false).is_empty());
    assert!(
        index.apply(synced("a", 1, 10), None, false).is_empty(),
        "taking it away is no new value"
    );
}

#[test]
fn a_heartbeat_is_due_as_long_as_the_status_lags() {
    let mut index = with_held();
    assert_eq!(index.heartbeat(&key("a")), Some(Timestamp::from_second(2000).unwrap()));
    let mut shown = synced("a", 1, 7).shown;
    shown.status.last_sync = Some(Timestamp::from_second(2000).unwrap());
    index.finish(Finish {
        shown: Some(shown),
        ..finish("a", None, None)
    });
    assert_eq!(index.heartbeat(&key("a")), None);
}

#[test]
fn the_survey_counts_reasons_and_finds_the_longest_ago_sync() {
    let mut index = with_held();
    index.apply(synced("b", 1, 1), Some(plan("b", 1)), false);
    index.apply(seen("c", 1, 1), Some(unplanned()), false);
    index.finish(finish("c", None, Some(Reason::NoPlugin)));
    let (reasons, oldest) = index.survey();
    assert_eq!(reasons, HashMap::from([("synced", 2), ("no_plugin", 1)]));
    assert_eq!(oldest, Some(Timestamp::from_second(1000).unwrap()));
}
