//! What fails, how it is told, and what is asked again.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_object_is_all_or_nothing_and_every_failure_is_told_in_merge_order() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |key| match key {
        "missing" => failed(StoreErrorKind::NotFound),
        "denied" => failed(StoreErrorKind::Denied),
        _ => text(key),
    });
    rig.new_object(
        &object("o", &["a", "missing", "b", "denied", "missing"]).with_role("arn:aws:iam::1:role/r"),
        &store,
    )
    .await;
    let delivery = rig.next().await;
    let lines: Vec<_> = failures(&delivery).iter().map(Failure::status_line).collect();
    assert_eq!(
        lines,
        [
            "ERROR, data[1]: fake: as scripted (as role arn:aws:iam::1:role/r)",
            "ERROR, data[3]: fake: as scripted (as role arn:aws:iam::1:role/r)",
        ]
    );
    assert_eq!(reasons(&delivery), [Reason::NotFound, Reason::AccessDenied]);
    assert_eq!(rig.planner.gauges().value_bytes, 0, "the values that did come are gone");
}

#[tokio::test(start_paused = true)]
async fn a_line_worded_by_kes_stands_alone_and_the_condition_says_where_and_as_whom() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |_| {
        Outcome::Failed(StoreError {
            message: "ParameterNotFound: a could not be found.".into(),
            store_code: Some("ParameterNotFound".into()),
            ..error(StoreErrorKind::NotFound)
        })
    });
    let role = "arn:aws:iam::1:role/r";
    rig.new_object(&object("o", &["a"]).with_role(role), &store).await;
    let failure = failures(&rig.next().await)[0].clone();
    assert_eq!(failure.status_line(), "ERROR, ParameterNotFound: a could not be found.");
    assert_eq!(
        failure.condition_message(0),
        format!("data[0]: ParameterNotFound: a could not be found; it was looked for as role {role}")
    );
}

#[tokio::test(start_paused = true)]
async fn one_failed_request_does_not_take_other_objects_along() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |key| {
        if key == "bad" {
            failed(StoreErrorKind::NotFound)
        } else {
            text(key)
        }
    });
    rig.new_object(&object("good", &["a"]), &store).await;
    rig.new_object(&object("bad", &["a", "bad"]), &store).await;
    for _ in 0..2 {
        let delivery = rig.next().await;
        assert_eq!(
            matches!(delivery.result, Delivered::Answers(_)),
            &*delivery.plan.key.name == "good"
        );
    }
    assert_eq!(store.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn within_a_pass_only_what_was_throttled_is_asked_again() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, number| {
        let outcome = |key: &String| match (key.as_str(), number) {
            ("busy", 0) => failed(StoreErrorKind::Throttled(Some(s(2)))),
            _ => text(key),
        };
        (Duration::ZERO, Ok(call.keys.iter().map(outcome).collect()))
    });
    rig.new_object(&object("o", &["a", "busy"]), &store).await;
    assert_eq!(texts(&rig.written().await), ["a", "busy"]);
    let calls = store.calls();
    assert_eq!(
        calls.iter().map(|call| call.keys.join(" ")).collect::<Vec<_>>(),
        ["a busy", "busy"]
    );
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2]);
    assert!(calls[1].at - calls[0].at >= s(2) && calls[1].at - calls[0].at < ms(2100));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_group_goes_on_after_the_time_that_the_store_asked_for() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 1));
    store.answer(|call, number| match number {
        0 => (
            Duration::ZERO,
            Err(CallError::Store(error(StoreErrorKind::Throttled(Some(s(3)))))),
        ),
        _ => (Duration::ZERO, Ok(call.keys.iter().map(|key| text(key)).collect())),
    });
    for name in ["a", "b", "c"] {
        rig.new_object(&object(name, &[name]), &store).await;
    }
    for _ in 0..3 {
        assert_eq!(texts(&rig.written().await).len(), 1);
    }
    let calls = store.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls[1].at - calls[0].at >= s(3), "nothing of the group before that");
}

#[tokio::test(start_paused = true)]
async fn throttling_of_one_group_does_not_hold_up_another() {
    let (mut rig, busy, idle) = (Rig::new(), Store::new(), Store::new());
    busy.answer_each(Duration::ZERO, |_| failed(StoreErrorKind::Throttled(Some(s(4)))));
    rig.new_object(&object("busy", &["a"]), &busy).await;
    sleep(ms(100)).await;
    let started = Instant::now();
    rig.new_object(&object("idle", &["a"]), &idle).await;
    assert_eq!(&*rig.written().await.plan.key.name, "idle");
    assert!(started.elapsed() < ms(100));
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_fails_what_waits_and_what_comes_and_says_why() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 1));
    store.answer(|call, number| match number {
        0 => (
            Duration::ZERO,
            Err(CallError::Store(error(StoreErrorKind::Throttled(Some(s(100)))))),
        ),
        _ => (Duration::ZERO, Ok(call.keys.iter().map(|key| text(key)).collect())),
    });
    let started = Instant::now();
    for name in ["a", "b"] {
        rig.new_object(&object(name, &[name]), &store).await;
    }
    for _ in 0..2 {
        let delivery = rig.next().await;
        assert_eq!(reasons(&delivery), [Reason::Throttled]);
        rig.planner
            .done(delivery.done(Err(failures(&delivery)[0].clone())))
            .await
            .unwrap();
    }
    rig.new_object(&object("late", &["late"]), &store).await;
    assert_eq!(reasons(&rig.next().await), [Reason::Throttled]);
    assert!(started.elapsed() < s(1));
    for _ in 0..3 {
        assert_eq!(texts(&rig.written().await).len(), 1);
    }
    assert!(store.calls()[1].at - started >= s(100));
    assert!(started.elapsed() < s(110));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_reported_after_a_few_tries() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|_, _| {
        (
            Duration::ZERO,
            Err(CallError::Store(error(StoreErrorKind::Unavailable(None)))),
        )
    });
    let started = Instant::now();
    rig.new_object(&object("o", &["a", "b"]), &store).await;
    let delivery = rig.next().await;
    assert_eq!(
        failures(&delivery).len(),
        1,
        "the trouble is the store's, not each entry's"
    );
    assert_eq!(failures(&delivery)[0].status_line(), "ERROR, fake: as scripted");
    assert_eq!(store.count(), 3);
    assert!(started.elapsed() < s(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_brings_its_batch_down_is_found_and_fails_alone() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, _| {
        let result = if call.keys.iter().any(|key| key == "poison") {
            Err(CallError::Trap("unreachable".into()))
        } else {
            Ok(call.keys.iter().map(|key| text(key)).collect())
        };
        (ms(5), result)
    });
    for index in 0..19 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    rig.new_object(&object("bad", &["k3", "poison"]), &store).await;
    let (mut good, started) = (0, Instant::now());
    for _ in 0..20 {
        let delivery = rig.next().await;
        if &*delivery.plan.key.name == "bad" {
            assert_eq!(reasons(&delivery), [Reason::PluginFailed]);
            assert_eq!(failures(&delivery)[0].item.as_deref(), Some("data[1]"));
        } else {
            assert_eq!(texts(&delivery).len(), 1);
            good += 1;
        }
    }
    assert_eq!(good, 19);
    assert!(store.count() <= 11, "{}", store.count());
    assert!(started.elapsed() < s(1));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_broken_as_a_whole_is_not_asked_once_per_request() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|_, _| (Duration::ZERO, Err(CallError::Trap("unreachable".into()))));
    for index in 0..200 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    for _ in 0..200 {
        assert_eq!(reasons(&rig.next().await), [Reason::PluginFailed]);
    }
    assert!(store.count() < 60, "{}", store.count());
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_gives_too_few_answers_gives_none() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, _| {
        (
            Duration::ZERO,
            Ok(call.keys.iter().skip(1).map(|key| text(key)).collect()),
        )
    });
    rig.new_object(&object("o", &["a", "b", "c"]), &store).await;
    let delivery = rig.next().await;
    assert!(reasons(&delivery).iter().all(|&reason| reason == Reason::PluginFailed));
}

#[tokio::test(start_paused = true)]
async fn a_list_in_answer_to_a_key_is_a_fault_of_the_plugin() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |_| Outcome::Values(vec![]));
    rig.new_object(&object("o", &["a"]), &store).await;
    let delivery = rig.next().await;
    assert_eq!(reasons(&delivery), [Reason::PluginFailed]);
    assert!(failures(&delivery)[0].message.contains("answered a key with a list"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_a_failure_like_any_other() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, number| {
        assert!(number > 0, "on purpose");
        (Duration::ZERO, Ok(call.keys.iter().map(|key| text(key)).collect()))
    });
    rig.new_object(&object("o", &["a"]), &store).await;
    assert_eq!(texts(&rig.written().await), ["a"]);
    assert_eq!(rig.planner.gauges().calls_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_identity_is_not_asked_again_at_once() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|_, _| {
        (
            Duration::ZERO,
            Err(CallError::Identity {
                message: "no credentials".into(),
                transient: false,
            }),
        )
    });
    rig.new_object(&object("o", &["a", "b"]), &store).await;
    let delivery = rig.next().await;
    assert_eq!(reasons(&delivery), [Reason::Unauthenticated]);
    assert_eq!(store.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_reported_and_left_alone() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|_, _| (s(30), Err(CallError::Wall(s(30)))));
    let started = Instant::now();
    for index in 0..400 {
        rig.new_object(
            &object(&format!("o{index}"), &[&format!("k{index}")]).every(s(600)),
            &store,
        )
        .await;
    }
    let mut told = BTreeSet::new();
    while told.len() < 400 {
        let delivery = rig.next().await;
        assert_eq!(reasons(&delivery), [Reason::SandboxLimit]);
        told.insert(delivery.plan.key.name.to_string());
    }
    assert!(started.elapsed() < s(300), "{:?}", started.elapsed());
    let before = store.count();
    let end = Instant::now() + s(3600);
    while let Ok(Some(_)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {}
    let per_hour = store.count() - before;
    assert!(per_hour < 150, "{per_hour}");
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_failing_stops_being_urgent() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, |_| failed(StoreErrorKind::NotFound));
    rig.new_object(&object("o", &["a"]).every(s(600)), &store).await;
    let mut causes = Vec::new();
    for _ in 0..6 {
        causes.push(rig.next().await.cause);
    }
    assert_eq!(
        causes,
        [
            Cause::New,
            Cause::New,
            Cause::New,
            Cause::New,
            Cause::Refresh,
            Cause::Refresh
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_throttled_request_with_a_long_rest_is_told_to_everything_that_waits() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 1));
    store.answer_each(Duration::ZERO, |_| failed(StoreErrorKind::Throttled(Some(s(100)))));
    let started = Instant::now();
    for name in ["a", "b", "c"] {
        rig.new_object(&object(name, &[name]), &store).await;
    }
    for _ in 0..3 {
        assert_eq!(reasons(&rig.next().await), [Reason::Throttled]);
    }
    assert!(started.elapsed() < s(1));
    assert_eq!(store.count(), 1);
}
