//! Stores that are down: one line for everybody, one call to see, and back at once.

use super::*;
use crate::planner::BreakerState;

fn down() -> Reply {
    (ms(5), Err(CallError::Store(error(StoreErrorKind::Unavailable(None)))))
}

fn up(call: &Call) -> Reply {
    (ms(5), Ok(call.keys.iter().map(|key| text(key)).collect()))
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_asked_by_one_probe_at_a_time() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|_, _| down());
    for number in 0..200 {
        let name = format!("o{number}");
        rig.new_object(&object(&name, &[&name]).every(s(600)), &store).await;
    }
    let mut lines = BTreeSet::new();
    for _ in 0..200 {
        let delivery = rig.next().await;
        let [failure] = failures(&delivery) else {
            panic!("one line: {delivery:?}")
        };
        lines.insert((failure.status_line(), failure.condition_message(0)));
        rig.planner.done(delivery.done(Err(failure.clone()))).await.unwrap();
    }
    let lines: Vec<_> = lines.into_iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].0, "ERROR, fake: as scripted");
    assert!(lines[0].1.contains("until it answers"), "{lines:?}");
    assert_eq!(rig.planner.stores()[0].breaker, BreakerState::Open);
    let before = store.count();
    store.most_running.store(0, Ordering::SeqCst);
    let end = Instant::now() + s(3600);
    while let Ok(Some(delivery)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {
        assert_eq!(reasons(&delivery), [Reason::Unavailable]);
    }
    let probes = store.count() - before;
    assert!(
        (10..60).contains(&probes),
        "{probes} in an hour, whatever the number of objects"
    );
    assert_eq!(store.most_running.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_lets_everybody_through() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|_, _| down());
    for number in 0..50 {
        let name = format!("o{number}");
        rig.new_object(&object(&name, &[&name]).every(s(60)), &store).await;
    }
    sleep(s(100)).await;
    store.answer(|call, _| up(call));
    let started = Instant::now();
    let mut back = BTreeSet::new();
    while back.len() < 50 {
        let delivery = rig.written().await;
        if matches!(delivery.result, Delivered::Answers(_)) {
            back.insert(delivery.plan.key.name.to_string());
        }
    }
    // The longest pause, and the longest back-off of an object that was told during it.
    assert!(started.elapsed() < s(300 + 60 + 10), "{:?}", started.elapsed());
    assert_eq!(rig.planner.stores()[0].breaker, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_probe_is_out_waits_for_its_answer() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|_, number| match number {
        0 => (
            ms(5),
            Err(CallError::Store(error(StoreErrorKind::Unavailable(Some(s(20)))))),
        ),
        1 => (s(10), Ok(vec![text("probe")])),
        _ => (ms(5), Ok(vec![text("v")])),
    });
    rig.new_object(&object("a", &["a"]).every(s(600)), &store).await;
    assert_eq!(reasons(&rig.next().await), [Reason::Unavailable]);
    sleep(s(22)).await;
    assert_eq!(store.count(), 2, "the probe is out");
    assert_eq!(rig.planner.stores()[0].breaker, BreakerState::HalfOpen);
    rig.new_object(&object("b", &["b"]), &store).await;
    rig.silence(s(5)).await;
    assert_eq!(store.count(), 2);
    for _ in 0..2 {
        assert_eq!(texts(&rig.written().await).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_waits_for_any_more_makes_room_for_another() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|call, number| match (number, call.keys[0].as_str()) {
        (0, _) => (
            ms(5),
            Err(CallError::Store(error(StoreErrorKind::Unavailable(Some(s(20)))))),
        ),
        (_, "a") => (FOR_EVER, Ok(vec![text("probe")])),
        _ => (ms(5), Ok(vec![text("v")])),
    });
    rig.new_object(&object("a", &["a"]).every(s(600)), &store).await;
    assert_eq!(reasons(&rig.next().await), [Reason::Unavailable]);
    sleep(s(22)).await;
    rig.new_object(&object("b", &["b"]), &store).await;
    rig.silence(s(5)).await;
    rig.planner.forget(object("a", &[]).key()).await.unwrap();
    assert_eq!(&*rig.written().await.plan.key.name, "b");
}

#[tokio::test(start_paused = true)]
async fn one_entry_that_its_store_cannot_read_does_not_close_the_store_to_the_others() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(ms(5), |key| match key {
        "sick" => failed(StoreErrorKind::Unavailable(None)),
        _ => text(key),
    });
    rig.new_object(&object("sick", &["sick"]).every(s(10)), &store).await;
    rig.new_object(&object("well", &["well"]).every(s(10)), &store).await;
    let end = Instant::now() + s(300);
    let (mut well, mut sick) = (0, 0);
    while let Ok(Some(delivery)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {
        match &*delivery.plan.key.name {
            "well" => {
                assert!(matches!(delivery.result, Delivered::Answers(_)), "{delivery:?}");
                well += 1;
            }
            _ => sick += 1,
        }
        rig.planner.done(delivery.done(Ok(()))).await.unwrap();
    }
    assert!(well >= 15 && sick >= 10, "{well} {sick}");
}

#[tokio::test(start_paused = true)]
async fn what_another_role_of_the_account_finds_is_told_to_all() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 1));
    store.answer(|_, _| {
        (
            ms(5),
            Err(CallError::Store(error(StoreErrorKind::Unavailable(Some(s(100)))))),
        )
    });
    for (name, role) in [("a", "arn:aws:iam::1:role/a"), ("b", "arn:aws:iam::1:role/b")] {
        let plan = object(name, &[name])
            .with_role(role)
            .in_region("eu-west-1")
            .plan(&store);
        rig.submit(&plan, Cause::New).await;
    }
    for _ in 0..2 {
        let delivery = timeout(s(1), rig.next()).await.expect("at once");
        assert_eq!(reasons(&delivery), [Reason::Unavailable]);
    }
    assert_eq!(store.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_text_about_one_entry_is_told_to_its_own_objects_alone() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(ms(5), |key| {
        Outcome::Failed(StoreError {
            message: format!("cannot read {key}"),
            ..error(StoreErrorKind::Unavailable(None))
        })
    });
    for number in 0..3 {
        let (name, key) = (format!("o{number}"), format!("team-{number}"));
        rig.new_object(&object(&name, &[&key]).every(s(60)), &store).await;
    }
    let (mut own, mut common) = (0, 0);
    let end = Instant::now() + s(300);
    while let Ok(Some(delivery)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {
        let number = delivery.plan.key.name.trim_start_matches('o').to_owned();
        for failure in failures(&delivery) {
            match failure.message.split_once("team-") {
                Some((_, whose)) => {
                    assert_eq!(whose, number, "{failure:?}");
                    own += 1;
                }
                None => common += 1,
            }
        }
        let first = failures(&delivery)[0].clone();
        rig.planner.done(delivery.done(Err(first))).await.unwrap();
    }
    assert!(own + common > 3 && common > 0, "{own} {common}");
}
