//! CPU, wall clock, memory, and crashes.

use std::time::{Duration, Instant};

use keyhole_core::CallError;
use keyhole_core::limits::Limits;
use keyhole_sandbox::{Grant, Pooling};
use serde_json::json;

use crate::guest::{Sandbox, engine, engine_with};

const MIB: usize = 1 << 20;
const CPU: Duration = Duration::from_millis(100);

fn tight() -> Limits {
    Limits {
        cpu: CPU,
        memory: 8 * MIB,
        ..Limits::default()
    }
}

fn trap(error: CallError) -> String {
    match error {
        CallError::Trap(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_cpu_time() {
    let sandbox = Sandbox::new(tight()).await;
    assert_eq!(sandbox.error(json!({"do": "loop"})).await, CallError::Cpu(CPU));
}

#[tokio::test]
async fn a_guest_that_keeps_the_host_busy_pays_for_it() {
    let sandbox = Sandbox::new(tight()).await;
    assert_eq!(sandbox.error(json!({"do": "busy-host"})).await, CallError::Cpu(CPU));
}

#[tokio::test]
async fn waiting_costs_no_cpu_time() {
    let sandbox = Sandbox::new(tight()).await;
    let began = Instant::now();
    assert_eq!(sandbox.says(json!({"do": "naps", "times": 30, "ms": 10})).await, "done");
    assert!(began.elapsed() > 2 * CPU, "it did wait: {:?}", began.elapsed());
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_call_that_never_comes_back_ends_with_its_wall_clock() {
    let wall = Duration::from_millis(500);
    let sandbox = Sandbox::new(Limits { wall, ..tight() }).await;
    assert_eq!(sandbox.error(json!({"do": "sleep"})).await, CallError::Wall(wall));
}

#[tokio::test]
async fn a_loop_within_its_cpu_time_still_ends_with_the_wall_clock() {
    let wall = Duration::from_millis(500);
    let sandbox = Sandbox::new(Limits {
        wall,
        cpu: Duration::from_secs(3600),
        ..tight()
    })
    .await;
    let began = Instant::now();
    assert_eq!(sandbox.error(json!({"do": "loop"})).await, CallError::Wall(wall));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_memory_bomb_meets_its_limit() {
    for pooling in [Pooling::Auto, Pooling::Never] {
        let sandbox = Sandbox::of(
            engine_with(2, pooling),
            Grant {
                limits: tight(),
                ..Grant::default()
            },
        )
        .await;
        assert_eq!(
            sandbox.error(json!({"do": "memory"})).await,
            CallError::Memory(8 * MIB),
            "{pooling:?}"
        );
    }
}

#[tokio::test]
async fn a_guest_that_lives_with_less_memory_goes_on() {
    let sandbox = Sandbox::new(tight()).await;
    assert_eq!(sandbox.says(json!({"do": "modest"})).await, "refused and alive");
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_plugin_can_be_granted_more_memory_than_a_slot_of_the_pool() {
    let hold = |bytes: usize| json!({"do": "hold", "bytes": bytes});
    let usual = Sandbox::new(Limits::default()).await;
    assert!(usual.plugin.is_pooled(), "no pool on this machine?");
    assert_eq!(usual.error(hold(100 * MIB)).await, CallError::Memory(64 * MIB));

    let limits = Limits {
        memory: 160 * MIB,
        ..Limits::default()
    };
    let large = Sandbox::of(
        engine(),
        Grant {
            limits,
            ..Grant::default()
        },
    )
    .await;
    assert!(!large.plugin.is_pooled());
    assert_eq!(large.says(hold(100 * MIB)).await, format!("held {}", 100 * MIB));
    assert_eq!(large.error(hold(200 * MIB)).await, CallError::Memory(160 * MIB));
}

#[tokio::test]
async fn each_crash_is_a_trap_that_says_how() {
    let sandbox = Sandbox::new(tight()).await;
    assert!(trap(sandbox.error(json!({"do": "trap"})).await).contains("unreachable"));
    assert!(trap(sandbox.error(json!({"do": "stack"})).await).contains("call stack exhausted"));
    assert!(trap(sandbox.error(json!({"do": "wild"})).await).contains("out of bounds memory access"));
    assert_eq!(trap(sandbox.error(json!({"do": "exit"})).await), "it called exit(1)");
}

#[tokio::test]
async fn a_panic_tells_nothing_of_its_message() {
    let sandbox = Sandbox::new(tight()).await;
    let text = trap(sandbox.error(json!({"do": "panic", "secret": "hunter2-long"})).await);
    assert!(text.contains("unreachable") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn host_objects_are_bounded_too() {
    let sandbox = Sandbox::new(Limits {
        cpu: Duration::from_secs(20),
        memory: 64 * MIB,
        ..Limits::default()
    })
    .await;
    // What waits to be sent of a thousand requests must be small; where there is no network, too.
    let most = u64::try_from(16 * MIB / 1024).unwrap();
    let taken: u64 = sandbox
        .says(json!({"do": "bodies", "requests": 16}))
        .await
        .parse()
        .unwrap();
    assert!((1..=16 * most).contains(&taken), "{taken} bytes of 16 requests");
    let problems = sandbox
        .plugin
        .validate(r#"{"validate":"bodies","requests":16}"#)
        .await
        .unwrap();
    let taken: u64 = problems[0].message.parse().unwrap();
    assert!((1..=16 * most).contains(&taken), "{taken} bytes of 16 requests");
    for habit in ["handles", "fields", "bodies"] {
        match sandbox.error(json!({ "do": habit })).await {
            CallError::Protocol(text) => assert!(text.contains("no free keys"), "{habit}: {text}"),
            other => panic!("{habit}: {other:?}"),
        }
    }
    for habit in ["random", "header-bomb"] {
        match sandbox.error(json!({ "do": habit })).await {
            CallError::Protocol(text) => assert!(text.contains("exceeds limit"), "{habit}: {text}"),
            other => panic!("{habit}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn texts_of_a_request_handle_are_short() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let said = sandbox.says(json!({"do": "request-texts", "bytes": 1 << 20})).await;
    assert_eq!(said, "refused true true true true, usual true");
}

#[tokio::test]
async fn a_validate_that_misbehaves_is_limited_as_well() {
    let sandbox = Sandbox::new(tight()).await;
    assert_eq!(
        sandbox.plugin.validate(r#"{"validate":"loop"}"#).await,
        Err(CallError::Cpu(CPU))
    );
    assert!(matches!(
        sandbox.plugin.validate(r#"{"validate":"trap"}"#).await,
        Err(CallError::Trap(_))
    ));
    let problems = sandbox.plugin.validate(r#"{"validate":"many"}"#).await.unwrap();
    assert_eq!(problems.len(), 32);
    assert_eq!(problems[3].path, "/3");
    assert_eq!(problems[3].message, "wrong [31mand red");
    assert_eq!(sandbox.plugin.validate("{}").await, Ok(Vec::new()));
    sandbox.assert_unharmed().await;
}
