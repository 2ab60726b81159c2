//! Known versions: sent when nobody needs the value, and never relied on for more than they say.

use super::*;

/// Says `unchanged` to everybody who has the current version of a key, which is what `current` says.
fn with_versions(store: &Store, current: impl Fn(&str, usize) -> &'static str + Send + Sync + 'static) {
    store.answer(move |call, number| {
        let outcome = |(key, known): (&String, &Option<Arc<str>>)| {
            let version = current(key, number);
            if known.as_deref() == Some(version) {
                Outcome::Unchanged
            } else {
                versioned(&format!("{key}@{version}"), version)
            }
        };
        (
            Duration::ZERO,
            Ok(call.keys.iter().zip(&call.versions).map(outcome).collect()),
        )
    });
}

#[tokio::test(start_paused = true)]
async fn a_refresh_sends_the_versions_of_what_was_written() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    rig.new_object(&object("o", &["a", "b"]).every(s(10)), &store).await;
    assert_eq!(texts(&rig.written().await), ["a@1", "b@1"]);
    for _ in 0..3 {
        assert!(matches!(rig.written().await.result, Delivered::Unchanged));
    }
    let calls = store.calls();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[0].versions, [None, None]);
    assert!(
        calls[1..]
            .iter()
            .all(|call| call.versions.iter().all(|version| version.as_deref() == Some("1")))
    );
}

#[tokio::test(start_paused = true)]
async fn what_changed_takes_the_rest_along_in_the_same_pass() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |key, number| if key == "b" && number > 0 { "2" } else { "1" });
    rig.new_object(&object("o", &["a", "b", "c"]).every(s(10)), &store)
        .await;
    rig.written().await;
    assert_eq!(texts(&rig.written().await), ["a@1", "b@2", "c@1"]);
    let calls = store.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(
        (&calls[2].keys, &calls[2].versions),
        (&vec!["a".to_owned(), "c".to_owned()], &vec![None, None])
    );
    assert!(calls[2].at - calls[1].at < ms(100), "in the same pass");
    assert!(matches!(rig.written().await.result, Delivered::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn a_value_with_the_version_that_is_known_is_no_news() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |key| versioned(key, "1"));
    rig.new_object(&object("o", &["a"]).every(s(10)), &store).await;
    assert_eq!(texts(&rig.written().await), ["a"]);
    assert!(matches!(rig.written().await.result, Delivered::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn a_store_without_versions_gives_values_each_time() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(
        Duration::ZERO,
        |key| if key == "a" { versioned(key, "1") } else { text(key) },
    );
    rig.new_object(&object("o", &["a", "b"]).every(s(10)), &store).await;
    for _ in 0..3 {
        assert_eq!(texts(&rig.written().await), ["a", "b"]);
    }
    assert!(
        store.calls().iter().all(|call| call.versions == [None, None]),
        "all or none: the rest is needed anyway"
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_is_sent_only_if_everybody_can_do_without_the_value() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    rig.new_object(&object("old", &["a"]).every(s(10)), &store).await;
    rig.written().await;
    // Due together with a new object that needs the value.
    let refresh = store.calls()[0].at + s(11);
    let mut fresh = 0;
    while Instant::now() < refresh {
        rig.new_object(&object(&format!("new{fresh}"), &["a"]), &store).await;
        fresh += 1;
        sleep(ms(10)).await;
    }
    let calls = store.calls();
    let (mut unchanged, mut answered) = (0, 0);
    while answered < fresh {
        match rig.written().await.result {
            Delivered::Unchanged => unchanged += 1,
            Delivered::Answers(answers) => answered += answers.len(),
            Delivered::Failed(failures) => panic!("{failures:?}"),
        }
    }
    assert!(unchanged > 0, "the old one learns that its version is current");
    assert!(calls.iter().all(|call| call.versions == [None]));
}

#[tokio::test(start_paused = true)]
async fn whoever_needs_the_value_does_not_join_a_call_that_may_say_unchanged() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, number| {
        let outcome = if number > 0 && call.versions[0].is_some() {
            Outcome::Unchanged
        } else {
            versioned("v", "1")
        };
        (s(1), Ok(vec![outcome]))
    });
    rig.new_object(&object("old", &["a"]).every(s(10)), &store).await;
    rig.written().await;
    while store.count() < 2 {
        sleep(ms(10)).await;
    }
    rig.new_object(&object("new", &["a"]), &store).await;
    assert!(matches!(rig.written().await.result, Delivered::Unchanged));
    assert_eq!(texts(&rig.written().await), ["v"]);
    let calls = store.calls();
    assert_eq!(calls.len(), 3);
    assert!(
        calls[2].at - calls[1].at < ms(100),
        "it did not wait for the other call to end"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_write_the_values_are_needed_again() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    rig.new_object(&object("o", &["a"]).every(s(10)), &store).await;
    rig.written().await;
    let delivery = rig.next().await;
    assert!(matches!(delivery.result, Delivered::Unchanged));
    rig.planner
        .done(delivery.done(Err(Failure::new(Reason::Unavailable, "the API server is away"))))
        .await
        .unwrap();
    assert_eq!(texts(&rig.written().await), ["a@1"]);
}

#[tokio::test(start_paused = true)]
async fn a_repair_needs_the_values_even_when_it_has_to_wait() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    let plan = object("o", &["a"]).every(s(10)).plan(&store);
    rig.submit(&plan, Cause::New).await;
    rig.written().await;
    for _ in 0..5 {
        rig.submit(&plan, Cause::Repair).await;
        assert_eq!(texts(&rig.written().await), ["a@1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_forgets_the_versions() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    rig.new_object(&object("o", &["a"]).every(s(10)), &store).await;
    rig.written().await;
    rig.submit(
        &object("o", &["a"]).every(s(10)).generation(2).plan(&store),
        Cause::Edit,
    )
    .await;
    assert_eq!(texts(&rig.written().await), ["a@1"]);
}

#[tokio::test(start_paused = true)]
async fn versions_that_come_with_a_submission_are_sent() {
    let (mut rig, store) = (Rig::new(), Store::new());
    with_versions(&store, |_, _| "1");
    let plan = object("o", &["a", "a", "b"]).plan(&store);
    let known =
        |versions: [Option<&str>; 3]| Some(versions.into_iter().map(|version| version.map(Into::into)).collect());
    let submit = Submit {
        known: known([Some("1"), Some("1"), Some("1")]),
        ..Submit::new(Arc::clone(&plan), Cause::New)
    };
    rig.planner.submit(submit).await.unwrap();
    assert!(matches!(rig.written().await.result, Delivered::Unchanged));
    for incomplete in [[Some("1"), Some("1"), None], [Some("1"), Some("2"), Some("1")]] {
        let submit = Submit {
            known: known(incomplete),
            ..Submit::new(Arc::clone(&plan), Cause::Forced)
        };
        rig.planner.submit(submit).await.unwrap();
        assert_eq!(texts(&rig.written().await), ["a@1", "a@1", "b@1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn unchanged_to_a_request_without_a_version_is_a_fault_of_the_plugin() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |_| Outcome::Unchanged);
    rig.new_object(&object("o", &["a"]), &store).await;
    assert_eq!(reasons(&rig.next().await), [Reason::PluginFailed]);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_for_another_plan_says_nothing_about_this_one() {
    let (mut rig, old, new) = (Rig::new(), Store::new(), Store::new());
    for store in [&old, &new] {
        with_versions(store, |_, _| "1");
    }
    let spec = object("o", &["a"]).every(s(10));
    rig.new_object(&spec, &old).await;
    let delivery = rig.next().await;
    // Another plugin for the same spec, while the write is under way.
    rig.submit(&spec.plan(&new), Cause::Refresh).await;
    rig.planner.done(delivery.done(Ok(()))).await.unwrap();
    assert_eq!(texts(&rig.written().await), ["a@1"]);
    assert_eq!(new.calls()[0].versions, [None]);
}
