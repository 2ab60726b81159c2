//! What is known of every object, its Secret and its namespace, and what a change makes necessary.
//!
//! Changes go in with `apply` and `delete`, [`Step`]s come out; there is no I/O and no clock in here,
//! so each rule is tested as a function. The invariant: for every object that is served, either the
//! planner knows its newest plan, or its status says why there is none, or it is held until its plugin is
//! loaded and what its namespace permits is known. Nothing is asked for on behalf of an object or a namespace that is being
//! deleted.
//!
//! Specs are not kept: a plan is shared with the planner, and the rest of an object is small.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyhole_core::Failure;
use tokio::time::Instant;

use crate::plan::{ObjectKey, ObjectPlan, Planned};
use crate::planner::{Cause, Submit};
use crate::report::{Attempt, Shown, Status};

mod object;
mod pause;
mod permit;
mod repair;
mod secrets;
#[cfg(test)]
mod tests;

pub use object::{Finish, View};
pub use permit::Case;
pub use repair::Notice;
pub use secrets::{Held, Presence, Standing, Version};

use object::Object;
use permit::{Namespace, Permit, Then};
use secrets::{Drift, Secrets};

/// An ExternalSecret as a watch shows it, without its spec.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Namespace and name.
    pub key: ObjectKey,
    /// uid, resourceVersion and status.
    pub shown: Shown,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// `spec.backendType`, for metrics.
    pub backend_type: Arc<str>,
    /// The refresh annotation.
    pub refresh: Option<Arc<str>>,
}

/// What a change makes necessary.
#[derive(Debug)]
pub enum Step {
    /// Tell the planner.
    Submit(Submit),
    /// Tell the planner.
    Forget(ObjectKey),
    /// Show on the object why it cannot be served.
    Report(ObjectKey, Vec<Failure>),
    /// Read the Secret: somebody else changed it, and it may or may not still be right.
    Check(ObjectKey),
    /// Call [`Index::look`] for this object then.
    Wake(Instant, ObjectKey),
    /// Find out what the namespace permits, and call [`Index::judged`].
    Judge(Case),
    /// Call [`Index::judge_again`] for this object after this time.
    JudgeAgain(Duration, ObjectKey),
    /// The object is gone, or no longer ours to serve.
    Gone(ObjectKey),
}

/// The state of everything that is watched.
#[derive(Debug)]
pub struct Index {
    objects: HashMap<ObjectKey, Object>,
    secrets: Secrets,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// Judgements that were asked for so far.
    tickets: u64,
    /// Lists of Secrets that came to their end so far.
    secret_lists: u64,
    started: bool,
}

/// What became of an object's plan.
enum Plan {
    Same,
    /// Another one. Whether it claims the same as the one before.
    Other {
        same_claims: bool,
    },
    None(Vec<Failure>),
}

/// What became of an object.
struct Change {
    plan: Plan,
    /// A sync is asked for by annotation.
    forced: bool,
    is_new: bool,
    /// It was not to be served before.
    was_blocked: bool,
}

impl Index {
    /// An empty index. `watches_secrets` says whether Secrets will be told of.
    #[must_use]
    pub fn new(watches_secrets: bool) -> Self {
        Self {
            objects: HashMap::new(),
            secrets: Secrets::new(watches_secrets),
            namespaces: HashMap::new(),
            tickets: 0,
            secret_lists: 0,
            started: false,
        }
    }

    /// Whether `apply` needs a plan for this generation of the object.
    #[must_use]
    pub fn wants_plan(&self, key: &ObjectKey, uid: &str, generation: i64) -> bool {
        self.objects
            .get(key)
            .is_none_or(|object| &*object.shown.uid != uid || object.generation != generation)
    }

    /// An object was created or changed. `planned` is given if [`Self::wants_plan`] said so; an error without
    /// any failure says that the plugin is still to come. `listed` says that it comes from a list, which overrules
    /// what was known.
    pub fn apply(&mut self, seen: Seen, planned: Option<Planned>, listed: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let key = seen.key.clone();
        let known = self.objects.get(&key);
        if known.is_some_and(|object| object.shown.uid != seen.shown.uid) {
            steps.extend(self.delete(&key));
        } else if let Some(object) = known
            && !listed
            && Version::of(&seen.shown.resource_version) < Version::of(&object.shown.resource_version)
        {
            return steps; // An echo from before our own write of the status.
        }
        let was_blocked = self.is_blocked(&key);
        let is_new = !self.objects.contains_key(&key);
        let object = self.objects.entry(key.clone()).or_insert_with(|| Object::new(&seen));
        let forced = object.update(seen);
        let plan = object.replan(planned);
        let change = Change {
            plan,
            forced,
            is_new,
            was_blocked,
        };
        steps.extend(self.follow(&key, change));
        steps
    }

    /// The plugins changed, and `planned` is what became of the object's plan, for the generation that is known
    /// here: of all others the plan was made anew already, or will be when a watch shows them.
    pub fn plan_again(&mut self, key: &ObjectKey, planned: Planned) -> Vec<Step> {
        let was_blocked = self.is_blocked(key);
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        let change = Change {
            plan: object.replan(Some(planned)),
            forced: false,
            is_new: false,
            was_blocked,
        };
        self.follow(key, change)
    }

    /// What follows from a change of an object.
    fn follow(&mut self, key: &ObjectKey, change: Change) -> Vec<Step> {
        let blocked = self.is_blocked(key);
        let Some(object) = self.objects.get_mut(key) else {
            return Vec::new();
        };
        if !self.started {
            if let Plan::None(failures) = change.plan {
                object.unplanned = failures;
            }
            return Vec::new();
        }
        if blocked {
            return object.forget(key).filter(|_| !change.was_blocked).into_iter().collect();
        }
        match change.plan {
            // Its plugin is still to come.
            Plan::None(failures) if failures.is_empty() => object.hold_back(key).into_iter().collect(),
            Plan::None(failures) => {
                let forget = object.forget(key);
                forget.into_iter().chain([object.report(key, failures)]).collect()
            }
            Plan::Other { same_claims: true } if object.permit == Permit::Granted => {
                object.submit(Cause::Edit).into_iter().collect()
            }
            Plan::Other { .. } => {
                let then = if change.is_new || object.is_untried() {
                    Then::First
                } else {
                    Then::Edit
                };
                self.decide(key, then)
            }
            Plan::Same if change.forced => match object.permit.clone() {
                Permit::Granted => object.submit(Cause::Forced).into_iter().collect(),
                Permit::Denied(failure) => vec![object.report(key, vec![failure])],
                Permit::Held { .. } => Vec::new(),
            },
            Plan::Same => Vec::new(),
        }
    }

    /// The object is gone, or is another instance's now.
    pub fn delete(&mut self, key: &ObjectKey) -> Vec<Step> {
        if self.objects.remove(key).is_none() {
            return Vec::new();
        }
        self.secrets.forget_gone(key);
        vec![Step::Forget(key.clone()), Step::Gone(key.clone())]
    }

    /// A list of the objects of `namespace` (of all, if none is given) came to its end: the others are gone.
    pub fn listed(&mut self, namespace: Option<&str>, keys: &HashSet<ObjectKey>) -> Vec<Step> {
        let in_scope = |key: &&ObjectKey| namespace.is_none_or(|namespace| namespace == &*key.namespace);
        let gone: Vec<_> = self
            .objects
            .keys()
            .filter(in_scope)
            .filter(|key| !keys.contains(key))
            .cloned()
            .collect();
        gone.iter().flat_map(|key| self.delete(key)).collect()
    }

    /// A Secret that bears our label was created or changed. Returns whether to [`Self::look`] at it.
    pub fn apply_secret(&mut self, key: ObjectKey, version: Version) -> bool {
        self.secrets.apply(key, version)
    }

    /// A Secret is gone, or no longer bears our label. [`Self::look`] at it.
    pub fn delete_secret(&mut self, key: &ObjectKey, version: Version) {
        self.secrets.delete(key, version, self.objects.contains_key(key));
    }

    /// A list of our Secrets came to its end: the others are gone. Returns the keys to [`Self::look`] at.
    pub fn secrets_listed(&mut self, namespace: Option<&str>, keys: &HashSet<ObjectKey>) -> Vec<ObjectKey> {
        let gone = self
            .secrets
            .listed(namespace, keys, |key| self.objects.contains_key(key));
        self.secret_lists += 1;
        // One that was written by us and is not in the list has gone, though no watch may ever have shown it. In case
        // the list is older than our write, that costs one look.
        for (key, object) in &mut self.objects {
            let in_scope = namespace.is_none_or(|namespace| namespace == &*key.namespace);
            if in_scope && !keys.contains(key) && object.held.as_ref().is_some_and(Held::is_shown) {
                object.held = None;
            }
        }
        for key in keys {
            if let Some(object) = self.objects.get_mut(key)
                && self.secrets.is_older_than(key, object.held.as_ref())
            {
                // Written while the list was on its way, or the cluster's state was set back: read it
                // at the next sync and be sure.
                object.held = None;
            }
        }
        gone
    }

    /// Every watch has told what there is. Returns what is to be done for each object.
    pub fn start(&mut self) -> Vec<Step> {
        self.started = true;
        let mut steps = Vec::new();
        let served = |key: &&ObjectKey| !self.is_blocked(key);
        for key in self.objects.keys().filter(served).cloned().collect::<Vec<_>>() {
            let Some(object) = self.objects.get_mut(&key) else {
                continue;
            };
            if object.plan.is_some() {
                steps.extend(self.decide(&key, Then::First));
            } else if !object.unplanned.is_empty() {
                let failures = std::mem::take(&mut object.unplanned);
                steps.push(object.report(&key, failures));
            }
        }
        steps
    }

    /// Compares the Secret's last seen version with what is held of it. Not to be called while a
    /// writer has the object: it may have made the change.
    pub fn look(&mut self, key: &ObjectKey, now: Instant) -> Option<Step> {
        if !self.started || self.is_blocked(key) {
            return None;
        }
        let object = self.objects.get_mut(key)?;
        // A repair needs a fetch, and who fetches once per change of spec wants none.
        object.permitted()?.interval?;
        let drift = self.secrets.drift(key, object.held.as_ref(), object.last_reason())?;
        let open = object.gate.open_at(now);
        if open > now {
            return (!std::mem::replace(&mut object.wake_set, true)).then(|| Step::Wake(open, key.clone()));
        }
        match drift {
            Drift::Changed => {
                object.gate.looked(now);
                Some(Step::Check(key.clone()))
            }
            Drift::Lost => object.repair(now),
        }
    }

    /// The time of a [`Step::Wake`] has come.
    pub fn woken(&mut self, key: &ObjectKey) {
        if let Some(object) = self.objects.get_mut(key) {
            object.wake_set = false;
        }
    }

    /// The Secret is not what was written: fetch and write it.
    pub fn repair(&mut self, key: &ObjectKey, uid: &str, now: Instant) -> Option<Step> {
        if self.is_blocked(key) {
            return None;
        }
        self.objects
            .get_mut(key)
            .filter(|object| &*object.shown.uid == uid)?
            .repair(now)
    }

    /// Whether a result for this plan may be written.
    #[must_use]
    pub fn accepts(&self, plan: &ObjectPlan) -> bool {
        let current = |object: &Object| {
            object.permitted().is_some() && object.shown.uid == plan.uid && object.generation == plan.generation
        };
        !self.is_blocked(&plan.key) && self.objects.get(&plan.key).is_some_and(current)
    }

    /// Whether the reason why an object cannot be served still stands, which was found at this generation.
    #[must_use]
    pub fn is_unserved(&self, key: &ObjectKey, generation: i64) -> bool {
        let unserved = |object: &Object| object.plan.is_none() || matches!(object.permit, Permit::Denied(_));
        self.objects
            .get(key)
            .is_some_and(|object| object.generation == generation && unserved(object))
    }

    /// Whether this is what came last of the object, and still about it.
    #[must_use]
    pub fn is_latest(&self, key: &ObjectKey, attempt: &Attempt) -> bool {
        self.objects
            .get(key)
            .is_some_and(|object| object.generation == attempt.generation && object.retellable == Some(attempt.at))
    }

    /// Whether it is still this very object.
    #[must_use]
    pub fn knows(&self, key: &ObjectKey, uid: &str) -> bool {
        self.objects.get(key).is_some_and(|object| &*object.shown.uid == uid)
    }

    /// What a writer has to know of the object.
    #[must_use]
    pub fn view(&self, key: &ObjectKey) -> Option<View> {
        let object = self.objects.get(key)?;
        Some(View {
            shown: object.shown.clone(),
            generation: object.generation,
            backend_type: Arc::clone(&object.backend_type),
            refresh: object.refresh_taken.clone(),
            held: object.held.clone(),
            held_is_current: self.secrets.is_current(key, object.held.as_ref()),
            seems_missing: self.secrets.seems_missing(key, object.is_unlisted()),
            last_reason: object.last_reason(),
            secret_lists: self.secret_lists,
        })
    }

    /// A writer is done with the object. Ignored when the object has gone since.
    pub fn finish(&mut self, mut finish: Finish) {
        // A list came in between that does not show what the writer saw: perhaps it is older, perhaps the Secret has
        // gone since.
        if finish.secret_lists != self.secret_lists
            && let Some(Some(held)) = &finish.held
            && held.is_shown()
            && !self.secrets.shows(&finish.key, held.version)
        {
            finish.held = Some(None);
        }
        if let Some(object) = self.objects.get_mut(&finish.key)
            && object.shown.uid == finish.uid
        {
            object.finish(finish);
        }
    }

    /// The time of the object's last sync, if that is later than its status says.
    #[must_use]
    pub fn heartbeat(&self, key: &ObjectKey) -> Option<Timestamp> {
        let object = self.objects.get(key)?;
        object
            .last_attempt
            .filter(|at| object.shown.status.last_sync.is_none_or(|shown| shown < *at))
    }

    /// How long to wait before the status of an object is written again that could not be written. `None` if
    /// somebody waits already.
    pub fn report_again_after(&mut self, key: &ObjectKey) -> Option<Duration> {
        self.objects.get_mut(key)?.report_again_after()
    }

    /// The result that could not be shown on the object, for another try.
    pub fn take_unreported(&mut self, key: &ObjectKey) -> Option<Attempt> {
        let object = self.objects.get_mut(key)?;
        object.report_timer = false;
        object.unreported.take()
    }

    /// What is worth telling about the repair that was just made.
    pub fn take_notice(&mut self, key: &ObjectKey) -> Option<Notice> {
        self.objects.get_mut(key)?.notice.take()
    }

    /// Objects by the metric label of their last reason, and the longest ago sync of those that are refreshed.
    pub fn survey(&self) -> (HashMap<&'static str, i64>, Option<Timestamp>) {
        let mut reasons = HashMap::new();
        for object in self.objects.values() {
            *reasons.entry(object.last_reason().label()).or_default() += 1;
        }
        // One that is held waits for us, and not for somebody who would have to permit it.
        let is_refreshed = |(key, object): &(&ObjectKey, &Object)| {
            let plan = object
                .plan
                .as_ref()
                .filter(|_| !matches!(object.permit, Permit::Denied(_)));
            plan.is_some_and(|plan| plan.interval.is_some()) && !self.is_blocked(key)
        };
        let served = self.objects.iter().filter(is_refreshed);
        let oldest = served
            .filter_map(|(_, object)| object.last_attempt.or(object.shown.status.last_sync))
            .min();
        (reasons, oldest)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    fn is_blocked(&self, key: &ObjectKey) -> bool {
        self.is_closing(&key.namespace) || self.objects.get(key).is_some_and(|object| object.deleting)
    }
}

impl Seen {
    /// Without a spec, the rest of `object`.
    #[must_use]
    pub fn new(object: &keyhole_api::ExternalSecret) -> Option<Self> {
        let metadata = &object.metadata;
        let key = ObjectKey::new(metadata.namespace.as_deref()?, metadata.name.as_deref()?);
        Some(Self {
            key,
            shown: Shown {
                uid: metadata.uid.as_deref()?.into(),
                resource_version: metadata.resource_version.as_deref()?.into(),
                status: object.status.as_ref().map(Status::read).unwrap_or_default(),
            },
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            backend_type: object.spec.backend_type.as_str().into(),
            refresh: object.refresh_token().map(Arc::from),
        })
    }
}
