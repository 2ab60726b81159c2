//! A thousand rounds of everything: the process must not grow.
//!
//! Measured in a process of its own, because other tests of this binary take memory on purpose.

use std::process::Command;
use std::time::Duration;

use keyhole_core::CallError;
use keyhole_core::limits::Limits;
use keyhole_sandbox::{Grant, Pooling};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::guest::{Sandbox, call, engine_with, file, keys, load};

/// `KEYHOLE_ENDURANCE_ROUNDS` asks for more.
const ROUNDS: usize = 1000;
const WARM_UP: usize = 200;
const MIB: usize = 1 << 20;
/// What the process may hold at any time. Eight instances of 8 MiB, their answers, the code and the
/// runtime stay far below.
const CEILING: usize = 160 * MIB;
/// What it may have grown since the warm-up: arenas of the allocator, not a leak of 1 KiB per call.
const GROWTH: usize = 8 * MIB;

fn habits() -> Vec<(Json, &'static str)> {
    vec![
        (json!({"do": "loop"}), "cpu"),
        (json!({"do": "busy-host"}), "cpu"),
        (json!({"do": "sleep"}), "wall"),
        (json!({"do": "memory"}), "memory"),
        (json!({"do": "modest"}), "ok"),
        (json!({"do": "trap"}), "trap"),
        (json!({"do": "stack"}), "trap"),
        (json!({"do": "exit"}), "trap"),
        (json!({"do": "big", "bytes": 300 << 10}), "output"),
        (json!({"do": "big", "bytes": 1700 << 10}), "output"),
        (json!({"do": "crowd", "bytes": 30_000}), "output"),
        (json!({"do": "big", "bytes": 200 << 10}), "ok"),
        (json!({"do": "fewer"}), "protocol"),
        (json!({"do": "more"}), "protocol"),
        (json!({"do": "unchanged"}), "protocol"),
        (json!({"do": "not-utf8"}), "protocol"),
        (json!({"do": "log-forever"}), "cpu"),
        (json!({"do": "print-forever"}), "cpu"),
        (json!({"do": "log", "times": 500}), "ok"),
        (json!({"do": "log-and-trap"}), "trap"),
        (json!({"do": "handles"}), "protocol"),
        (json!({"do": "session-flood"}), "ok"),
        (json!({"do": "session-endless"}), "cpu"),
        (json!({"do": "error", "message": "no"}), "store_error"),
        (json!({"do": "look-around"}), "ok"),
        (json!({}), "ok"),
    ]
}

fn label(ended: Result<Vec<keyhole_core::Outcome>, CallError>) -> &'static str {
    ended.map_or_else(|error| error.label(), |_| "ok")
}

fn status_kib(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_rounds_of_all_habits_leave_the_process_as_it_was() {
    file();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "endurance::rounds",
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, in a process of its own"]
async fn rounds() {
    let limits = Limits {
        cpu: Duration::from_millis(40),
        memory: 8 * MIB,
        value: 256 << 10,
        values: 512 << 10,
        ..Limits::default()
    };
    let sandbox = Sandbox::of(
        engine_with(8, Pooling::Auto),
        Grant {
            limits: limits.clone(),
            ..Grant::default()
        },
    )
    .await;
    // On a busy machine a loop may take long to use up its CPU time, so only sleepers are in a hurry.
    let hasty = Limits {
        wall: Duration::from_millis(100),
        ..limits
    };
    let hasty = load(
        &sandbox.engine,
        Grant {
            limits: hasty,
            ..Grant::default()
        },
    )
    .await
    .unwrap();
    let habits = habits();
    let rounds = std::env::var("KEYHOLE_ENDURANCE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut after_warm_up = 0;
    let mut running = JoinSet::new();
    for round in 0..WARM_UP + rounds {
        // Scopes change, so that the session store has to let go of old ones.
        let (mut settings, expected) = habits[round % habits.len()].clone();
        settings["round"] = json!(round / habits.len());
        let plugin = if expected == "wall" {
            hasty.clone()
        } else {
            sandbox.plugin.clone()
        };
        running.spawn(async move {
            let ended = plugin.fetch(&call(settings.clone()), &keys(&["a", "b"])).await;
            (settings, expected, ended)
        });
        if running.len() >= 8 {
            let (settings, expected, ended) = running.join_next().await.unwrap().unwrap();
            let told = format!("{ended:?}");
            assert_eq!(label(ended), expected, "{settings}: {told}");
        }
        if round == WARM_UP {
            after_warm_up = status_kib("VmRSS") << 10;
        }
    }
    while let Some(ended) = running.join_next().await {
        let (settings, expected, ended) = ended.unwrap();
        assert_eq!(label(ended), expected, "{settings}");
    }
    sandbox.assert_unharmed().await;
    let (now, most) = (status_kib("VmRSS") << 10, status_kib("VmHWM") << 10);
    assert!(most < CEILING, "at most {} MiB", most / MIB);
    assert!(
        now < after_warm_up + GROWTH,
        "from {} to {} KiB",
        after_warm_up >> 10,
        now >> 10
    );
}
