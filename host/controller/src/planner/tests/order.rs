//! Who goes first, and who waits for nobody.

use super::*;

/// One call at a time, one request each, one second each.
fn narrow() -> (Rig, Arc<Store>) {
    let store = Store::with(1, 1);
    store.answer_each(s(1), text);
    (
        Rig::with(PlannerConfig {
            slots: 1,
            ..PlannerConfig::default()
        }),
        store,
    )
}

#[tokio::test(start_paused = true)]
async fn objects_that_somebody_waits_for_overtake_refreshes() {
    for cause in [Cause::New, Cause::Edit, Cause::Repair, Cause::Forced] {
        let (mut rig, store) = narrow();
        for index in 0..10 {
            rig.submit(
                &object(&format!("r{index}"), &[&format!("r{index}")])
                    .every(s(600))
                    .plan(&store),
                Cause::Refresh,
            )
            .await;
        }
        sleep(ms(1500)).await;
        rig.submit(&object("urgent", &["urgent"]).plan(&store), cause).await;
        let order: Vec<_> = {
            let mut order = Vec::new();
            for _ in 0..11 {
                order.push(rig.written().await.plan.key.name.to_string());
            }
            order
        };
        let place = order.iter().position(|name| name == "urgent").unwrap();
        assert!(place <= 2, "{cause:?}: {order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_has_waited_for_long_is_overtaken_no_more() {
    let (mut rig, store) = narrow();
    rig.submit(
        &object("patient", &["patient"]).every(s(600)).plan(&store),
        Cause::Refresh,
    )
    .await;
    let feeder = rig.planner.clone();
    let store_of_feeder = Arc::clone(&store);
    let mut feeding = JoinSet::new();
    feeding.spawn(async move {
        for index in 0..200 {
            let plan = object(&format!("e{index}"), &[&format!("e{index}")]).plan(&store_of_feeder);
            feeder.submit(Submit::new(plan, Cause::Edit)).await.unwrap();
            sleep(ms(900)).await;
        }
    });
    let started = Instant::now();
    while &*rig.written().await.plan.key.name != "patient" {}
    assert!(started.elapsed() < s(40), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_delays_only_its_own_group() {
    let (mut rig, dead, alive) = (Rig::new(), Store::with(1, 16), Store::new());
    dead.answer(|_, _| (FOR_EVER, Err(CallError::Wall(s(30)))));
    for index in 0..200 {
        rig.new_object(&object(&format!("d{index}"), &[&format!("d{index}")]), &dead)
            .await;
    }
    sleep(s(1)).await;
    let started = Instant::now();
    for index in 0..100 {
        rig.new_object(&object(&format!("a{index}"), &[&format!("a{index}")]), &alive)
            .await;
    }
    for _ in 0..100 {
        assert!(rig.written().await.plan.key.name.starts_with('a'));
    }
    assert!(started.elapsed() < ms(200), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_leaves_room_for_other_groups_of_its_plugin() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|call, _| {
        let latency = if call.keys[0].starts_with('d') { FOR_EVER } else { ms(5) };
        (latency, Ok(vec![text("v")]))
    });
    for role in [
        "arn:aws:iam::1:role/d1",
        "arn:aws:iam::1:role/d2",
        "arn:aws:iam::1:role/d3",
    ] {
        for index in 0..50 {
            let name = format!("d{index}-{}", &role[role.len() - 2..]);
            rig.new_object(&object(&name, &[&name]).with_role(role), &store).await;
        }
    }
    sleep(s(5)).await;
    let started = Instant::now();
    rig.new_object(&object("alive", &["a"]).with_role("arn:aws:iam::1:role/a"), &store)
        .await;
    assert_eq!(&*rig.written().await.plan.key.name, "alive");
    assert!(started.elapsed() < ms(100));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_than_the_plugin_takes() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 4));
    store.answer_each(s(1), text);
    for index in 0..40 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    for _ in 0..40 {
        rig.written().await;
    }
    let most = store.most_running.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
}

#[tokio::test(start_paused = true)]
async fn a_group_calls_no_faster_than_its_pace() {
    let config = PlannerConfig {
        start_per_second: 10.0,
        most_per_second: 10.0,
        burst: 5,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::with(1, 16));
    for index in 0..25 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    for _ in 0..25 {
        rig.written().await;
    }
    let calls = store.calls();
    let took = calls[24].at - calls[0].at;
    assert!(took >= ms(1900) && took <= ms(2200), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_result_for_an_older_generation_is_dropped() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(1), text);
    rig.new_object(&object("o", &["old"]), &store).await;
    sleep(ms(500)).await;
    rig.submit(&object("o", &["new"]).generation(2).plan(&store), Cause::Edit)
        .await;
    let delivery = rig.written().await;
    assert_eq!(
        (delivery.plan.generation, texts(&delivery)),
        (2, vec!["new".to_owned()])
    );
    rig.silence(s(60)).await;
    assert_eq!(
        store.cancelled.load(Ordering::SeqCst),
        1,
        "the call for the old generation went on for nobody"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_for_an_older_generation_changes_nothing() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let failure = || Err(Failure::new(Reason::WriteRefused, "conflict"));
    let mut old = Vec::new();
    for _ in 0..2 {
        rig.submit(&object("o", &["a"]).generation(1).plan(&store), Cause::Forced)
            .await;
        old.push(rig.next().await);
    }
    rig.submit(&object("o", &["b"]).generation(2).plan(&store), Cause::Edit)
        .await;
    rig.planner.done(old[0].done(failure())).await.unwrap();
    let new = rig.next().await;
    assert_eq!(texts(&new), ["b"]);
    rig.planner.done(old[1].done(failure())).await.unwrap();
    rig.silence(s(30)).await;
    rig.planner.done(new.done(Ok(()))).await.unwrap();
    rig.silence(s(3600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_no_writer_has_taken_yet_is_superseded_too() {
    let config = PlannerConfig {
        deliveries: 1,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::new());
    // One fills the channel, the other stays in the outbox.
    rig.new_object(&object("first", &["a"]), &store).await;
    rig.new_object(&object("o", &["old"]), &store).await;
    sleep(s(1)).await;
    rig.submit(&object("o", &["new"]).generation(2).plan(&store), Cause::Edit)
        .await;
    rig.settle().await;
    assert_eq!(&*rig.written().await.plan.key.name, "first");
    assert_eq!(texts(&rig.written().await), ["new"]);
    rig.silence(s(60)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_gets_nothing_and_its_call_is_given_up() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer_each(s(1), text);
    rig.new_object(&object("gone", &["only-gone"]).every(s(10)), &store)
        .await;
    rig.new_object(&object("stays", &["shared"]), &store).await;
    rig.new_object(&object("gone-too", &["shared"]).every(s(10)), &store)
        .await;
    sleep(ms(500)).await;
    rig.planner.forget(object("gone", &[]).key()).await.unwrap();
    rig.planner.forget(object("gone-too", &[]).key()).await.unwrap();
    assert_eq!(&*rig.written().await.plan.key.name, "stays");
    rig.silence(s(3600)).await;
    assert_eq!((store.count(), store.cancelled.load(Ordering::SeqCst)), (2, 1));
    let gauges = rig.planner.gauges();
    assert_eq!((gauges.objects, gauges.groups, gauges.calls_in_flight), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_while_it_waits_is_not_asked() {
    let (mut rig, store) = narrow();
    for name in ["a", "b", "c"] {
        rig.new_object(&object(name, &[name]), &store).await;
    }
    sleep(ms(500)).await;
    rig.planner.forget(object("b", &[]).key()).await.unwrap();
    rig.written().await;
    rig.written().await;
    rig.silence(s(60)).await;
    let asked: Vec<_> = store.calls().into_iter().flat_map(|call| call.keys).collect();
    assert_eq!(asked.len(), 2);
    assert!(!asked.contains(&"b".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_starts_nothing_and_hands_out_what_is_in_flight() {
    let (mut rig, store) = narrow();
    for name in ["a", "b", "c"] {
        rig.new_object(&object(name, &[name]), &store).await;
    }
    sleep(ms(500)).await;
    rig.stop.cancel();
    assert_eq!(texts(&rig.next().await).len(), 1);
    assert!(
        timeout(FOR_EVER, rig.deliveries.recv()).await.unwrap().is_none(),
        "closed"
    );
    rig.task.join_next().await.unwrap().unwrap();
    assert_eq!(store.count(), 1);
    assert!(
        rig.planner
            .submit(Submit::new(object("d", &["d"]).plan(&store), Cause::New))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_hanging_call_no_longer_than_its_grace() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|_, _| (FOR_EVER, Ok(vec![])));
    rig.new_object(&object("a", &["a"]), &store).await;
    sleep(s(1)).await;
    let started = Instant::now();
    rig.stop.cancel();
    rig.task.join_next().await.unwrap().unwrap();
    assert_eq!(started.elapsed().as_secs(), PlannerConfig::default().grace.as_secs());
    assert_eq!(store.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_taken_care_of_by_what_is_fetched_after_it_was_asked_for() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let plan = object("o", &["a"]).every(s(60)).plan(&store);
    rig.submit(&plan, Cause::New).await;
    let before = rig.next().await;
    let forced = Submit {
        refresh: Some("now".into()),
        ..Submit::new(Arc::clone(&plan), Cause::Forced)
    };
    rig.planner.submit(forced).await.unwrap();
    assert_eq!(before.refresh, None);
    rig.planner.done(before.done(Ok(()))).await.unwrap();
    assert_eq!(rig.written().await.refresh.as_deref(), Some("now"));
    assert_eq!(
        rig.written().await.refresh.as_deref(),
        Some("now"),
        "and by all that follow"
    );
}
