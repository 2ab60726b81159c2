//! Nothing grows without bound, and no secret stays longer than it must.

use super::*;
use keyhole_core::SecretBytes;

const MIB: usize = 1 << 20;

fn large(_: &str) -> Outcome {
    Outcome::Value(Value {
        bytes: SecretBytes::new(vec![7; MIB]),
        is_text: true,
        version: None,
    })
}

#[tokio::test(start_paused = true)]
async fn writers_that_stall_stop_the_calls_before_the_memory_is_full() {
    let config = PlannerConfig {
        value_bytes: 8 * MIB,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::with(4, 1));
    store.answer_each(ms(5), large);
    for index in 0..200 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    sleep(s(200)).await;
    assert_eq!(store.count(), 2, "8 MiB are two calls");
    assert_eq!(rig.planner.gauges().value_bytes, 8 * MIB);
    for _ in 0..200 {
        drop(rig.written().await);
        assert!(
            rig.planner.gauges().value_bytes <= 12 * MIB,
            "{}",
            rig.planner.gauges().value_bytes
        );
    }
    rig.settle().await;
    assert_eq!((store.count(), rig.planner.gauges().value_bytes), (50, 0));
}

#[tokio::test(start_paused = true)]
async fn small_deliveries_that_nobody_takes_stop_the_calls_too() {
    let config = PlannerConfig {
        deliveries: 10,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::with(5, 1));
    for index in 0..200 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    sleep(s(200)).await;
    assert_eq!(store.count(), 4, "ten in the channel and ten behind it");
    assert!(rig.planner.gauges().waiting_deliveries <= 10);
    for _ in 0..200 {
        rig.written().await;
    }
    assert_eq!(store.count(), 40);
}

#[tokio::test(start_paused = true)]
async fn objects_that_hold_all_the_memory_between_them_still_come_to_an_end() {
    // The urgent objects have the first value of each refresh fetched long before its second.
    let config = PlannerConfig {
        value_bytes: 3 * MIB,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::with(1, 1));
    store.answer_each(ms(5), large);
    for index in 0..10 {
        let (first, second) = (format!("a{index}"), format!("b{index}"));
        let refresh = object(&format!("r{index}"), &[&first, &second]).every(s(3600));
        rig.submit(&refresh.plan(&store), Cause::Refresh).await;
        rig.new_object(&object(&format!("u{index}"), &[&first]), &store).await;
    }
    let mut done = 0;
    while done < 20 {
        let delivery = timeout(s(60), rig.written()).await.expect("somebody goes on");
        assert!(matches!(delivery.result, Delivered::Answers(_)));
        done += 1;
    }
    rig.settle().await;
    assert_eq!(rig.planner.gauges().value_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_has_failed_holds_no_values_while_the_rest_is_waited_for() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    store.answer(|call, _| match call.keys[0].as_str() {
        "bad" => (s(2), Ok(vec![failed(StoreErrorKind::NotFound)])),
        "early" => (s(1), Ok(vec![large("")])),
        "late" => (s(3), Ok(vec![large("")])),
        _ => (s(10), Ok(vec![text("v")])),
    });
    rig.new_object(&object("o", &["early", "bad", "late", "last"]), &store)
        .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        sleep(ms(1_200)).await;
        held.push(rig.planner.gauges().value_bytes);
    }
    assert_eq!(held, [MIB, 0, 0]);
    assert_eq!(reasons(&rig.next().await), [Reason::NotFound]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_for_a_writer_is_not_fetched_again() {
    let config = PlannerConfig {
        deliveries: 1,
        lost_receipt: s(100),
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::new());
    rig.new_object(&object("first", &["a"]), &store).await;
    rig.settle().await;
    sleep(s(1)).await;
    rig.new_object(&object("second", &["b"]), &store).await;
    sleep(s(450)).await;
    while &*rig.written().await.plan.key.name != "second" {}
    assert_eq!(
        store
            .calls()
            .iter()
            .filter(|call| call.keys.contains(&"b".to_owned()))
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn values_are_gone_once_their_delivery_is_dropped() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(Duration::ZERO, large);
    rig.new_object(&object("a", &["k"]).every(s(100)), &store).await;
    rig.new_object(&object("b", &["k"]).every(s(100)), &store).await;
    let (first, second) = (rig.written().await, rig.written().await);
    assert_eq!(rig.planner.gauges().value_bytes, MIB, "shared");
    drop(first);
    assert_eq!(rig.planner.gauges().value_bytes, MIB);
    drop(second);
    assert_eq!(rig.planner.gauges().value_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_writer_does_not_keep_the_planner_from_listening() {
    let config = PlannerConfig {
        deliveries: 1,
        inbox: 1,
        ..PlannerConfig::default()
    };
    let (rig, store) = (Rig::with(config), Store::new());
    for index in 0..1000 {
        let spec = object(&format!("o{index}"), &[&format!("k{index}")]);
        timeout(s(1), rig.new_object(&spec, &store))
            .await
            .expect("the planner listens");
    }
    for index in 0..1000 {
        timeout(s(1), rig.planner.forget(object(&format!("o{index}"), &[]).key()))
            .await
            .expect("it listens")
            .unwrap();
    }
    rig.settle().await;
    let gauges = rig.planner.gauges();
    assert_eq!(
        (
            gauges.objects,
            gauges.groups,
            gauges.waiting_requests,
            gauges.calls_in_flight
        ),
        (0, 0, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn edits_in_quick_succession_leave_nothing_behind() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(1), text);
    for generation in 1..500 {
        rig.submit(
            &object("o", &["a", &format!("k{generation}")])
                .generation(generation)
                .plan(&store),
            Cause::Edit,
        )
        .await;
        sleep(ms(30)).await;
    }
    let delivery = rig.written().await;
    assert_eq!(delivery.plan.generation, 499);
    rig.settle().await;
    let gauges = rig.planner.gauges();
    assert_eq!(
        (gauges.objects, gauges.waiting_requests, gauges.calls_in_flight),
        (1, 0, 0)
    );
    assert_eq!(store.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn random_traffic_loses_no_object() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let config = PlannerConfig {
            slots: 3,
            deliveries: 4,
            ..PlannerConfig::default()
        };
        let (mut rig, store) = (Rig::with(config), Store::with(3, 3));
        let dice = Mutex::new(fastrand::Rng::with_seed(seed + 1000));
        store.answer(move |call, _| {
            let mut dice = dice.lock().unwrap();
            let outcome = |dice: &mut fastrand::Rng, key: &String| match dice.u32(0..20) {
                0 => failed(StoreErrorKind::NotFound),
                1 => failed(StoreErrorKind::Throttled(Some(ms(300)))),
                2 => failed(StoreErrorKind::Unavailable(None)),
                _ => versioned(key, "1"),
            };
            let result = match dice.u32(0..15) {
                0 => Err(CallError::Trap("t".into())),
                1 => Err(CallError::Store(error(StoreErrorKind::Throttled(None)))),
                _ => Ok(call.keys.iter().map(|key| outcome(&mut dice, key)).collect()),
            };
            (ms(dice.u64(0..400)), result)
        });
        let mut generations = std::collections::HashMap::new();
        for step in 0..400 {
            let name = format!("o{}", random.u32(0..25));
            let generation = generations.entry(name.clone()).or_insert(1_i64);
            let keys = [format!("k{}", random.u32(0..12)), format!("k{}", random.u32(0..12))];
            let mut spec = object(&name, &[&keys[0], &keys[1]]).every(s(5));
            if random.bool() {
                spec = spec.apart_in("team");
            }
            match random.u32(0..10) {
                0 => rig.planner.forget(spec.key()).await.unwrap(),
                kind => {
                    *generation += 1;
                    let cause =
                        [Cause::New, Cause::Edit, Cause::Repair, Cause::Forced, Cause::Refresh][kind as usize % 5];
                    rig.submit(&spec.generation(*generation).plan(&store), cause).await;
                }
            }
            if random.u32(0..3) == 0 {
                sleep(ms(random.u64(0..200))).await;
            }
            while let Ok(delivery) = rig.deliveries.try_recv() {
                assert!(
                    delivery.plan.generation <= generations[&*delivery.plan.key.name],
                    "{seed} {step}"
                );
                let result = if random.u32(0..8) == 0 {
                    Err(Failure::new(Reason::Unavailable, "x"))
                } else {
                    Ok(())
                };
                rig.planner.done(delivery.done(result)).await.unwrap();
            }
        }
        // From now on everything works; every object that is known comes through, at its last generation.
        store.answer_each(ms(5), |key| versioned(key, "1"));
        let mut last: BTreeSet<String> = BTreeSet::new();
        for (name, generation) in &mut generations {
            *generation += 1;
            rig.submit(
                &object(name, &["k0", "k1"])
                    .every(s(5))
                    .generation(*generation)
                    .plan(&store),
                Cause::Edit,
            )
            .await;
        }
        let started = Instant::now();
        while last.len() < generations.len() {
            let delivery = rig.written().await;
            if delivery.plan.generation == generations[&*delivery.plan.key.name]
                && matches!(delivery.result, Delivered::Answers(_))
            {
                last.insert(delivery.plan.key.name.to_string());
            }
            assert!(
                started.elapsed() < s(60),
                "{seed}: {} of {}",
                last.len(),
                generations.len()
            );
        }
        // And goes on being refreshed.
        let mut again = BTreeSet::new();
        while again.len() < generations.len() {
            again.insert(rig.written().await.plan.key.name.to_string());
            assert!(started.elapsed() < s(80), "{seed}");
        }
    }
}
