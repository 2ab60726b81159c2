//! Stores with a quota: everything arrives, nobody hears of it, and hardly a call is wasted.

use super::*;

/// A token bucket of exchanges.
struct Quota {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Option<Instant>,
    asked: u32,
    refused: u32,
}

type Shared = Arc<Mutex<Quota>>;

impl Quota {
    fn of(per_second: f64, burst: f64) -> Shared {
        Arc::new(Mutex::new(Self {
            per_second,
            burst,
            tokens: burst,
            filled: None,
            asked: 0,
            refused: 0,
        }))
    }

    fn unlimited() -> Shared {
        Self::of(f64::INFINITY, f64::INFINITY)
    }

    /// One exchange; whether it gets through.
    fn ask(&mut self, at: Instant) -> bool {
        self.asked += 1;
        let passed = at.saturating_duration_since(self.filled.unwrap_or(at));
        if self.burst.is_finite() {
            self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.burst);
        }
        self.filled = Some(at.max(self.filled.unwrap_or(at)));
        if self.tokens < 1.0 {
            self.refused += 1;
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// How a plugin asks for the requests of one call.
#[derive(Clone, Copy)]
enum Shape {
    /// All in one exchange.
    Batch,
    /// One exchange each, eight at a time; the first refusal is the answer to all that were not asked yet.
    Singly,
    /// So many exchanges each, in rounds of one for each path, four at a time. A refusal ends the call, and
    /// what was read of the others is lost.
    Pages(usize),
}

const LATENCY: Duration = ms(5);

impl Store {
    /// From now on this quota decides.
    fn limited(&self, quota: &Shared, shape: Shape) {
        let (exchanges, succeeded) = (Arc::clone(&self.exchanges), Arc::clone(&self.succeeded));
        let quota = Arc::clone(quota);
        self.answer(move |call, _| {
            let mut quota = quota.lock().unwrap();
            let (asked, refused) = (quota.asked, quota.refused);
            let (rounds, passed) = match shape {
                Shape::Batch => (1, vec![quota.ask(call.at); call.keys.len()]),
                Shape::Singly => in_rounds(&mut quota, call, 8, 1),
                Shape::Pages(pages) => in_rounds(&mut quota, call, 4, pages),
            };
            exchanges.store(quota.asked - asked, Ordering::SeqCst);
            succeeded.store(quota.asked - asked - (quota.refused - refused), Ordering::SeqCst);
            let outcome = |(key, passed): (&String, bool)| match passed {
                true if key.starts_with('/') => Outcome::Values(Vec::new()),
                true => versioned(key, "1"),
                false => failed(StoreErrorKind::Throttled(None)),
            };
            (
                LATENCY * rounds,
                Ok(call.keys.iter().zip(passed).map(outcome).collect()),
            )
        });
    }
}

/// Asks for each key `pages` times, `at_once` of them at a time, until one is refused. How many round trips that
/// took, and which keys came to their end.
fn in_rounds(quota: &mut Quota, call: &Call, at_once: usize, pages: usize) -> (u32, Vec<bool>) {
    let (mut trips, mut read) = (0, vec![0; call.keys.len()]);
    for _ in 0..pages {
        for few in read.chunks_mut(at_once) {
            let mut is_over = false;
            for pages_read in few {
                match quota.ask(call.at + LATENCY * trips) {
                    true => *pages_read += 1,
                    false => is_over = true,
                }
            }
            trips += 1;
            if is_over {
                return (trips, read.into_iter().map(|read| read == pages).collect());
            }
        }
    }
    (trips, vec![true; call.keys.len()])
}

/// Objects over keys, two of them each.
fn two_keys_each(objects: usize, keys: usize) -> Vec<Spec> {
    let spec = |number: usize| {
        let key = |which| format!("k{}", (2 * number + which) % keys);
        object(&format!("o{number}"), &[&key(0), &key(1)])
    };
    (0..objects).map(spec).collect()
}

fn one_path_each(objects: usize, paths: usize) -> Vec<Spec> {
    let spec = |number: usize| object(&format!("o{number}"), &[&format!("/p{}", number % paths)]);
    (0..objects).map(spec).collect()
}

fn one_key_each(objects: usize, keys: usize) -> Vec<Spec> {
    let spec = |number: usize| object(&format!("o{number}"), &[&format!("k{}", number % keys)]);
    (0..objects).map(spec).collect()
}

/// Brings all objects to their values; how often the store was asked, and how long it took.
async fn fetch_all(specs: &[Spec], batch: usize, quota: &Shared, shape: Shape) -> (u32, Duration) {
    let (mut rig, store) = (Rig::new(), Store::with(batch, 16));
    store.limited(quota, shape);
    let started = Instant::now();
    for spec in specs {
        rig.new_object(spec, &store).await;
    }
    for _ in specs {
        let delivery = rig.written().await;
        assert!(
            matches!(delivery.result, Delivered::Answers(_)),
            "nobody is told: {delivery:?}"
        );
    }
    (quota.lock().unwrap().asked, started.elapsed())
}

/// Asserts that a quota costs at most a fifth more calls, tells nobody, and is used up where it must be.
async fn assert_frugal(what: &str, specs: &[Spec], batch: usize, shape: Shape, per_second: f64, burst: f64) {
    let (free, _) = fetch_all(specs, batch, &Quota::unlimited(), shape).await;
    let quota = Quota::of(per_second, burst);
    let (asked, took) = fetch_all(specs, batch, &quota, shape).await;
    let refused = quota.lock().unwrap().refused;
    assert!(
        f64::from(asked) <= 1.2 * f64::from(free),
        "{what}: {free} {asked}, {refused} refused"
    );
    let least = (f64::from(free) - burst) / per_second;
    assert!(took.as_secs_f64() < 2.5 * least + 10.0, "{what}: {took:?} of {least}");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_a_second_are_enough_for_batches() {
    assert_frugal("batches", &two_keys_each(2500, 500), 20, Shape::Batch, 200.0, 200.0).await;
}

#[tokio::test(start_paused = true)]
async fn where_batches_are_denied_each_key_is_paid_for() {
    assert_frugal("singles", &two_keys_each(2500, 500), 20, Shape::Singly, 200.0, 200.0).await;
    assert_frugal(
        "many singles",
        &two_keys_each(5000, 5000),
        20,
        Shape::Singly,
        200.0,
        200.0,
    )
    .await;
    assert_frugal(
        "singles, small burst",
        &two_keys_each(2500, 500),
        20,
        Shape::Singly,
        200.0,
        20.0,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn forty_a_second_are_not_run_into_over_and_over() {
    assert_frugal("tens", &one_key_each(1000, 1000), 10, Shape::Batch, 40.0, 40.0).await;
    assert_frugal("many tens", &one_key_each(10_000, 10_000), 10, Shape::Batch, 40.0, 40.0).await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_paths_are_not_read_in_vain() {
    assert_frugal("one path", &one_path_each(1000, 1), 10, Shape::Pages(3), 40.0, 40.0).await;
    assert_frugal("paths", &one_path_each(1000, 100), 10, Shape::Pages(3), 40.0, 40.0).await;
    assert_frugal("many paths", &one_path_each(1000, 300), 10, Shape::Pages(3), 40.0, 40.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_a_few_a_second_is_not_beaten_by_the_plugins_own_concurrency() {
    assert_frugal("slow singles", &one_key_each(300, 300), 20, Shape::Singly, 5.0, 5.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_low_quota_does_not_make_batches_small_that_cost_little() {
    assert_frugal("slow batches", &one_key_each(2000, 2000), 20, Shape::Batch, 5.0, 5.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_often_the_one_over_the_limit_is_waited_for() {
    let (mut rig, store) = (Rig::new(), Store::new());
    let refusals = AtomicU32::new(0);
    store.answer_each(LATENCY, move |key| match key {
        "unlucky" if refusals.fetch_add(1, Ordering::SeqCst) < 4 => failed(StoreErrorKind::Throttled(None)),
        _ => text(key),
    });
    rig.new_object(&object("unlucky", &["unlucky"]), &store).await;
    let mut number = 0;
    loop {
        number += 1;
        let name = format!("o{number}");
        rig.new_object(&object(&name, &[&name]), &store).await;
        sleep(ms(300)).await;
        while let Ok(delivery) = rig.deliveries.try_recv() {
            assert!(matches!(delivery.result, Delivered::Answers(_)), "{delivery:?}");
            if &*delivery.plan.key.name == "unlucky" {
                return;
            }
        }
        assert!(number < 100, "it is answered in the end");
    }
}

#[tokio::test(start_paused = true)]
async fn refreshes_stay_within_a_quota_interval_after_interval() {
    let (mut rig, store, quota) = (Rig::new(), Store::with(10, 16), Quota::of(40.0, 40.0));
    store.limited(&quota, Shape::Batch);
    for spec in one_key_each(2000, 2000) {
        rig.new_object(&spec.every(s(20)), &store).await;
    }
    let end = Instant::now() + s(300);
    let mut told = 0;
    while let Ok(Some(delivery)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {
        told += u32::from(matches!(delivery.result, Delivered::Failed(_)));
        rig.planner.done(delivery.done(Ok(()))).await.unwrap();
    }
    let quota = quota.lock().unwrap();
    assert_eq!(told, 0);
    assert!(quota.asked > 2000, "{}", quota.asked);
    assert!(quota.refused * 20 < quota.asked, "{} of {}", quota.refused, quota.asked);
}

#[tokio::test(start_paused = true)]
async fn roles_of_one_account_share_its_quota() {
    let (mut rig, store, quota) = (Rig::new(), Store::with(1, 16), Quota::of(40.0, 40.0));
    store.limited(&quota, Shape::Batch);
    let roles = [
        "arn:aws:iam::1:role/a",
        "arn:aws:iam::1:role/b",
        "arn:aws:iam::1:role/c",
    ];
    for number in 0..600 {
        let name = format!("o{number}");
        let plan = object(&name, &[&name])
            .with_role(roles[number % 3])
            .in_region("eu-west-1")
            .plan(&store);
        rig.submit(&plan, Cause::New).await;
    }
    for _ in 0..600 {
        let delivery = rig.written().await;
        assert!(matches!(delivery.result, Delivered::Answers(_)), "{delivery:?}");
    }
    let quota = quota.lock().unwrap();
    assert!(quota.asked <= 660, "{} asked, {} refused", quota.asked, quota.refused);
    assert_eq!(rig.planner.stores().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dear_call_is_saved_for_while_cheap_ones_keep_coming() {
    // A pace that does not grow: the cheap ones could take each token as soon as it is there.
    let config = PlannerConfig {
        start_per_second: 20.0,
        most_per_second: 20.0,
        burst: 10,
        ..PlannerConfig::default()
    };
    let (mut rig, store) = (Rig::with(config), Store::with(1, 16));
    let exchanges = Arc::clone(&store.exchanges);
    store.answer(move |call, _| {
        let is_dear = call.keys[0].starts_with('/');
        exchanges.store(if is_dear { 10 } else { 1 }, Ordering::SeqCst);
        let outcome = |key: &String| match is_dear {
            true => Outcome::Values(Vec::new()),
            false => text(key),
        };
        (LATENCY, Ok(call.keys.iter().map(outcome).collect()))
    });
    let asked_as =
        |name: &str, key: &str, role| object(name, &[key]).with_role(role).in_region("eu-west-1").plan(&store);
    let (one, other) = ("arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b");
    for number in 0..60 {
        let name = format!("before-{number}");
        rig.submit(&asked_as(&name, &name, one), Cause::New).await;
    }
    rig.submit(&asked_as("dear", "/path", other), Cause::New).await;
    for number in 0..400 {
        let name = format!("after-{number}");
        rig.submit(&asked_as(&name, &name, one), Cause::New).await;
    }
    let mut cheap = 0;
    while &*rig.written().await.plan.key.name != "dear" {
        cheap += 1;
    }
    assert!(cheap <= 60 + 16, "{cheap} cheap calls were let through first");
}

#[tokio::test(start_paused = true)]
async fn a_new_object_overtakes_refreshes_that_wait_for_a_quota() {
    let (mut rig, store, quota) = (Rig::new(), Store::with(1, 16), Quota::of(5.0, 5.0));
    store.limited(&quota, Shape::Batch);
    for number in 0..400 {
        let name = format!("r{number}");
        rig.submit(&object(&name, &[&name]).every(s(600)).plan(&store), Cause::Refresh)
            .await;
    }
    sleep(s(20)).await;
    while rig.deliveries.try_recv().is_ok() {}
    let started = Instant::now();
    rig.new_object(&object("urgent", &["urgent"]), &store).await;
    while &*rig.written().await.plan.key.name != "urgent" {}
    assert!(started.elapsed() < s(3), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_is_paid_for() {
    let (mut rig, store) = (Rig::new(), Store::with(1, 16));
    let exchanges = Arc::clone(&store.exchanges);
    store.answer(move |call, _| {
        let is_dear = call.keys[0] == "dear";
        exchanges.store(if is_dear { 200 } else { 1 }, Ordering::SeqCst);
        let latency = if is_dear { s(100) } else { LATENCY };
        (latency, Ok(call.keys.iter().map(|key| text(key)).collect()))
    });
    rig.new_object(&object("stays", &["cheap"]), &store).await;
    rig.written().await;
    rig.new_object(&object("gone", &["dear"]), &store).await;
    sleep(s(1)).await;
    rig.planner.forget(object("gone", &[]).key()).await.unwrap();
    rig.settle().await;
    let started = Instant::now();
    rig.new_object(&object("next", &["next"]), &store).await;
    rig.written().await;
    assert_eq!(store.cancelled.load(Ordering::SeqCst), 1);
    let waited = started.elapsed();
    assert!(
        waited > s(3) && waited < s(6),
        "160 exchanges at 40 a second: {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_throttles_everything_is_told_in_the_end_and_then_asked_seldom() {
    let (mut rig, store, quota) = (Rig::new(), Store::with(10, 16), Quota::of(0.0, 0.0));
    store.limited(&quota, Shape::Batch);
    let started = Instant::now();
    for spec in one_key_each(100, 100) {
        rig.new_object(&spec.every(s(600)), &store).await;
    }
    for _ in 0..100 {
        assert_eq!(reasons(&rig.next().await), [Reason::Throttled]);
    }
    assert!(started.elapsed() < s(60), "{:?}", started.elapsed());
    let before = quota.lock().unwrap().asked;
    let end = Instant::now() + s(600);
    while let Ok(Some(_)) = tokio::time::timeout_at(end, rig.deliveries.recv()).await {}
    let asked = quota.lock().unwrap().asked - before;
    assert!(asked < 40, "{asked}");
}
