//! Many calls at once: they wait for slots, do not hold each other up, and can be dropped.

use std::time::{Duration, Instant};

use keyhole_core::limits::Limits;
use keyhole_core::{CallError, StoreError, StoreErrorKind};
use keyhole_sandbox::{Grant, Pooling};
use serde_json::json;
use tokio::task::JoinSet;

use crate::guest::{Sandbox, call, engine_with, keys, texts, until};

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let sandbox = Sandbox::new(Limits::default()).await;
    for habit in ["sleep", "loop"] {
        let plugin = sandbox.plugin.clone();
        let running = tokio::spawn(async move { plugin.fetch(&call(json!({ "do": habit })), &keys(&["k"])).await });
        until("the call", || sandbox.engine.live_instances() == 1).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        sandbox.assert_unharmed().await;
    }
}

#[tokio::test]
async fn a_loop_does_not_hold_up_its_neighbours() {
    // One thread for all: only the yields of the looping guest let the others run.
    let sandbox = Sandbox::new(Limits {
        cpu: Duration::from_secs(60),
        ..Limits::default()
    })
    .await;
    let plugin = sandbox.plugin.clone();
    let looping = tokio::spawn(async move { plugin.fetch(&call(json!({"do": "loop"})), &keys(&["k"])).await });
    until("the loop", || sandbox.engine.live_instances() == 1).await;
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(texts(&sandbox.fetch(json!({}), &["a"]).await.unwrap()), ["value of a"]);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!looping.is_finished());
    looping.abort();
    let _ = looping.await;
    sandbox.assert_empty();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_instances_than_slots() {
    for pooling in [Pooling::Auto, Pooling::Never] {
        let sandbox = Sandbox::of(engine_with(3, pooling), Grant::default()).await;
        let mut calls = JoinSet::new();
        for _ in 0..30 {
            let (plugin, engine) = (sandbox.plugin.clone(), sandbox.engine.clone());
            calls.spawn(async move {
                // No settings in common: otherwise calls that may log in would take turns anyway.
                let settings = json!({"do": "sleep", "ms": 20, "id": format!("{:?}", tokio::task::id())});
                let answer = plugin.fetch(&call(settings), &keys(&["k"])).await;
                (answer.is_ok(), engine.live_instances())
            });
        }
        let ended = calls.join_all().await;
        assert!(
            ended.iter().all(|(succeeded, live)| *succeeded && *live <= 3),
            "{ended:?}"
        );
        sandbox.assert_empty();
    }
}

#[tokio::test]
async fn waiting_for_a_slot_has_an_end() {
    let wall = Duration::from_millis(500);
    let engine = engine_with(1, Pooling::Auto);
    let patient = crate::guest::load(&engine, Grant::default()).await.unwrap();
    let sandbox = Sandbox::of(
        engine,
        Grant {
            limits: Limits {
                wall,
                ..Limits::default()
            },
            ..Grant::default()
        },
    )
    .await;
    let sleeping = tokio::spawn(async move { patient.fetch(&call(json!({"do": "sleep"})), &keys(&["k"])).await });
    until("the sleeper", || sandbox.engine.live_instances() == 1).await;
    let ended = tokio::time::timeout(Duration::from_secs(60), sandbox.fetch(json!({}), &["a"])).await;
    match ended.expect("waiting has no end").unwrap_err() {
        CallError::Host(text) => assert!(text.contains("no sandbox was free"), "{text}"),
        other => panic!("{other:?}"),
    }
    sleeping.abort();
    let _ = sleeping.await;
    sandbox.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_start_together_make_one_login() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let plugin = sandbox.plugin.clone();
        let settings = json!({"do": "session", "token": "t1", "login-ms": 100});
        calls.spawn(async move { texts(&plugin.fetch(&call(settings), &keys(&["k"])).await.unwrap()) });
    }
    let said = calls.join_all().await;
    assert_eq!(said.iter().filter(|said| said[0] == "stored Ok(())").count(), 1);
    assert_eq!(said.iter().filter(|said| said[0] == "found t1").count(), 39);
    sandbox.assert_empty();
}

#[tokio::test]
async fn who_waits_in_vain_for_anothers_login_is_told_so() {
    let wall = Duration::from_millis(300);
    let sandbox = Sandbox::new(Limits {
        wall,
        ..Limits::default()
    })
    .await;
    let calls = (0..4).map(|_| sandbox.fetch(json!({"do": "sleep"}), &["k"]));
    let ended = tokio::time::timeout(Duration::from_secs(60), futures::future::join_all(calls)).await;
    let ended = ended.expect("a call has no end");
    let errors: Vec<CallError> = ended.into_iter().map(Result::unwrap_err).collect();
    let (walls, waits): (Vec<_>, Vec<_>) = errors.iter().partition(|error| **error == CallError::Wall(wall));
    assert!(!walls.is_empty() && !waits.is_empty(), "{errors:?}");
    for wait in waits {
        match wait {
            CallError::Store(StoreError {
                kind: StoreErrorKind::Unavailable(None),
                message,
                ..
            }) => {
                assert!(message.contains("another call"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    sandbox.assert_unharmed().await;
}
