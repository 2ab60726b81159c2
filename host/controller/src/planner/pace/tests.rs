//! How a pace finds the rate that a store allows, on a clock of its own.

use super::*;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Makes calls of one exchange as early as the pace allows, each landing `latency` later; `passes` says whether
/// it got through. How many were made within `time`, and how many of them were throttled.
fn run(pace: &mut Pace, start: Instant, time: Duration, mut passes: impl FnMut(Instant) -> bool) -> (u32, u32) {
    let (mut now, mut made, mut throttled) = (start, 0, 0);
    loop {
        now = pace.next_call(now, 1.0).max(now);
        if now > start + time {
            return (made, throttled);
        }
        pace.begin(now, 1.0);
        made += 1;
        let began = now;
        now += ms(1);
        if passes(began) {
            pace.passed(now, 1.0);
        } else {
            throttled += 1;
            pace.throttled(began, now);
            now += ms(500);
            pace.save_nothing_until(now);
        }
    }
}

/// A store's bucket: this many exchanges a second after a burst.
fn quota(per_second: f64, burst: f64, start: Instant) -> impl FnMut(Instant) -> bool {
    let (mut tokens, mut filled) = (burst, start);
    move |at| {
        tokens = (tokens + (at - filled).as_secs_f64() * per_second).min(burst);
        filled = at;
        let admitted = tokens >= 1.0;
        if admitted {
            tokens -= 1.0;
        }
        admitted
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let start = Instant::now();
    let mut pace = Pace::new(10.0, 10.0, 3, start);
    let mut now = start;
    for _ in 0..13 {
        now = pace.next_call(now, 1.0).max(now);
        pace.begin(now, 1.0);
    }
    let took = now - start;
    assert!(took >= ms(999) && took < ms(1001), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_cost_beyond_its_estimate_is_paid_before_the_next() {
    let start = Instant::now();
    let mut pace = Pace::new(10.0, 10.0, 1, start);
    pace.begin(start, 1.0);
    pace.settle(start, 1.0, 21.0);
    let next = pace.next_call(start, 1.0) - start;
    assert!(next >= ms(2099) && next < ms(2101), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_did_not_cost_is_given_back() {
    let start = Instant::now();
    let mut pace = Pace::new(1.0, 1.0, 20, start);
    pace.begin(start, 20.0);
    assert!(pace.next_call(start, 1.0) > start);
    pace.settle(start, 20.0, 1.0);
    for _ in 0..19 {
        assert_eq!(pace.next_call(start, 1.0), start);
        pace.begin(start, 1.0);
    }
    assert!(pace.next_call(start, 1.0) > start);
}

#[tokio::test(start_paused = true)]
async fn a_dear_call_waits_until_it_is_saved_up_for_or_nothing_more_can_be() {
    let start = Instant::now();
    let mut pace = Pace::new(10.0, 10.0, 20, start);
    pace.begin(start, 15.0);
    assert_eq!(pace.next_call(start, 5.0), start);
    let next = pace.next_call(start, 15.0) - start;
    assert!(next >= ms(999) && next < ms(1001), "{next:?}");
    let next = pace.next_call(start, 500.0) - start;
    assert!(next >= ms(1499) && next < ms(1501), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_debt_has_an_end() {
    let start = Instant::now();
    let mut pace = Pace::new(1.0, 1.0, 1, start);
    pace.settle(start, 1.0, 1_000_000.0);
    assert!(pace.next_call(start, 1.0) - start <= Duration::from_secs(62));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_everything_is_soon_asked_at_full_speed() {
    let start = Instant::now();
    let mut pace = Pace::new(40.0, 1000.0, 40, start);
    let (made, _) = run(&mut pace, start, Duration::from_secs(5), |_| true);
    assert!(pace.per_second() > 500.0 && made > 800, "{made} {}", pace.per_second());
    let (_, _) = run(
        &mut pace,
        start + Duration::from_secs(5),
        Duration::from_secs(60),
        |_| true,
    );
    assert_eq!(pace.per_second(), 1000.0, "and never faster than that");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_asked_little_is_not_asked_faster_for_it() {
    let start = Instant::now();
    let mut pace = Pace::new(40.0, 1000.0, 40, start);
    for second in 0..100 {
        let now = start + Duration::from_secs(second);
        pace.begin(now, 1.0);
        pace.passed(now, 1.0);
    }
    assert_eq!(pace.per_second(), 40.0);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_used_up_and_hardly_ever_exceeded() {
    for (per_second, burst) in [(5.0, 5.0), (40.0, 40.0), (40.0, 1.0), (200.0, 200.0), (200.0, 2000.0)] {
        let start = Instant::now();
        let mut pace = Pace::new(40.0, 1000.0, 40, start);
        let time = Duration::from_secs(120);
        let (made, throttled) = run(&mut pace, start, time, quota(per_second, burst, start));
        let passed = f64::from(made - throttled);
        assert!(
            f64::from(made) <= passed * 1.1,
            "{per_second} {burst}: {made}, {throttled} throttled"
        );
        assert!(passed >= 0.7 * per_second * 120.0, "{per_second} {burst}: {passed}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_already_on_their_way_are_one_reason_to_go_slower() {
    let start = Instant::now();
    let mut pace = Pace::new(100.0, 1000.0, 100, start);
    pace.passed(start, 50.0);
    assert!(pace.throttled(start, start + ms(5)));
    let after_one = pace.per_second();
    for _ in 0..10 {
        assert!(!pace.throttled(start, start + ms(6)));
    }
    assert_eq!(pace.per_second(), after_one);
    assert!((30.0..=70.0).contains(&after_one), "{after_one}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lets_nothing_pass_for_a_while_is_not_crawled_at_for_minutes() {
    let start = Instant::now();
    let mut pace = Pace::new(40.0, 1000.0, 40, start);
    let (_, _) = run(&mut pace, start, Duration::from_secs(30), quota(40.0, 40.0, start));
    let before = pace.per_second();
    let later = start + Duration::from_secs(30);
    let (made, throttled) = run(&mut pace, later, Duration::from_secs(20), |_| false);
    assert_eq!(made, throttled);
    assert!(made < 40 && pace.per_second() <= 1.0, "{made} {}", pace.per_second());
    let later = later + Duration::from_secs(20);
    let (_, _) = run(&mut pace, later, Duration::from_secs(15), |_| true);
    assert!(pace.per_second() > before * 0.4, "{before} {}", pace.per_second());
}

#[tokio::test(start_paused = true)]
async fn a_call_is_kept_small_only_once_a_limit_is_known() {
    let start = Instant::now();
    let mut pace = Pace::new(40.0, 1000.0, 40, start);
    assert_eq!(pace.most_at_once(), None);
    pace.passed(start, 8.0);
    pace.throttled(start, start + ms(5));
    assert!(pace.most_at_once().is_some_and(|most| (1.0..=8.0).contains(&most)));
}
