//! Equal requests are asked once, in full batches.

use super::*;

/// Objects of five keys each over `secrets` secrets, each object with two of them.
fn objects(count: usize, secrets: usize) -> Vec<Spec> {
    let object = |index: usize| {
        let (a, b) = (
            format!("s{}", index % secrets),
            format!("s{}", (index * 7 + 3) % secrets),
        );
        object(&format!("o{index}"), &[&a, &a, &b, &b, &b])
    };
    (0..count).map(object).collect()
}

#[tokio::test(start_paused = true)]
async fn five_hundred_objects_over_a_hundred_secrets_take_five_calls() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(ms(5), text);
    for spec in objects(500, 100) {
        rig.new_object(&spec, &store).await;
    }
    for _ in 0..500 {
        let delivery = rig.written().await;
        let keys: Vec<_> = delivery
            .plan
            .items
            .iter()
            .map(|item| item.request.selector.name().to_owned())
            .collect();
        assert_eq!(texts(&delivery), keys);
    }
    let calls = store.calls();
    assert_eq!(calls.len(), 5);
    assert!(calls.iter().all(|call| call.keys.len() == 20));
}

#[tokio::test(start_paused = true)]
async fn objects_that_stream_in_are_gathered_too() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(ms(5), text);
    for spec in objects(500, 100) {
        rig.new_object(&spec, &store).await;
        sleep(ms(1)).await;
    }
    for _ in 0..500 {
        rig.written().await;
    }
    assert_eq!(store.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_endless_stream_is_not_waited_for() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let started = Instant::now();
    for index in 0..400 {
        rig.new_object(&object(&format!("o{index}"), &["a"]), &store).await;
        sleep(ms(10)).await;
    }
    assert!(store.count() >= 3 && store.count() <= 5, "{}", store.count());
    assert!(store.calls()[0].at - started <= ms(1010));
    for _ in 0..400 {
        rig.written().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_object_alone_waits_for_others_only_a_moment() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let started = Instant::now();
    rig.new_object(&object("o", &["a"]), &store).await;
    rig.written().await;
    assert!(started.elapsed() <= ms(25), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn two_thousand_objects_take_as_few_calls_as_there_can_be() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(ms(5), text);
    for spec in objects(2500, 500) {
        rig.new_object(&spec, &store).await;
    }
    for _ in 0..2500 {
        rig.written().await;
    }
    assert_eq!(store.count(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_new_object_joins_a_call_in_flight() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(1), text);
    rig.new_object(&object("first", &["a"]), &store).await;
    sleep(ms(500)).await;
    rig.new_object(&object("second", &["a"]), &store).await;
    let started = Instant::now();
    rig.written().await;
    rig.written().await;
    assert_eq!(store.count(), 1);
    assert!(started.elapsed() < ms(600));
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_not_answered_by_a_call_that_began_before_it() {
    for cause in [Cause::Edit, Cause::Forced] {
        let (mut rig, store) = (Rig::new(), Store::new());
        store.answer(|_, number| (s(1), Ok(vec![text(&format!("from call {number}"))])));
        rig.new_object(&object("first", &["a"]), &store).await;
        sleep(ms(500)).await;
        rig.submit(&object("second", &["a"]).plan(&store), cause).await;
        assert_eq!(texts(&rig.written().await), ["from call 0"], "{cause:?}");
        let second = rig.written().await;
        assert_eq!(
            (&*second.plan.key.name, texts(&second)),
            ("second", vec!["from call 1".to_owned()])
        );
        // A third one may share the call that was made for the second.
    }
}

#[tokio::test(start_paused = true)]
async fn groups_of_other_identities_do_not_meet() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("a", &["k"]).with_role("arn:aws:iam::1:role/a"), &store)
        .await;
    rig.new_object(&object("b", &["k"]).with_role("arn:aws:iam::1:role/b"), &store)
        .await;
    rig.written().await;
    rig.written().await;
    assert_eq!(store.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_must_not_mix_namespaces_does_not() {
    let (mut rig, store) = (Rig::new(), Store::new());
    for index in 0..30 {
        let namespace = format!("ns{}", index % 3);
        let spec = object(&format!("o{index}"), &[&format!("{namespace}/{index}")]).apart_in(&namespace);
        rig.new_object(&spec, &store).await;
    }
    for _ in 0..30 {
        rig.written().await;
    }
    let calls = store.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        let namespace = call.namespace.expect("the plugin is told for whom");
        assert!(
            call.keys.iter().all(|key| key.starts_with(&format!("{namespace}/"))),
            "{:?}",
            call.keys
        );
    }
}

#[tokio::test(start_paused = true)]
async fn equal_requests_of_two_namespaces_are_asked_once_and_apart_from_what_only_one_needs() {
    let (mut rig, store) = (Rig::new(), Store::new());
    rig.new_object(&object("a", &["shared", "only-a"]).apart_in("a"), &store)
        .await;
    rig.new_object(&object("b", &["shared", "only-b"]).apart_in("b"), &store)
        .await;
    rig.written().await;
    rig.written().await;
    let calls = store.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.keys.len(), 1);
        let served: Vec<&str> = call.compartments.iter().map(|namespace| &**namespace).collect();
        let expected: &[&str] = match call.keys[0].as_str() {
            "shared" => &["a", "b"],
            "only-a" => &["a"],
            _ => &["b"],
        };
        assert_eq!(served, expected, "what a plugin keeps is for exactly these");
        assert_eq!(call.namespace.is_none(), call.keys[0] == "shared");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_for_one_namespace_is_not_joined_by_another() {
    let (mut rig, store) = (Rig::new(), Store::new());
    store.answer_each(s(1), text);
    rig.new_object(&object("a", &["k", "secret-of-a"]).apart_in("a"), &store)
        .await;
    sleep(ms(500)).await;
    rig.new_object(&object("b", &["k"]).apart_in("b"), &store).await;
    rig.new_object(&object("a2", &["k"]).apart_in("a"), &store).await;
    for _ in 0..3 {
        rig.written().await;
    }
    let calls = store.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (calls[1].namespace.as_deref(), calls[1].keys.as_slice()),
        (Some("b"), &["k".to_owned()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked_once_before_the_first_call() {
    let (mut rig, store) = (Rig::new(), Store::new());
    for index in 0..50 {
        rig.new_object(&object(&format!("o{index}"), &[&format!("k{index}")]), &store)
            .await;
    }
    for _ in 0..50 {
        rig.written().await;
    }
    rig.new_object(&object("late", &["k"]), &store).await;
    rig.written().await;
    assert_eq!((store.validations.load(Ordering::SeqCst), store.count()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn settings_that_the_plugin_refuses_are_never_used() {
    let (mut rig, store) = (Rig::new(), Store::new());
    *store.settings.lock().unwrap() = Err(Failure::new(Reason::InvalidSpec, "address: no URL"));
    rig.new_object(&object("a", &["x", "y"]), &store).await;
    let delivery = rig.written().await;
    assert_eq!(failures(&delivery)[0].status_line(), "ERROR, fake: address: no URL");
    assert_eq!(failures(&delivery).len(), 1, "said once, not for each entry");
    rig.silence(s(3600)).await;
    assert_eq!(store.count(), 0);
    // Mended, e.g. by a newer plugin.
    *store.settings.lock().unwrap() = Ok(());
    rig.submit(&object("a", &["x", "y"]).plan(&store), Cause::Edit).await;
    assert_eq!(texts(&rig.written().await), ["x", "y"]);
}
