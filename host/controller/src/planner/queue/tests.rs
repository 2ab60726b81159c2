//! Which requests travel together, and in which order.

use super::*;
use keyhole_core::Selector;
use keyhole_core::request::JsonText;

const GATHER: Gather = Gather {
    quiet: Duration::from_millis(20),
    at_most: Duration::from_secs(1),
};

fn request(key: &str) -> Request {
    Request {
        selector: Selector::Key(key.into()),
        options: JsonText::default(),
    }
}

fn waiter(pass: u64, since: Instant, cause: Cause, namespace: Option<&str>) -> Waiter {
    Waiter {
        pass: PassId(pass),
        index: 0,
        compartment: namespace.map(Into::into),
        known: None,
        since,
        cause,
    }
}

fn names(taken: &[Taken]) -> Vec<&str> {
    taken.iter().map(|taken| taken.request.selector.name()).collect()
}

/// Takes everything out, batch by batch.
fn batches(queue: &mut Queue, now: Instant, most: usize) -> Vec<Vec<String>> {
    let mut batches = Vec::new();
    while let Ready::Now(_, lane) = queue.ready(now, GATHER) {
        batches.push(names(&queue.cut(&lane, most)).into_iter().map(str::to_owned).collect());
    }
    assert!(queue.is_empty() && queue.lanes.is_empty());
    batches
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_until_nobody_joins_any_more() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    assert_eq!(queue.ready(start, GATHER), Ready::Never);
    queue.join(&request("a"), waiter(1, start, Cause::New, None), 1, start);
    assert_eq!(queue.ready(start, GATHER), Ready::At(start + GATHER.quiet));
    let later = start + Duration::from_millis(15);
    queue.join(&request("a"), waiter(2, later, Cause::New, None), 1, later);
    assert_eq!(
        queue.ready(start + GATHER.quiet, GATHER),
        Ready::At(later + GATHER.quiet)
    );
    assert!(matches!(queue.ready(later + GATHER.quiet, GATHER), Ready::Now(..)));
    for index in 0..100 {
        let now = start + Duration::from_millis(15 * index);
        queue.join(&request("a"), waiter(index, now, Cause::New, None), 1, now);
    }
    assert!(matches!(queue.ready(start + GATHER.at_most, GATHER), Ready::Now(..)));
}

#[tokio::test(start_paused = true)]
async fn refreshes_come_after_what_somebody_waits_for_unless_they_waited_for_long() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    queue.join(&request("refresh"), waiter(1, start, Cause::Refresh, None), 1, start);
    for (pass, after, name) in [(2, 1, "soon"), (3, 29, "just"), (4, 31, "late")] {
        let now = start + Duration::from_secs(after);
        queue.join(&request(name), waiter(pass, now, Cause::Edit, None), 1, now);
    }
    let order = batches(&mut queue, start + Duration::from_secs(60), 1);
    assert_eq!(order.concat(), ["soon", "just", "refresh", "late"]);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_waiter_pulls_a_shared_request_forward() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    for name in ["a", "b", "c"] {
        queue.join(&request(name), waiter(1, start, Cause::Refresh, None), 1, start);
    }
    queue.join(&request("c"), waiter(2, start, Cause::Edit, None), 1, start);
    assert_eq!(
        batches(&mut queue, start + GATHER.at_most, 2),
        [vec!["c", "a"], vec!["b"]]
    );
}

#[tokio::test(start_paused = true)]
async fn lanes_follow_the_namespaces_that_wait() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    let ready = start + GATHER.at_most;
    queue.join(&request("x"), waiter(1, start, Cause::New, Some("a")), 1, start);
    queue.join(&request("x"), waiter(2, start, Cause::New, Some("b")), 1, start);
    queue.join(&request("y"), waiter(3, start, Cause::New, Some("b")), 1, start);
    queue.join(&request("y"), waiter(4, start, Cause::New, Some("a")), 1, start);
    queue.join(&request("z"), waiter(5, start, Cause::New, Some("a")), 1, start);
    let Ready::Now(_, lane) = queue.ready(ready, GATHER) else {
        panic!("nothing is ready")
    };
    assert_eq!(lane.compartments, [Some("a".into()), Some("b".into())]);
    // When `b` needs them no more they may travel with the rest of `a`.
    assert!(queue.leave(&request("x"), PassId(2)));
    assert!(queue.leave(&request("y"), PassId(3)));
    assert!(!queue.leave(&request("y"), PassId(3)));
    assert_eq!(batches(&mut queue, ready, 20), [["x", "y", "z"]]);
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_split_batch_stay_apart_and_go_at_once() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    for name in ["a", "b", "c", "d"] {
        queue.join(&request(name), waiter(1, start, Cause::New, None), 1, start);
    }
    let Ready::Now(_, lane) = queue.ready(start + GATHER.quiet, GATHER) else {
        panic!("nothing is ready")
    };
    let mut first = queue.cut(&lane, 20);
    let second = first.split_off(2);
    queue.put_back_apart(first);
    queue.put_back_apart(second);
    let now = start + GATHER.quiet;
    queue.join(&request("e"), waiter(2, now, Cause::New, None), 1, now);
    assert_eq!(queue.len(), 5);
    let Ready::Now(_, lane) = queue.ready(now, GATHER) else {
        panic!("parts do not wait")
    };
    assert_eq!(names(&queue.cut(&lane, 20)), ["a", "b"]);
    let Ready::Now(_, lane) = queue.ready(now, GATHER) else {
        panic!("parts do not wait")
    };
    assert_eq!(names(&queue.cut(&lane, 20)), ["c", "d"]);
    assert_eq!(queue.ready(now, GATHER), Ready::At(now + GATHER.quiet));
}

#[tokio::test(start_paused = true)]
async fn the_last_to_leave_takes_the_request_along() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    queue.join(&request("a"), waiter(1, start, Cause::New, None), 1, start);
    assert!(queue.leave(&request("a"), PassId(1)));
    assert!(queue.is_empty() && queue.lanes.is_empty());
}
