use super::*;
use crate::planner::PassId;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn wall_clock_and_timers_tell_the_same_time() {
    let start = Instant::now();
    let clock = Clock::new(start, Timestamp::from_second(1_000).unwrap());
    assert_eq!(clock.wall(start + s(7)), s(1_007));
    assert_eq!(clock.instant(s(1_007)), start + s(7));
    assert_eq!(clock.instant(s(5)), start, "the past is now");
    assert!(
        clock.instant(Duration::MAX) > start,
        "and the far future does not overflow"
    );
    assert_eq!(since_epoch(Timestamp::from_second(-5).unwrap()), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn repairs_of_a_quiet_object_are_immediate_and_those_of_a_fight_are_not() {
    let start = Instant::now();
    let mut repairs = Repairs::new(Some(s(60)));
    let mut now = start;
    let mut steps = Vec::new();
    for _ in 0..9 {
        repairs.begin(now, 1.0);
        let next = repairs.not_before.unwrap();
        steps.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(steps, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    now += s(121);
    repairs.begin(now, 1.0);
    assert_eq!(repairs.not_before.unwrap() - now, s(1));
}

#[test]
fn a_delivery_under_way_gives_no_versions_to_another_plan() {
    let mut state = State::Delivered {
        pass: PassId(1),
        taken: true,
        failed: false,
        cause: Cause::New,
        started: Instant::now(),
        versions: Some(vec!["1".into()]),
    };
    state.forget_versions();
    assert!(matches!(state, State::Delivered { versions: None, .. }));
}
