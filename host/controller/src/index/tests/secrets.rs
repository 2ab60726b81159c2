//! Secrets that somebody else changed or deleted.

use super::*;

#[test]
fn the_echo_of_our_own_write_is_no_drift() {
    let mut index = with_held();
    assert!(index.apply_secret(key("a"), at(10)));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert!(index.view(&key("a")).unwrap().held_is_current);
}

#[test]
fn a_change_by_somebody_else_is_looked_at_and_repaired_if_it_matters() {
    let mut index = with_held();
    let now = Instant::now();
    assert!(index.apply_secret(key("a"), at(11)));
    assert!(!index.view(&key("a")).unwrap().held_is_current);
    assert_eq!(looked(&mut index, now), ["check a"]);
    let step = index.repair(&key("a"), "uid", now).unwrap();
    assert_eq!(words(&[step]), ["repair a"]);
    assert_eq!(index.take_notice(&key("a")), Some(Notice::Repaired));
    assert!(
        index.view(&key("a")).unwrap().held.is_none(),
        "read before the next write"
    );
    assert!(index.repair(&key("a"), "other", now).is_none());
}

#[test]
fn a_look_that_finds_nothing_wrong_is_remembered() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(11));
    assert_eq!(looked(&mut index, Instant::now()), ["check a"]);
    index.finish(finish("a", Some(Some(held(11, true))), None));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert!(!index.apply_secret(key("a"), at(11)), "a list says the same again");
}

#[test]
fn a_deleted_secret_is_repaired_at_once_and_then_with_a_growing_wait() {
    let mut index = with_held();
    let mut now = Instant::now();
    let mut version = 11;
    let mut waits = Vec::new();
    for _ in 0..4 {
        index.delete_secret(&key("a"), at(version));
        let mut words = looked(&mut index, now);
        if words == ["wake a"] {
            assert!(looked(&mut index, now).is_empty(), "one alarm is enough");
            let since = now;
            while words != ["repair a"] {
                now += Duration::from_millis(500);
                index.woken(&key("a"));
                words = looked(&mut index, now);
            }
            waits.push(now.duration_since(since).as_millis());
        }
        assert_eq!(words, ["repair a"]);
        index.finish(finish("a", Some(Some(held(version + 1, true))), Some(Reason::Synced)));
        assert!(looked(&mut index, now).is_empty());
        version += 2;
    }
    assert_eq!(waits, [1000, 2000, 4000]);
}

#[test]
fn a_secret_that_went_after_our_own_unseen_write_is_missed_by_the_next_list() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(9));
    // Written at version 10, deleted after that, and the watch was away all the time.
    let gone = index.secrets_listed(None, &HashSet::new());
    assert_eq!(gone, [key("a")]);
    assert_eq!(looked(&mut index, Instant::now()), ["repair a"]);
    // The same where the watch never showed it, or knows only that an earlier one went.
    for seen in [false, true] {
        let mut index = with_held();
        if seen {
            index.apply_secret(key("a"), at(7));
            index.delete_secret(&key("a"), at(8));
        }
        index.secrets_listed(None, &HashSet::new());
        assert!(index.view(&key("a")).unwrap().held.is_none(), "{seen}");
    }
}

#[test]
fn a_secret_that_was_written_while_a_list_was_on_its_way_is_looked_at_once_more() {
    let written = |index: &mut Index, lists| {
        index.finish(Finish {
            secret_lists: lists,
            ..finish("a", Some(Some(held(10, true))), Some(Reason::Synced))
        });
        index.view(&key("a")).unwrap().held.is_some()
    };
    let mut index = with_held();
    let before = index.view(&key("a")).unwrap().secret_lists;
    index.secrets_listed(None, &HashSet::new());
    assert!(!written(&mut index, before), "gone, or not there yet");
    index.apply_secret(key("a"), at(10));
    assert!(written(&mut index, before), "the watch shows it");
    index.delete_secret(&key("a"), at(11));
    assert!(written(&mut index, before + 1), "no list since");
}

#[test]
fn a_secret_that_could_not_be_changed_is_created_anew_as_soon_as_it_is_gone() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(10));
    index.finish(finish("a", Some(None), Some(Reason::TargetImmutable)));
    assert!(looked(&mut index, Instant::now()).is_empty());
    index.delete_secret(&key("a"), at(11));
    assert_eq!(looked(&mut index, Instant::now()), ["repair a"]);
}

#[test]
fn a_secret_changed_before_the_first_sync_of_this_process_is_fetched() {
    let mut index = listing(true);
    index.apply(synced("a", 1, 1), Some(plan("a", 1)), true);
    index.apply_secret(key("a"), at(3));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert_eq!(words(&index.start()), ["refresh a"]);
    assert!(!index.apply_secret(key("a"), at(3)));
    assert!(index.apply_secret(key("a"), at(4)));
    assert_eq!(looked(&mut index, Instant::now()), ["repair a"]);
}

#[test]
fn a_secret_of_an_object_that_waits_for_its_first_sync_is_not_looked_at() {
    let mut index = started();
    index.apply(seen("a", 1, 1), Some(plan("a", 1)), false);
    assert!(index.apply_secret(key("a"), at(3)));
    assert!(looked(&mut index, Instant::now()).is_empty());
    assert!(
        !index.view(&key("a")).unwrap().seems_missing,
        "so it is read before it is written"
    );
}

#[test]
fn the_end_of_an_earlier_objects_secret_ends_the_wait_for_it() {
    let mut index = started();
    index.apply(seen("a", 1, 1), Some(plan("a", 1)), false);
    index.apply_secret(key("a"), at(3));
    index.finish(finish("a", Some(None), Some(Reason::Pending)));
    assert!(looked(&mut index, Instant::now()).is_empty());
    index.delete_secret(&key("a"), at(4));
    assert_eq!(looked(&mut index, Instant::now()), ["repair a"]);
}

#[test]
fn an_object_that_is_fetched_once_is_not_repaired() {
    let mut index = started();
    index.apply(synced("a", 1, 1), Some(plan_of("a", "uid", 1, None)), false);
    index.finish(finish("a", Some(Some(held(10, true))), Some(Reason::Synced)));
    index.delete_secret(&key("a"), at(11));
    assert!(looked(&mut index, Instant::now()).is_empty());
}

#[test]
fn a_secret_that_a_list_does_not_hold_is_gone() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(10));
    assert!(index.secrets_listed(Some("elsewhere"), &HashSet::new()).is_empty());
    assert_eq!(index.secrets_listed(Some("ns"), &HashSet::new()), [key("a")]);
    assert_eq!(looked(&mut index, Instant::now()), ["repair a"]);
}

#[test]
fn a_secret_that_was_just_created_is_not_taken_for_gone_by_an_older_list() {
    let mut index = with_held();
    assert!(
        index.secrets_listed(None, &HashSet::new()).is_empty(),
        "the watch has not shown it yet"
    );
    assert!(looked(&mut index, Instant::now()).is_empty());
}

#[test]
fn a_list_that_goes_back_in_time_voids_what_was_held() {
    let mut index = with_held();
    index.apply_secret(key("a"), at(4));
    index.secrets_listed(None, &HashSet::from([key("a")]));
    assert!(index.view(&key("a")).unwrap().held.is_none());
}

#[test]
fn a_foreign_secret_is_beyond_the_watch() {
    let mut index = started();
    index.apply(synced("a", 1, 1), Some(plan("a", 1)), false);
    index.finish(Finish {
        unlisted: Some(true),
        ..finish("a", Some(Some(held(10, false))), Some(Reason::Synced))
    });
    let view = index.view(&key("a")).unwrap();
    assert!(view.held_is_current && !view.seems_missing);
}
