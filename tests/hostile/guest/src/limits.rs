//! CPU, wall clock, memory, and ways to crash.

use std::hint::black_box;
use std::time::Duration;

use serde_json::Value as Json;

use crate::bindings::keyhole::backend::types::Request;
use crate::{Outcomes, number, to_all};

pub fn describe(habit: &str) {
    match habit {
        "loop" => spin(),
        "trap" => std::process::abort(),
        "memory" => drop(bomb()),
        _ => {}
    }
}

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    match habit {
        "loop" => spin(),
        "work" => work(number(settings, "rounds", 1)),
        "sleep" => std::thread::sleep(Duration::from_millis(number(settings, "ms", 3_600_000))),
        "naps" => {
            for _ in 0..number(settings, "times", 20) {
                std::thread::sleep(Duration::from_millis(number(settings, "ms", 10)));
            }
        }
        "memory" => drop(bomb()),
        "hold" => {
            let kept = black_box(vec![1_u8; usize::try_from(number(settings, "bytes", 1)).ok()?]);
            return to_all(requests, &format!("held {}", kept.len()));
        }
        "modest" => return to_all(requests, &modest(settings)),
        "trap" => std::process::abort(),
        "panic" => panic!("with a secret: {}", settings["secret"].as_str().unwrap_or_default()),
        "exit" => std::process::exit(3),
        "stack" => drop(black_box(dig(black_box(u64::MAX)))),
        "wild" => unsafe { std::ptr::write_volatile(black_box(0xffff_fff0_usize) as *mut u8, 1) },
        _ => return None,
    }
    to_all(requests, "done")
}

/// Never ends.
pub fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// A fixed amount of work.
fn work(rounds: u64) {
    for _ in 0..rounds {
        let mut state = 1_u64;
        for step in 0..1_000_000_u64 {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
        }
    }
}

/// Takes memory until there is none, as a buggy plugin would: the allocator aborts.
fn bomb() -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Takes memory until it is refused, gives it back and goes on living.
fn modest(settings: &Json) -> String {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let most = number(settings, "most", 4096);
    while u64::try_from(kept.len()).unwrap_or_default() < most {
        let mut block: Vec<u8> = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return "refused and alive".to_owned();
        }
        block.resize(1 << 20, 1);
        kept.push(black_box(block));
    }
    format!("took {most}")
}

/// Keeps everything in registers, so that the engine's own stack ends and not the guest's.
#[inline(never)]
fn dig(depth: u64) -> u64 {
    if depth == 0 {
        0
    } else {
        (dig(depth - 1) ^ depth).wrapping_mul(3)
    }
}
