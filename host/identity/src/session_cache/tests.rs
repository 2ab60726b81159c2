use super::*;
use aws_credential_types::Credentials;
use aws_smithy_async::time::TimeSource;
use keyhole_core::CallError;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Debug)]
struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

fn cache() -> (SessionCache<String, Credentials, CallError>, Clock) {
    let clock = Clock(Arc::new(Mutex::new(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
    )));
    (SessionCache::new(SharedTimeSource::new(clock.clone())), clock)
}

fn session(name: &str, clock: &Clock, lifetime: u64) -> Credentials {
    Credentials::new(
        name,
        "secret",
        None,
        Some(clock.now() + Duration::from_secs(lifetime)),
        "test",
    )
}

fn refusal(transient: bool) -> CallError {
    CallError::Identity {
        message: "denied".into(),
        transient,
    }
}

const HOUR: u64 = 3600;

#[tokio::test]
async fn a_hundred_callers_make_one_request() {
    let (cache, clock) = cache();
    let asked = AtomicUsize::new(0);
    let key = "role".to_owned();
    let callers = (0..100).map(|_| {
        cache.get(&key, || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(session("a", &clock, HOUR))
        })
    });
    let sessions = futures::future::join_all(callers).await;
    assert!(
        sessions
            .iter()
            .all(|session| session.as_ref().unwrap().access_key_id() == "a")
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_hundred_callers_share_a_refusal_and_it_passes() {
    let (cache, clock) = cache();
    for (transient, stands) in [(false, REFUSAL), (true, FAILURE)] {
        let asked = AtomicUsize::new(0);
        let key = format!("role {transient}");
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(refusal(transient))
        };
        let answers = futures::future::join_all((0..100).map(|_| cache.get(&key, ask))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().unwrap_err() == &refusal(transient))
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        clock.advance(stands + Duration::from_millis(1));
        assert!(
            cache
                .get(&key, || async { Ok(session("a", &clock, HOUR)) })
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_session_is_renewed_before_it_expires_and_not_long_before() {
    for _ in 0..50 {
        let (cache, clock) = cache();
        let key = "role".to_owned();
        let get = async |name: &str| {
            cache
                .get(&key, || async { Ok(session(name, &clock, HOUR)) })
                .await
                .unwrap()
                .access_key_id()
                .to_owned()
        };
        assert_eq!(get("first").await, "first");
        clock.advance(Duration::from_secs(HOUR) - EARLY - SPREAD - Duration::from_secs(1));
        assert_eq!(get("early").await, "first");
        clock.advance(SPREAD + Duration::from_secs(1));
        assert_eq!(get("second").await, "second");
    }
}

#[tokio::test]
async fn a_failed_early_renewal_leaves_the_old_session_until_it_expires() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    let get = async |answer: Result<Credentials, CallError>| {
        cache
            .get(&key, || async { answer })
            .await
            .map(|session| session.access_key_id().to_owned())
    };
    get(Ok(session("old", &clock, HOUR))).await.unwrap();
    clock.advance(Duration::from_secs(HOUR - 200));
    assert_eq!(get(Err(refusal(false))).await.unwrap(), "old");
    // Not asked again at once.
    assert_eq!(get(Ok(session("unasked", &clock, HOUR))).await.unwrap(), "old");
    clock.advance(RENEWAL_PAUSE);
    assert_eq!(get(Err(refusal(false))).await.unwrap(), "old");
    clock.advance(Duration::from_secs(200));
    assert_eq!(get(Err(refusal(false))).await.unwrap_err(), refusal(false));
}

#[tokio::test]
async fn a_failed_renewal_just_before_the_end_does_not_make_a_session_last_longer() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    let get = async |answer: Result<Credentials, CallError>| {
        cache
            .get(&key, || async { answer })
            .await
            .map(|session| session.access_key_id().to_owned())
    };
    get(Ok(session("old", &clock, HOUR))).await.unwrap();
    // It is good until ten seconds before its own end.
    clock.advance(Duration::from_secs(HOUR - 11));
    assert_eq!(get(Err(refusal(true))).await.unwrap(), "old");
    clock.advance(Duration::from_secs(2));
    assert_eq!(get(Err(refusal(true))).await.unwrap_err(), refusal(true));
    clock.advance(FAILURE);
    assert_eq!(get(Ok(session("new", &clock, HOUR))).await.unwrap(), "new");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_renewal_that_hangs() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    cache
        .get(&key, || async { Ok(session("old", &clock, HOUR)) })
        .await
        .unwrap();
    clock.advance(Duration::from_secs(HOUR - 100));
    let began = tokio::time::Instant::now();
    let renewing = cache.get(&key, futures::future::pending);
    let other = async {
        tokio::task::yield_now().await;
        let session = cache.get(&key, || async { panic!("one caller renews") }).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        session
    };
    let (renewing, other) = tokio::join!(renewing, other);
    assert_eq!(renewing.unwrap().access_key_id(), "old");
    assert_eq!(other.unwrap().access_key_id(), "old");
    assert_eq!(began.elapsed(), RENEWAL);
}

#[tokio::test]
async fn a_cancelled_caller_hands_over_to_the_next() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    {
        let mut first = Box::pin(cache.get(&key, futures::future::pending));
        assert!(futures::poll!(&mut first).is_pending());
    }
    let second = cache
        .get(&key, || async { Ok(session("second", &clock, HOUR)) })
        .await
        .unwrap();
    assert_eq!(second.access_key_id(), "second");
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_make_a_request_of_every_call() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    let expired = Credentials::new("a", "secret", None, Some(clock.now() - Duration::from_secs(60)), "test");
    cache.get(&key, || async { Ok(expired) }).await.unwrap();
    let again = cache.get(&key, || async { panic!("kept for a minute") }).await.unwrap();
    assert_eq!(again.access_key_id(), "a");
}

#[tokio::test]
async fn credentials_without_expiry_are_read_again() {
    let (cache, clock) = cache();
    let key = "base".to_owned();
    let fixed = |name: &str| Credentials::new(name, "secret", None, None, "test");
    cache.get(&key, || async { Ok(fixed("old")) }).await.unwrap();
    clock.advance(STATIC_LIFETIME - Duration::from_secs(60));
    let rotated = cache.get(&key, || async { Ok(fixed("rotated")) }).await.unwrap();
    assert_eq!(rotated.access_key_id(), "rotated");
}

#[tokio::test]
async fn what_was_forgotten_is_asked_for_again() {
    let (cache, clock) = cache();
    let key = "role".to_owned();
    cache
        .get(&key, || async { Ok(session("a", &clock, HOUR)) })
        .await
        .unwrap();
    cache.forget(&key);
    let again = cache
        .get(&key, || async { Ok(session("b", &clock, HOUR)) })
        .await
        .unwrap();
    assert_eq!(again.access_key_id(), "b");
}

#[tokio::test]
async fn the_least_recently_used_identity_goes_first() {
    let (cache, clock) = cache();
    let get = async |number: usize| {
        clock.advance(Duration::from_millis(1));
        cache
            .get(&number.to_string(), || async { Ok(session("a", &clock, HOUR)) })
            .await
            .unwrap();
    };
    for number in 0..CAPACITY {
        get(number).await;
    }
    get(0).await;
    get(CAPACITY).await;
    let entries = cache.entries.lock().unwrap();
    assert_eq!(entries.len(), CAPACITY);
    assert!(entries.contains_key("0") && !entries.contains_key("1"));
}
