//! The desk where everything meets: changes come in, deliveries come in, writers go out and come back.
//!
//! One task owns the index and decides; what takes time (requests to the API server) runs in a bounded
//! set of writers. At most one writer has an object at any time, so its Secret and its status
//! are never written by two at once. The desk waits for nobody but the planner, which waits for nobody.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_api::ExternalSecret;
use keyhole_core::{Failure, Reason};
use keyhole_plugins::LiveSet;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::controller::ControllerError;
use crate::index::{Index, Seen, Step};
use crate::metrics::Metrics;
use crate::permission::Expressions;
use crate::plan::{Defaults, ObjectKey, Planned, plan_object};
use crate::planner::{Cause, Delivered, Delivery, PlannerHandle};
use crate::report::events::Events;
use crate::report::{Attempt, Reporter};
use crate::watch::{Change, Watches};

mod bench;
mod heartbeats;
mod tell;
mod timers;
mod worker;

use bench::{Bench, Judged};
use timers::{Timer, Timers};
pub(crate) use worker::Worker;
use worker::{Finished, Work};

/// Objects that may wait for a writer before no more changes are taken in.
const BACKLOG: usize = 1024;
/// What the list of plugins is called among those that are waited for.
pub(crate) const PLUGINS: &str = "backendplugins";
/// Between two counts of all objects for the metrics.
const SURVEY: Duration = Duration::from_secs(5);

/// What the desk is made of.
pub(crate) struct Desk {
    pub(crate) index: Index,
    pub(crate) planner: PlannerHandle,
    pub(crate) live: LiveSet,
    pub(crate) defaults: Defaults,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) expressions: Arc<Expressions>,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) watches: Watches,
    pub(crate) namespaces: Vec<Option<Arc<str>>>,
    /// Lists that have not come to their end for the first time.
    pub(crate) unlisted: HashSet<(&'static str, Option<Arc<str>>)>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) writers: usize,
    pub(crate) grace: Duration,
    pub(crate) state: State,
}

/// What the desk has in hand.
#[derive(Default)]
pub(crate) struct State {
    /// Work for an object that no writer has taken up.
    waiting: HashMap<ObjectKey, Work>,
    /// Those of `waiting` that a writer may take up, in order.
    queue: VecDeque<ObjectKey>,
    /// Objects in the hands of a writer.
    busy: HashSet<ObjectKey>,
    jobs: JoinSet<Finished>,
    /// Lists for plans that are made anew.
    again: JoinSet<()>,
    timers: Timers,
    /// Objects whose permission is being found out.
    bench: Bench,
    /// Objects whose `lastSync` is to be moved on, in order.
    heartbeats: VecDeque<ObjectKey>,
    heartbeat_queued: HashSet<ObjectKey>,
    next_heartbeat: Option<Instant>,
    status_failing: bool,
}

impl Desk {
    /// Works until `shutdown`, then finishes what writers have in hand, within the grace.
    pub(crate) async fn run(
        mut self,
        mut changes: mpsc::Receiver<Change>,
        mut deliveries: mpsc::Receiver<Delivery>,
        shutdown: CancellationToken,
    ) -> Result<(), ControllerError> {
        let mut plugins = self.live.changes();
        let mut survey = tokio::time::interval(SURVEY);
        survey.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deadline = None;
        loop {
            self.hand_out().await;
            let stopping = deadline.is_some();
            if !stopping {
                self.state.bench.start(&self.expressions);
            }
            let has_room = self.state.queue.is_empty();
            let wake = self.state.timers.next();
            let heartbeat = self.state.next_heartbeat.filter(|_| has_room && !stopping);
            tokio::select! {
                () = shutdown.cancelled(), if !stopping => deadline = Some(Instant::now() + self.grace),
                () = until(deadline) => {
                    self.give_up();
                    return Ok(());
                }
                delivery = deliveries.recv(), if has_room => match delivery {
                    Some(delivery) => self.delivered(delivery).await,
                    None if !stopping && !shutdown.is_cancelled() => return Err(ControllerError::PlannerStopped),
                    None => {
                        self.drain(deadline.unwrap_or_else(|| Instant::now() + self.grace)).await;
                        return Ok(());
                    }
                },
                Some(job) = self.state.jobs.join_next(), if !self.state.jobs.is_empty() => match job {
                    Ok(finished) => self.finished(finished).await,
                    Err(error) => return Err(ControllerError::task("writer", &error)),
                },
                Some(judged) = self.state.bench.next(), if !stopping => match judged {
                    Ok(Judged { key, ticket, ruling }) => {
                        let steps = self.index.judged(&key, ticket, ruling);
                        self.perform(steps).await;
                    }
                    Err(error) => return Err(ControllerError::task("judge", &error)),
                },
                Some(change) = changes.recv(), if !stopping && self.state.queue.len() < BACKLOG => {
                    self.changed(change).await;
                }
                () = until(wake), if !stopping => self.woken().await,
                () = until(heartbeat) => self.heartbeat(),
                Ok(()) = plugins.changed(), if !stopping => self.plan_again(),
                Some(_) = self.state.again.join_next(), if !self.state.again.is_empty() => {}
                _ = survey.tick() => self.survey(),
            }
        }
    }

    /// The planner has handed out its last: finish what there is until `deadline`.
    async fn drain(&mut self, deadline: Instant) {
        loop {
            self.hand_out().await;
            match tokio::time::timeout_at(deadline, self.state.jobs.join_next()).await {
                Ok(Some(Ok(finished))) => self.finished(finished).await,
                Ok(Some(Err(_))) => {}
                Ok(None) => return,
                Err(_) => return self.give_up(),
            }
        }
    }

    fn give_up(&self) {
        tracing::warn!(
            writers = self.state.jobs.len(),
            "the grace is over; writes in flight are given up"
        );
    }

    async fn changed(&mut self, change: Change) {
        let steps = match change {
            Change::Object { object, listed } => self.object(&object, listed),
            Change::Again(object) => self.object_again(&object),
            Change::ObjectGone(key) => self.index.delete(&key),
            Change::ObjectsListed(listed) => {
                let steps = self.index.listed(listed.namespace.as_deref(), &listed.keys);
                self.perform(steps).await;
                self.listed("externalsecrets", listed.namespace)
            }
            Change::Secret(key, version) => {
                if self.index.apply_secret(key.clone(), version) {
                    self.look(&key)
                } else {
                    Vec::new()
                }
            }
            Change::SecretGone(key, version) => {
                self.index.delete_secret(&key, version);
                self.look(&key)
            }
            Change::SecretsListed(listed) => {
                let gone = self.index.secrets_listed(listed.namespace.as_deref(), &listed.keys);
                let steps = gone.iter().flat_map(|key| self.look(key)).collect();
                self.perform(steps).await;
                self.listed("secrets", listed.namespace)
            }
            Change::Namespace {
                name,
                deleting,
                rules,
                labels,
            } => self.index.apply_namespace(&name, deleting, *rules, labels),
            Change::NamespaceGone(name) => self.index.delete_namespace(&name),
            Change::NamespacesListed(listed) => {
                let steps = self.index.namespaces_listed(listed.namespace.as_deref(), &listed.keys);
                self.perform(steps).await;
                self.listed("namespaces", listed.namespace)
            }
            Change::NamespacesLost(scope) => self.index.namespaces_lost(scope.as_deref()),
            Change::PluginsKnown => self.listed(PLUGINS, None),
        };
        self.perform(steps).await;
    }

    /// A list came to its end; with the last of the first ones the work begins.
    fn listed(&mut self, resource: &'static str, namespace: Option<Arc<str>>) -> Vec<Step> {
        let first = self.unlisted.remove(&(resource, namespace));
        if !first || !self.unlisted.is_empty() {
            return Vec::new();
        }
        tracing::info!(objects = self.index.len(), "everything is listed; syncing");
        self.ready.send_replace(true);
        self.index.start()
    }

    fn object(&mut self, object: &ExternalSecret, listed: bool) -> Vec<Step> {
        let Some(seen) = Seen::new(object) else {
            return Vec::new();
        };
        // KES's rule: if either side names an instance, both must name the same.
        if object.controller_id() != self.instance_id.as_deref() {
            return self.index.delete(&seen.key);
        }
        let wanted = self.index.wants_plan(&seen.key, &seen.shown.uid, seen.generation);
        let planned = wanted.then(|| self.plan(object));
        self.index.apply(seen, planned, listed)
    }

    /// An object of a list that was asked for because the plugins changed. The list may be older than what the
    /// watches showed meanwhile, so it says nothing but what the object asks for.
    fn object_again(&mut self, object: &ExternalSecret) -> Vec<Step> {
        match Seen::new(object) {
            Some(seen) if !self.index.wants_plan(&seen.key, &seen.shown.uid, seen.generation) => {
                let planned = self.plan(object);
                self.index.plan_again(&seen.key, planned)
            }
            _ => Vec::new(),
        }
    }

    fn plan(&self, object: &ExternalSecret) -> Planned {
        match plan_object(object, &self.live, &self.defaults) {
            Err(failures) if self.waits_for_plugin(&failures) => Err(Vec::new()),
            planned => planned,
        }
    }

    /// Whether the plugin that is missing may be one that is being loaded. Then the object is planned again later.
    fn waits_for_plugin(&self, failures: &[Failure]) -> bool {
        failures.iter().any(|failure| failure.reason == Reason::NoPlugin) && self.live.is_awaited()
    }

    fn look(&mut self, key: &ObjectKey) -> Vec<Step> {
        // A writer that has the object may have made the change itself, and one that is about to have it
        // will see the change; it is looked at when the writer is back.
        if self.state.busy.contains(key) || matches!(self.state.waiting.get(key), Some(Work::Sync(_))) {
            return Vec::new();
        }
        self.index.look(key, Instant::now()).into_iter().collect()
    }

    async fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Submit(submit) => {
                    if submit.cause == Cause::Repair {
                        self.metrics.repairs.inc();
                    }
                    // A planner that has stopped is noticed by the end of its deliveries.
                    let _stopped = self.planner.submit(submit).await;
                }
                Step::Forget(key) => {
                    let _stopped = self.planner.forget(key).await;
                }
                Step::Report(key, failures) => {
                    if let Some(view) = self.index.view(&key) {
                        let outcome = Err(failures);
                        let (generation, refresh) = (view.generation, view.refresh);
                        let attempt = Attempt {
                            generation,
                            outcome,
                            refresh,
                            at: Timestamp::now(),
                        };
                        if let Some(replaced) = self.enqueue(key, Work::Report(attempt)) {
                            self.superseded(replaced).await;
                        }
                    }
                }
                Step::Check(key) => drop(self.enqueue(key, Work::Check)),
                Step::Wake(at, key) => self.state.timers.set(at, Timer::Look(key)),
                Step::Judge(case) => self.state.bench.add(case),
                Step::JudgeAgain(after, key) => self.state.timers.set(Instant::now() + after, Timer::Judge(key)),
                Step::Gone(key) => {
                    if let Some(series) = &self.metrics.series {
                        series.remove(&key.namespace, &key.name);
                    }
                }
            }
        }
    }

    async fn delivered(&mut self, delivery: Delivery) {
        let result = match &delivery.result {
            Delivered::Answers(_) => "values",
            Delivered::Unchanged => "unchanged",
            Delivered::Failed(_) => "failed",
        };
        self.metrics.deliveries.with_label_values(&[result]).inc();
        // On its way while the object was edited or denied: it must not take the place of the report of that.
        if !self.index.accepts(&delivery.plan) {
            return self.superseded(Work::Sync(delivery)).await;
        }
        if let Some(replaced) = self.enqueue(delivery.plan.key.clone(), Work::Sync(delivery)) {
            self.superseded(replaced).await;
        }
    }

    /// Work for an object; the more important replaces what waits, and what was replaced is returned.
    fn enqueue(&mut self, key: ObjectKey, work: Work) -> Option<Work> {
        match self.state.waiting.get(&key) {
            Some(waiting) if waiting.rank() > work.rank() && self.is_current(&key, waiting) => return None,
            Some(_) => {}
            None if self.state.busy.contains(&key) => {}
            None => self.state.queue.push_back(key.clone()),
        }
        self.state.waiting.insert(key, work)
    }

    /// Whether the work is about the object as it is now.
    fn is_current(&self, key: &ObjectKey, work: &Work) -> bool {
        match work {
            Work::Sync(delivery) => self.index.accepts(&delivery.plan),
            Work::Report(attempt) => self.index.is_unserved(key, attempt.generation),
            Work::ReportAgain(attempt) => self.index.is_latest(key, attempt),
            Work::Check | Work::Heartbeat(_) => true,
        }
    }

    async fn superseded(&self, work: Work) {
        if let Work::Sync(delivery) = work {
            let superseded = Failure::new(Reason::Pending, "superseded by a newer state of the object");
            let _stopped = self.planner.done(delivery.done(Err(superseded))).await;
        }
    }

    /// Gives waiting work to writers that are free.
    async fn hand_out(&mut self) {
        while self.state.jobs.len() < self.writers {
            let Some(key) = self.state.queue.pop_front() else { break };
            let Some(work) = self.state.waiting.remove(&key) else {
                continue;
            };
            let Some(view) = self.index.view(&key).filter(|_| self.is_current(&key, &work)) else {
                self.superseded(work).await;
                continue;
            };
            let worker = Arc::clone(&self.worker);
            let may_beat = self.state.heartbeats.is_empty();
            self.state.busy.insert(key.clone());
            self.state
                .jobs
                .spawn(async move { worker.run(key, view, work, may_beat).await });
        }
        let depth = |queue: &str, len: usize| {
            self.metrics
                .queue_depth
                .with_label_values(&[queue])
                .set(i64::try_from(len).unwrap_or(i64::MAX));
        };
        depth("writes", self.state.waiting.len());
        depth("heartbeats", self.state.heartbeats.len());
        depth("repairs", self.state.timers.len());
        depth("judgements", self.state.bench.waiting());
    }

    async fn finished(&mut self, finished: Finished) {
        let Finished {
            finish,
            done,
            outcome,
            heartbeat_due,
            status_error,
            drifted,
            view,
        } = finished;
        let (key, uid) = (finish.key.clone(), Arc::clone(&finish.uid));
        self.state.busy.remove(&key);
        if self.state.waiting.contains_key(&key) {
            self.state.queue.push_back(key.clone());
        }
        let wrote_status = finish.shown.is_some();
        self.index.finish(finish);
        if let Some(done) = done {
            let _stopped = self.planner.done(done).await;
        }
        // Of one that went meanwhile nothing is told: nobody would take its series back.
        if let Some(outcome) = outcome.filter(|_| self.index.knows(&key, &uid)) {
            self.tell(&key, &uid, view.last_reason, &view.backend_type, &outcome);
        }
        match status_error {
            Some(error) => {
                if !std::mem::replace(&mut self.state.status_failing, true) {
                    tracing::warn!(object = %key, %error, "a status cannot be written; trying again, with growing pauses");
                }
                if let Some(pause) = self.index.report_again_after(&key) {
                    self.state
                        .timers
                        .set(Instant::now() + pause, Timer::Report(key.clone()));
                }
            }
            None => self.state.status_failing &= !wrote_status,
        }
        if heartbeat_due && self.state.heartbeat_queued.insert(key.clone()) {
            self.state.heartbeats.push_back(key.clone());
            self.state.next_heartbeat.get_or_insert_with(Instant::now);
        }
        let steps = if drifted {
            self.index.repair(&key, &uid, Instant::now()).into_iter().collect()
        } else {
            self.look(&key)
        };
        self.perform(steps).await;
    }

    async fn woken(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.state.timers.pop(now) {
            match timer {
                Timer::Look(key) => {
                    self.index.woken(&key);
                    let steps = self.look(&key);
                    self.perform(steps).await;
                }
                Timer::Judge(key) => {
                    let steps = self.index.judge_again(&key);
                    self.perform(steps).await;
                }
                Timer::Report(key) => {
                    if let Some(attempt) = self.index.take_unreported(&key) {
                        drop(self.enqueue(key, Work::ReportAgain(attempt)));
                    }
                }
            }
        }
    }

    /// The plugins changed, so what their objects ask for, and of whom, may have.
    fn plan_again(&mut self) {
        tracing::info!("plugins changed; planning anew");
        self.state.again.abort_all();
        for namespace in &self.namespaces {
            self.state
                .again
                .spawn(self.watches.clone().objects_again(namespace.clone()));
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
