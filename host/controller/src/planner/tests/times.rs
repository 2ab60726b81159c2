//! When objects are asked for: common ticks, back-off, restart.

use super::*;

#[tokio::test(start_paused = true)]
async fn objects_of_a_group_come_to_meet_on_common_ticks() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let interval = s(60);
    for index in 0..20 {
        rig.new_object(
            &object(&format!("o{index}"), &[&format!("k{index}")]).every(interval),
            &store,
        )
        .await;
        rig.written().await;
        sleep(ms(2_900)).await;
    }
    // Everybody has come through the first round after two intervals.
    let mut last = std::collections::HashMap::new();
    let end = Instant::now() + interval * 8;
    let settled = Instant::now() + interval * 2;
    let before = store.count();
    let mut rounds = 0;
    while Instant::now() < end {
        let name = rig.written().await.plan.key.name.to_string();
        if let Some(previous) = last.insert(name, Instant::now()) {
            assert!(
                Instant::now() - previous <= interval + ms(100),
                "never beyond the interval"
            );
        }
        rounds += 1;
    }
    let late: Vec<_> = store.calls().into_iter().filter(|call| call.at > settled).collect();
    assert!(late.iter().all(|call| call.keys.len() == 20), "full batches only");
    assert!(
        rounds >= 20 * 7 && store.count() - before <= 30,
        "{rounds} {}",
        store.count() - before
    );
}

#[tokio::test(start_paused = true)]
async fn objects_of_several_intervals_meet_on_the_ticks_of_the_shortest() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("often", &["a"]).every(s(10)), &store).await;
    rig.new_object(&object("seldom", &["a"]).every(s(35)), &store).await;
    rig.written().await;
    rig.written().await;
    let (started, before) = (Instant::now(), store.count());
    let mut seldom = 0;
    while started.elapsed() < s(300) {
        if &*rig.written().await.plan.key.name == "seldom" {
            seldom += 1;
        }
    }
    assert!((9..=11).contains(&seldom), "{seldom}");
    assert!(
        store.count() - before <= 31,
        "each of the seldom ones shares a call: {}",
        store.count() - before
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_spans_a_tick_does_not_miss_it_for_ever() {
    // Fetching takes two seconds, so some object always has the tick within its pass.
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(2), text);
    for index in 0..10 {
        rig.new_object(
            &object(&format!("o{index}"), &[&format!("k{index}")]).every(s(10)),
            &store,
        )
        .await;
        sleep(s(1)).await;
    }
    let end = Instant::now() + s(120);
    while Instant::now() < end {
        rig.written().await;
    }
    let late: Vec<_> = store.calls().into_iter().filter(|call| call.at + s(60) > end).collect();
    assert!(
        late.iter().all(|call| call.keys.len() == 10),
        "{:?}",
        late.iter().map(|call| call.keys.len()).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_without_an_interval_is_fetched_once() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("o", &["a"]), &store).await;
    rig.written().await;
    rig.silence(s(30 * 3600)).await;
    rig.submit(&object("o", &["a"]).generation(2).plan(&store), Cause::Edit)
        .await;
    rig.written().await;
    rig.silence(s(30 * 3600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_attempt_is_repeated_even_without_an_interval() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer(|call, number| {
        let outcome = |key: &String| {
            if number < 3 {
                failed(StoreErrorKind::NotFound)
            } else {
                text(key)
            }
        };
        (Duration::ZERO, Ok(call.keys.iter().map(outcome).collect()))
    });
    rig.new_object(&object("o", &["a"]), &store).await;
    for _ in 0..3 {
        assert_eq!(reasons(&rig.next().await), [Reason::NotFound]);
    }
    assert_eq!(texts(&rig.written().await), ["a"]);
    assert_eq!(
        store.calls().iter().map(|call| call.attempt).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    rig.silence(s(30 * 3600)).await;
}

#[tokio::test(start_paused = true)]
async fn back_off_grows_to_its_cap_and_never_over_it() {
    for (interval, cap) in [(s(10), s(10)), (s(3600), s(300))] {
        let (mut rig, store) = (Rig::new(), Store::new());
        store.answer_each(Duration::ZERO, |_| failed(StoreErrorKind::NotFound));
        rig.new_object(&object("o", &["a"]).every(interval), &store).await;
        for _ in 0..60 {
            rig.next().await;
        }
        let calls = store.calls();
        let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(gaps[0] <= ms(1050) && gaps[0] >= ms(500), "{:?}", gaps[0]);
        assert!(gaps.iter().all(|gap| *gap <= cap + ms(50)), "{gaps:?}");
        assert!(gaps[20..].iter().max().unwrap() > &(cap / 2), "it did grow: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_writes_back_off_too_and_a_success_starts_over() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("o", &["a"]).every(s(600)), &store).await;
    for _ in 0..6 {
        let delivery = rig.next().await;
        rig.planner
            .done(delivery.done(Err(Failure::new(Reason::WriteRefused, "no"))))
            .await
            .unwrap();
    }
    rig.written().await;
    let calls = store.calls();
    assert!(calls[6].at - calls[0].at < s(1 + 2 + 4 + 8 + 16 + 32 + 1));
    let delivery = rig.next().await;
    let before = Instant::now();
    rig.planner
        .done(delivery.done(Err(Failure::new(Reason::WriteRefused, "no"))))
        .await
        .unwrap();
    rig.next().await;
    assert!(before.elapsed() <= ms(1050), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_only_somebody_else_can_mend_is_tried_at_the_interval() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("o", &["a"]).every(s(50)), &store).await;
    let delivery = rig.next().await;
    let before = Instant::now();
    rig.planner
        .done(delivery.done(Err(Failure::new(Reason::TargetConflict, "not ours"))))
        .await
        .unwrap();
    rig.next().await;
    let waited = before.elapsed();
    assert!(waited >= s(50) && waited < s(51), "{waited:?}");
}

fn ago(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(1_000_000 - seconds).unwrap())
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_recent_object_waits_for_the_rest_of_its_interval() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let plan = object("o", &["a"]).every(s(100)).plan(&store);
    let started = Instant::now();
    rig.planner
        .submit(Submit {
            last_sync: ago(30),
            ..Submit::new(plan, Cause::Refresh)
        })
        .await
        .unwrap();
    rig.written().await;
    assert_eq!(started.elapsed().as_secs(), 70);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_old_objects_are_spread_and_new_ones_go_first() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let started = Instant::now();
    for index in 0..200 {
        let plan = object(&format!("old{index}"), &[&format!("k{index}")])
            .every(s(100))
            .plan(&store);
        rig.planner
            .submit(Submit {
                last_sync: ago(5000),
                ..Submit::new(plan, Cause::Refresh)
            })
            .await
            .unwrap();
    }
    let strange = object("from-the-future", &["f"]).every(s(100)).plan(&store);
    rig.planner
        .submit(Submit {
            last_sync: ago(-50),
            ..Submit::new(strange, Cause::Refresh)
        })
        .await
        .unwrap();
    rig.new_object(&object("new", &["n"]).every(s(100)), &store).await;
    let (mut first_half, mut seen) = (0, BTreeSet::new());
    while seen.len() < 202 {
        let name = rig.written().await.plan.key.name.to_string();
        if name == "new" || name == "from-the-future" {
            assert!(!seen.is_empty() || started.elapsed() < ms(100), "{name}");
        }
        if seen.insert(name) && started.elapsed() < s(50) {
            first_half += 1;
        }
        assert!(started.elapsed() <= s(101));
    }
    assert!((70..=135).contains(&first_half), "{first_half}");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_an_object_without_an_interval_is_left_alone() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let plan = object("o", &["a"]).plan(&store);
    rig.planner
        .submit(Submit {
            last_sync: ago(5000),
            ..Submit::new(plan, Cause::Refresh)
        })
        .await
        .unwrap();
    rig.silence(s(3600)).await;
    assert_eq!(store.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_repair_is_immediate_and_a_fight_slows_down() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let plan = object("o", &["a"]).every(s(600)).plan(&store);
    rig.submit(&plan, Cause::New).await;
    rig.written().await;
    let mut gaps = Vec::new();
    for _ in 0..12 {
        let before = Instant::now();
        rig.submit(&plan, Cause::Repair).await;
        rig.written().await;
        gaps.push(before.elapsed());
    }
    assert!(gaps[0] < ms(50), "{gaps:?}");
    assert!(gaps[8..].iter().max().unwrap() > &s(30), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= s(301)), "{gaps:?}");
    // Long after the fight, a repair is immediate again.
    for _ in 0..4 {
        rig.written().await;
    }
    let before = Instant::now();
    rig.submit(&plan, Cause::Repair).await;
    rig.written().await;
    assert!(before.elapsed() < ms(50));
}

#[tokio::test(start_paused = true)]
async fn the_same_plan_once_more_changes_nothing() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let spec = object("o", &["a"]);
    store.answer_each(s(1), text);
    let plan = spec.plan(&store);
    rig.submit(&plan, Cause::New).await;
    sleep(ms(500)).await;
    rig.submit(&spec.plan(&store), Cause::New).await;
    rig.submit(&spec.plan(&store), Cause::Refresh).await;
    let delivery = rig.next().await;
    rig.submit(&spec.plan(&store), Cause::New).await;
    rig.silence(s(10)).await;
    rig.planner.done(delivery.done(Ok(()))).await.unwrap();
    rig.submit(&spec.plan(&store), Cause::Refresh).await;
    rig.silence(s(10)).await;
    assert_eq!(store.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_plugin_is_used_from_the_next_refresh_on_and_at_once_where_the_old_one_failed() {
    let (mut rig, old, new) = (Rig::new(), Store::new(), Store::new());
    old.answer_each(Duration::ZERO, |key| {
        if key == "bad" {
            failed(StoreErrorKind::NotFound)
        } else {
            text(key)
        }
    });
    let (good, bad) = (
        object("good", &["a"]).every(s(600)),
        object("bad", &["bad"]).every(s(600)),
    );
    rig.new_object(&good, &old).await;
    rig.written().await;
    rig.new_object(&bad, &old).await;
    rig.next().await;
    for spec in [&good, &bad] {
        rig.submit(&spec.plan(&new), Cause::Refresh).await;
    }
    let started = Instant::now();
    assert_eq!(texts(&rig.written().await), ["bad"]);
    assert!(started.elapsed() < ms(100));
    while texts(&rig.written().await) != ["a"] {}
    assert!(started.elapsed() > s(1) && started.elapsed() <= s(600));
    assert_eq!(old.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_receipt_never_comes_is_repeated() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("o", &["a"]), &store).await;
    let started = Instant::now();
    rig.next().await;
    assert_eq!(texts(&rig.next().await), ["a"]);
    assert_eq!(
        started.elapsed().as_secs(),
        PlannerConfig::default().lost_receipt.as_secs()
    );
}

#[tokio::test(start_paused = true)]
async fn one_object_of_a_short_interval_does_not_scatter_those_of_a_long_one() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("often", &["often"]).every(s(10)), &store).await;
    let started = Instant::now();
    let mut submitted = 0;
    let mut last = std::collections::HashMap::new();
    while started.elapsed() < s(6 * 3600) {
        if submitted < 30 && started.elapsed() >= s(97) * submitted {
            let spec = object(&format!("o{submitted}"), &[&format!("k{submitted}")]);
            rig.new_object(&spec.every(s(3605)), &store).await;
            submitted += 1;
        }
        let name = rig.written().await.plan.key.name.to_string();
        let (now, limit) = (Instant::now(), if name == "often" { s(10) } else { s(3605) });
        if let Some(before) = last.insert(name, now) {
            assert!(now - before <= limit + ms(100));
        }
    }
    let late = store.calls().into_iter().filter(|call| call.at > started + s(3 * 3600));
    let seldom: Vec<_> = late.filter(|call| call.keys.iter().any(|key| key != "often")).collect();
    assert!(
        (4..=6).contains(&seldom.len()),
        "two calls for 31 requests in each of three hours: {}",
        seldom.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_slower_than_the_interval_still_gets_a_rest() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(3), text);
    rig.new_object(&object("o", &["a"]).every(s(1)), &store).await;
    let started = Instant::now();
    while started.elapsed() < s(100) {
        rig.written().await;
    }
    assert!((20..=27).contains(&store.count()), "{}", store.count());
}
