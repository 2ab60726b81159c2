//! The loop that owns all of the planner's state.
//!
//! It never waits for anything in particular: not for a call, not for a writer. Whatever happens next
//! (a message, the end of a call, room with the writers, a moment that something was due at) makes
//! one turn, which fires what is due and starts the calls that may go. So a stalled writer or backend
//! stops what depends on it and nothing else.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answer::Ledger;
use super::group::{GroupId, Groups};
use super::object::{Clock, Object};
use super::pass::Pass;
use super::slots::Slots;
use super::store::{StoreState, Stores};
use super::{CallObserver, Cause, Delivery, Gauges, Message, PassId, PlannerConfig, PlannerHandle};
use crate::plan::ObjectKey;

mod calls;
mod deliveries;
mod objects;
mod outcomes;
mod pauses;

/// Messages that are worked off in one turn.
const MESSAGES_PER_TURN: usize = 512;

/// The planner, to be run by whoever owns its task.
pub struct Planner {
    config: PlannerConfig,
    observer: Option<Arc<dyn CallObserver>>,
    clock: Clock,
    random: fastrand::Rng,

    inbox: mpsc::Receiver<Message>,
    deliveries: mpsc::Sender<Delivery>,
    gauges: watch::Sender<Gauges>,
    store_states: watch::Sender<Vec<StoreState>>,

    objects: HashMap<ObjectKey, Object>,
    due: BTreeSet<(Instant, ObjectKey)>,
    passes: HashMap<PassId, Pass>,
    last_pass: u64,

    stores: Stores,
    groups: Groups,
    /// Groups whose queue is not empty.
    busy: BTreeSet<GroupId>,
    slots: Slots,
    calls: JoinSet<calls::Ended>,
    jobs: HashMap<Id, calls::Job>,

    ledger: Arc<Ledger>,
    /// Calls could go, but for the bytes that are alive.
    starved: bool,
    outbox: VecDeque<Delivery>,
    /// Deliveries of values that a writer has, and since when.
    with_writers: HashMap<PassId, Instant>,
    stopping: Option<Instant>,
}

impl Planner {
    /// A planner, the handle to talk to it, and the deliveries. `now` anchors the common ticks.
    #[must_use]
    pub fn new(
        config: PlannerConfig,
        now: Timestamp,
        observer: Option<Arc<dyn CallObserver>>,
    ) -> (Self, PlannerHandle, mpsc::Receiver<Delivery>) {
        let (to_planner, inbox) = mpsc::channel(config.inbox.max(1));
        let (deliveries, to_writers) = mpsc::channel(config.deliveries.max(1));
        let (gauges, watched) = watch::channel(Gauges::default());
        let (store_states, watched_stores) = watch::channel(Vec::new());
        let ledger = Ledger::new(config.value_bytes);
        let handle = PlannerHandle {
            inbox: to_planner,
            gauges: watched,
            stores: watched_stores,
            ledger: Arc::clone(&ledger),
        };
        let planner = Self {
            slots: Slots::new(config.slots),
            clock: Clock::new(Instant::now(), now),
            random: fastrand::Rng::new(),
            config,
            observer,
            inbox,
            deliveries,
            gauges,
            store_states,
            objects: HashMap::new(),
            due: BTreeSet::new(),
            passes: HashMap::new(),
            last_pass: 0,
            stores: Stores::default(),
            groups: Groups::default(),
            busy: BTreeSet::new(),
            calls: JoinSet::new(),
            jobs: HashMap::new(),
            ledger,
            starved: false,
            outbox: VecDeque::new(),
            with_writers: HashMap::new(),
            stopping: None,
        };
        (planner, handle, to_writers)
    }

    /// Runs until `shutdown`, or until every handle is gone. Then no call is started any more; those in
    /// flight may end within the configured grace, what they complete is handed out, and the deliveries
    /// are closed.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut inbox_open = true;
        loop {
            let now = Instant::now();
            let wake = self.turn(now);
            self.publish();
            if let Some(deadline) = self.stopping
                && (now >= deadline || (self.jobs.is_empty() && self.outbox.is_empty()))
            {
                break;
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if self.stopping.is_none() => self.stop(),
                Some(ended) = self.calls.join_next_with_id() => self.call_ended(ended, Instant::now()),
                open = has_room(&self.deliveries), if !self.outbox.is_empty() => {
                    if !open {
                        break;
                    }
                    self.hand_out(Instant::now());
                }
                message = self.inbox.recv(), if inbox_open => match message {
                    Some(message) => self.hear(message),
                    None => {
                        inbox_open = false;
                        self.stop();
                    }
                },
                () = self.ledger.room(), if self.starved => {}
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
            }
        }
        self.calls.shutdown().await;
    }

    /// Does what can be done now; says when there will be more.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        if self.stopping.is_some() {
            return self.stopping;
        }
        while let Some((at, key)) = self.due.first().cloned() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.fall_due(&key, now);
        }
        let next_call = self.start_calls(now);
        let next_due = self.due.first().map(|(at, _)| *at);
        [next_call, next_due].into_iter().flatten().min()
    }

    /// Works off this message and those behind it, up to a measure.
    fn hear(&mut self, first: Message) {
        let now = Instant::now();
        self.obey(first, now);
        for _ in 1..MESSAGES_PER_TURN {
            let Ok(message) = self.inbox.try_recv() else { return };
            self.obey(message, now);
        }
    }

    fn obey(&mut self, message: Message, now: Instant) {
        match message {
            Message::Done(done) => self.done(&done, now),
            Message::Forget(key) => self.forget(&key),
            Message::Submit(submit) if self.stopping.is_none() => self.submit(submit, now),
            Message::Submit(_) => {}
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_none() {
            self.stopping = Some(Instant::now() + self.config.grace);
            self.give_up_validations();
        }
    }

    fn publish(&self) {
        let groups = self.busy.iter().filter_map(|&group| self.groups.get(group));
        let gauges = Gauges {
            objects: self.objects.len(),
            groups: self.groups.len(),
            waiting_requests: groups.map(|group| group.queue.len()).sum(),
            calls_in_flight: self.slots.running(),
            waiting_deliveries: self.outbox.len(),
            value_bytes: self.ledger.bytes(),
        };
        self.gauges.send_if_modified(|known| {
            let changed = *known != gauges;
            *known = gauges;
            changed
        });
        self.store_states.send_if_modified(|known| {
            let changed = !known.iter().cloned().eq(self.stores.states());
            if changed {
                *known = self.stores.states().collect();
            }
            changed
        });
    }

    /// The moment at which the object is to be asked for next.
    fn set_due(&mut self, key: &ObjectKey, due: Option<(Instant, Cause)>) {
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        if let Some((at, _)) = object.due.take() {
            self.due.remove(&(at, key.clone()));
        }
        object.due = due;
        if let Some((at, _)) = due {
            self.due.insert((at, key.clone()));
        }
    }
}

/// Resolves when the writers can take a delivery, or (with `false`) when they are gone.
async fn has_room(deliveries: &mpsc::Sender<Delivery>) -> bool {
    deliveries.reserve().await.is_ok()
}
