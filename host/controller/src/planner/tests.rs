//! The planner against fakes of a store, on a paused clock: time passes only when nothing can happen.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use keyhole_core::item::{Item, Mapping};
use keyhole_core::request::JsonText;
use keyhole_core::shape::Answer;
use keyhole_core::{
    CallError, Failure, GroupKey, Identity, Outcome, PluginId, Reason, Request, Selector, StoreError, StoreErrorKind,
    Value,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Cause, Delivered, Delivery, Exchanges, Fetch, PlannedRequest, Planner, PlannerConfig, PlannerHandle, Submit,
};
use crate::plan::{ObjectKey, ObjectPlan, PlanParts};

mod batches;
mod bounds;
mod failures;
mod order;
mod outages;
mod throttling;
mod times;
mod versions;

/// Nothing in these tests takes longer; a wait for this long is a wait for ever.
const FOR_EVER: Duration = Duration::from_secs(100 * 3600);

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One call that a store saw.
#[derive(Clone, Debug)]
struct Call {
    at: Instant,
    namespace: Option<Arc<str>>,
    compartments: Vec<Arc<str>>,
    attempt: u32,
    keys: Vec<String>,
    versions: Vec<Option<Arc<str>>>,
}

type Reply = (Duration, Result<Vec<Outcome>, CallError>);
type Script = dyn Fn(&Call, usize) -> Reply + Send + Sync;

thread_local! {
    /// Each test has a thread of its own, so its stores bear the same names, and its groups have the
    /// same ticks, whenever it runs.
    static STORES: Cell<u32> = const { Cell::new(0) };
}

/// A store that answers as its script says, and remembers what it was asked.
struct Store {
    name: String,
    max_batch: usize,
    concurrent_calls: usize,
    settings: Mutex<Result<(), Failure>>,
    script: Mutex<Arc<Script>>,
    /// Exchanges that the script made for the present call; one when it says nothing.
    exchanges: Arc<AtomicU32>,
    /// And how many of them were answered with success.
    succeeded: Arc<AtomicU32>,
    calls: Mutex<Vec<Call>>,
    validations: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
    cancelled: AtomicUsize,
}

fn text(text: &str) -> Outcome {
    Outcome::Value(Value {
        bytes: text.as_bytes().to_vec().into(),
        is_text: true,
        version: None,
    })
}

fn versioned(text: &str, version: &str) -> Outcome {
    Outcome::Value(Value {
        bytes: text.as_bytes().to_vec().into(),
        is_text: true,
        version: Some(version.into()),
    })
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError {
        kind,
        message: "as scripted".into(),
        store_code: None,
    }
}

fn failed(kind: StoreErrorKind) -> Outcome {
    Outcome::Failed(error(kind))
}

impl Store {
    /// Answers every key at once with its own name.
    fn new() -> Arc<Self> {
        Self::with(20, 16)
    }

    fn with(max_batch: usize, concurrent_calls: usize) -> Arc<Self> {
        let script = |call: &Call, _: usize| (Duration::ZERO, Ok(call.keys.iter().map(|key| text(key)).collect()));
        let number = STORES.replace(STORES.get() + 1);
        Arc::new(Self {
            name: format!("store-{number}"),
            max_batch,
            concurrent_calls,
            settings: Mutex::new(Ok(())),
            script: Mutex::new(Arc::new(script)),
            exchanges: Arc::default(),
            succeeded: Arc::default(),
            calls: Mutex::default(),
            validations: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
        })
    }

    /// From now on `script` says what each call (counted from 0) gets and after how long.
    fn answer(&self, script: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// From now on every key is answered by `outcome`, after `latency`.
    fn answer_each(&self, latency: Duration, outcome: impl Fn(&str) -> Outcome + Send + Sync + 'static) {
        self.answer(move |call, _| (latency, Ok(call.keys.iter().map(|key| outcome(key)).collect())));
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

/// Counts a call down when it ends, and notes when it was dropped before that.
struct Running<'a>(&'a Store, bool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Fetch for Store {
    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn concurrent_calls(&self) -> usize {
        self.concurrent_calls
    }

    fn validate<'a>(&'a self, _: &'a JsonText) -> BoxFuture<'a, Result<(), Failure>> {
        self.validations.fetch_add(1, Ordering::SeqCst);
        let answer = self.settings.lock().unwrap().clone();
        Box::pin(async { answer })
    }

    fn fetch<'a>(
        &'a self,
        group: &'a GroupKey,
        compartments: &'a Arc<[Arc<str>]>,
        attempt: u32,
        requests: &'a [PlannedRequest],
        exchanges: &'a Exchanges,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        let call = Call {
            at: Instant::now(),
            namespace: group.namespace.clone(),
            compartments: compartments.to_vec(),
            attempt,
            keys: requests
                .iter()
                .map(|planned| planned.request.selector.name().to_owned())
                .collect(),
            versions: requests.iter().map(|planned| planned.known_version.clone()).collect(),
        };
        assert!(!requests.is_empty() && requests.len() <= self.max_batch);
        assert_eq!(
            call.keys.iter().collect::<BTreeSet<_>>().len(),
            call.keys.len(),
            "a request twice in one call"
        );
        Box::pin(async move {
            let script = Arc::clone(&self.script.lock().unwrap());
            let number = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(call.clone());
                calls.len() - 1
            };
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_running.fetch_max(running, Ordering::SeqCst);
            let mut guard = Running(self, false);
            let (latency, reply) = script(&call, number);
            (0..self.exchanges.swap(0, Ordering::SeqCst).max(1)).for_each(|_| exchanges.begin());
            (0..self.succeeded.swap(0, Ordering::SeqCst)).for_each(|_| exchanges.succeed());
            if !latency.is_zero() {
                sleep(latency).await;
            }
            guard.1 = true;
            reply
        })
    }
}

/// What a test says about an object. A key that begins with a slash is a path.
#[derive(Clone)]
struct Spec {
    namespace: String,
    name: String,
    keys: Vec<String>,
    generation: i64,
    interval: Option<Duration>,
    apart: bool,
    role: Option<&'static str>,
    region: Option<&'static str>,
}

fn object(name: &str, keys: &[&str]) -> Spec {
    Spec {
        namespace: "team".into(),
        name: name.into(),
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        generation: 1,
        interval: None,
        apart: false,
        role: None,
        region: None,
    }
}

impl Spec {
    fn every(self, interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            ..self
        }
    }

    fn generation(self, generation: i64) -> Self {
        Self { generation, ..self }
    }

    fn apart_in(self, namespace: &str) -> Self {
        Self {
            namespace: namespace.into(),
            apart: true,
            ..self
        }
    }

    fn with_role(self, role: &'static str) -> Self {
        Self {
            role: Some(role),
            ..self
        }
    }

    fn in_region(self, region: &'static str) -> Self {
        Self {
            region: Some(region),
            ..self
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    fn plan(&self, store: &Arc<Store>) -> Arc<ObjectPlan> {
        let item = |(index, key): (usize, &String)| Item {
            place: format!("data[{index}]"),
            request: Request {
                selector: match key.strip_prefix('/') {
                    Some(_) => Selector::Prefix {
                        path: key.as_str().into(),
                        recursive: true,
                    },
                    None => Selector::Key(key.as_str().into()),
                },
                options: JsonText::default(),
            },
            mapping: Mapping::Single {
                name: format!("k{index}"),
                property: None,
                is_binary: false,
            },
        };
        let namespace = self.apart.then(|| self.namespace.as_str().into());
        let identity = Identity {
            account: None,
            role: self.role.map(|role| role.parse().unwrap()),
            namespace_tag: None,
        };
        let plugin = PluginId {
            name: store.name.as_str().into(),
            digest: "sha256:0".into(),
        };
        Arc::new(ObjectPlan::new(PlanParts {
            key: self.key(),
            uid: format!("uid of {}", self.name).into(),
            generation: self.generation,
            backend_type: "fake".into(),
            group: GroupKey {
                plugin,
                settings: JsonText::default(),
                region: self.region.map(Into::into),
                identity,
                namespace,
            },
            source: Arc::clone(store) as Arc<dyn Fetch>,
            items: self.keys.iter().enumerate().map(item).collect(),
            interval: self.interval,
            secret_type: "Opaque".into(),
            leniency: Default::default(),
            claims: Arc::default(),
            admission: None,
        }))
    }
}

/// A running planner and the other end of its channels.
struct Rig {
    planner: PlannerHandle,
    deliveries: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Rig {
    fn new() -> Self {
        Self::with(PlannerConfig::default())
    }

    fn with(config: PlannerConfig) -> Self {
        let (planner, handle, deliveries) = Planner::new(config, Timestamp::from_second(1_000_000).unwrap(), None);
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(planner.run(stop.clone()));
        Self {
            planner: handle,
            deliveries,
            stop,
            task,
        }
    }

    async fn submit(&self, plan: &Arc<ObjectPlan>, cause: Cause) {
        self.planner.submit(Submit::new(Arc::clone(plan), cause)).await.unwrap();
    }

    async fn new_object(&self, spec: &Spec, store: &Arc<Store>) {
        self.submit(&spec.plan(store), Cause::New).await;
    }

    /// The next delivery, however long it takes.
    async fn next(&mut self) -> Delivery {
        timeout(FOR_EVER, self.deliveries.recv())
            .await
            .expect("a delivery")
            .expect("a running planner")
    }

    /// The next delivery, taken by a writer to whom nothing happens.
    async fn written(&mut self) -> Delivery {
        let delivery = self.next().await;
        self.planner.done(delivery.done(Ok(()))).await.unwrap();
        delivery
    }

    /// Asserts that nothing is delivered for this long.
    async fn silence(&mut self, duration: Duration) {
        if let Ok(delivery) = timeout(duration, self.deliveries.recv()).await {
            panic!("unexpected: {delivery:?}");
        }
    }

    /// Lets the planner work off what it was told, without any time passing.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

/// The texts of an answer, one per item.
fn texts(delivery: &Delivery) -> Vec<String> {
    let Delivered::Answers(answers) = &delivery.result else {
        panic!("no answers: {delivery:?}")
    };
    let text = |answer: &super::Fetched| match answer.answer() {
        Answer::Value(value) => String::from_utf8(value.bytes.expose().to_vec()).unwrap(),
        Answer::Values(values) => panic!("{} values", values.len()),
    };
    answers.iter().map(text).collect()
}

fn failures(delivery: &Delivery) -> &[Failure] {
    let Delivered::Failed(failures) = &delivery.result else {
        panic!("no failure: {delivery:?}")
    };
    failures
}

fn reasons(delivery: &Delivery) -> Vec<Reason> {
    failures(delivery).iter().map(|failure| failure.reason).collect()
}
