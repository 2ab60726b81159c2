//! From a delivery to a Secret, with as few requests as it takes.
//!
//! The invariant: a Secret is written whole or not at all, only when it differs, and only against the
//! version that was compared. An absent one is created by POST; a present one is read and replaced by
//! PUT with its resourceVersion, so nobody's change is overwritten unseen. Server-side apply would
//! leave the keys that somebody else added, and has no form that only creates.
//!
//! A Secret that KES wrote for the same object is the object's, but lacks our label. Where that is all, the
//! label is added at a limited rate: taking over a cluster must not write every Secret of it at once.
//!
//! What was written is remembered as a version and a keyed digest ([`Held`]). While the watch shows that
//! version and the digest of new values is the same, no request is made at all. No digest is stored in
//! the cluster, where it could be used to guess values.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use keyhole_core::digest::{ContentDigest, ContentKey};
use keyhole_core::mask::Mask;
use keyhole_core::{Failure, Reason, SecretBytes};
use tokio::time::Instant;

use crate::api_error::ApiError;
use crate::cluster::Cluster;
use crate::index::{Held, Standing, Version, View};
use crate::plan::{ObjectKey, ObjectPlan};
use crate::planner::{Cause, Delivered, Delivery, Fetched};
use crate::report::Budget;

pub mod decide;
pub mod target;

use decide::{Decision, Desired, decide, other_writer, refused_type};
use target::Target;

/// How often a Secret that changes under our hands is looked at again before it is left to a retry.
const TRIES: usize = 5;

/// The condition's message after a success.
const RIGHT: &str = "the Secret is as this object asks for";
const FOREIGN_RIGHT: &str =
    "a Secret of this name that is not this object's already holds these values; it was left as it is";

/// Secrets that get our label and nothing else, per second: 2,500 of them in two minutes, beside the work
/// that somebody waits for.
const MARKS_PER_SECOND: u32 = 20;

/// Compares and writes Secrets.
pub struct Writer {
    cluster: Cluster,
    content: ContentKey,
    marks: Mutex<Budget>,
    /// Whether the index is told of changes by a watch. If not, each sync asks for the version.
    watches_secrets: bool,
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Synced {
    /// The Secret is as asked for.
    Right {
        /// What is known of it now.
        held: Held,
        /// What had to be done.
        wrote: Option<Wrote>,
        /// For the condition.
        remark: &'static str,
    },
    /// It is not.
    Failed {
        /// Why, in merge order.
        failures: Vec<Failure>,
        /// Whether it was looked at, and what was known of it is void.
        looked: bool,
    },
    /// The store says that nothing changed, but the Secret did: the values are needed after all.
    NeedsValues,
    /// The object or its namespace is about to go.
    Skipped,
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// There was none.
    Created,
    /// It was different; whoever else writes it, by the API server's record.
    Replaced(Option<String>),
    /// Only our label was missing; likewise.
    Marked(Option<String>),
}

/// What a look at a changed Secret showed.
#[derive(Debug)]
pub enum Checked {
    /// Whatever was changed is not ours to mind.
    Intact(Held),
    /// It has to be written anew.
    Drifted,
    /// It could not be read.
    Failed(ApiError),
}

impl Writer {
    /// A writer that makes its requests through `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster, content: ContentKey, watches_secrets: bool) -> Self {
        Self {
            cluster,
            content,
            marks: Mutex::new(Budget::new(MARKS_PER_SECOND)),
            watches_secrets,
        }
    }

    /// Makes the Secret what the delivery's plan asks for.
    pub async fn sync(&self, delivery: &Delivery, view: &View) -> Synced {
        let plan = &delivery.plan;
        let answers = match &delivery.result {
            Delivered::Failed(failures) => {
                return Synced::Failed {
                    failures: failures.clone(),
                    looked: false,
                };
            }
            Delivered::Unchanged => return self.confirm(&plan.key, &plan.uid, view).await,
            Delivered::Answers(answers) => answers,
        };
        let desired = match desired(plan, answers) {
            Ok(desired) => desired,
            Err(failures) => {
                return Synced::Failed {
                    failures,
                    looked: false,
                };
            }
        };
        let digest = self.digest(&desired.data, &desired.type_name);
        if let Some(held) = view.held.as_ref().filter(|held| held.digest == digest)
            && let Ok(true) = self.is_current(&plan.key, view).await
        {
            return self.mark(&plan.key, &plan.uid, held).await;
        }
        self.write(delivery.cause, &plan.key, &desired, digest, view.seems_missing)
            .await
    }

    /// Whether a Secret that somebody wrote is still what we wrote.
    pub async fn check(&self, key: &ObjectKey, uid: &str, held: &Held) -> Checked {
        match self.cluster.secret(key).await {
            Ok(Some(secret)) => {
                let same = self.digest(&secret.data, secret.type_name()) == held.digest;
                if same && decide::bears_our_marks(&secret.metadata, uid) {
                    Checked::Intact(Held {
                        version: Version::of(secret.resource_version()),
                        ..held.clone()
                    })
                } else {
                    Checked::Drifted
                }
            }
            Ok(None) => Checked::Drifted,
            Err(error) => Checked::Failed(error),
        }
    }

    /// The store has what was last written. Has the Secret, too?
    async fn confirm(&self, key: &ObjectKey, uid: &str, view: &View) -> Synced {
        let Some(held) = &view.held else {
            return Synced::NeedsValues;
        };
        match self.is_current(key, view).await {
            Ok(true) => self.mark(key, uid, held).await,
            Ok(false) => Synced::NeedsValues,
            Err(error) => Synced::Failed {
                failures: vec![refusal("read", key, &error, None)],
                looked: false,
            },
        }
    }

    /// Whether the Secret is still at the version that is held. Asks the API server only where no watch
    /// would have told.
    async fn is_current(&self, key: &ObjectKey, view: &View) -> Result<bool, ApiError> {
        let Some(held) = view.held.as_ref().filter(|_| view.held_is_current) else {
            return Ok(false);
        };
        if self.watches_secrets && held.standing == Standing::Ours {
            return Ok(true);
        }
        let version = self.cluster.secret_version(key).await?;
        Ok(version.is_some_and(|version| Version::of(&version) == held.version))
    }

    /// The Secret is as it should be; gives it our label if it lacks it and there is time. What goes wrong
    /// with that is tried again at the next sync.
    async fn mark(&self, key: &ObjectKey, uid: &str, held: &Held) -> Synced {
        let unmarked = || right(held.clone(), None);
        if held.standing != Standing::Unmarked || !self.may_mark() {
            return unmarked();
        }
        let Ok(Some(secret)) = self.cluster.secret(key).await else {
            return unmarked();
        };
        let is_held = Version::of(secret.resource_version()) == held.version;
        if !is_held || !decide::is_controlled_by(&secret.metadata, uid) {
            return unmarked();
        }
        match self.cluster.replace(key, &decide::marked(&secret)).await {
            Ok(version) => right(
                Held {
                    version: Version::of(&version),
                    standing: Standing::Ours,
                    ..held.clone()
                },
                Some(Wrote::Marked(other(&secret))),
            ),
            Err(ApiError::Conflict | ApiError::NotFound) => unmarked(),
            Err(error) => {
                tell_unlabelled(key, &error, &secret.data);
                unmarked()
            }
        }
    }

    fn may_mark(&self) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.take(Instant::now())
    }

    async fn write(
        &self,
        cause: Cause,
        key: &ObjectKey,
        desired: &Desired,
        digest: ContentDigest,
        seems_missing: bool,
    ) -> Synced {
        let held = |version: &str, standing| Held {
            version: Version::of(version),
            digest,
            standing,
        };
        let failed = |failure| Synced::Failed {
            failures: vec![failure],
            looked: true,
        };
        let refused = |verb, error| failed(refusal(verb, key, &error, Some(&desired.data)));
        let mut look = !seems_missing;
        for _ in 0..TRIES {
            let existing = if look { self.cluster.secret(key).await } else { Ok(None) };
            let existing = match existing {
                Ok(existing) => existing,
                Err(error) => return refused("read", error),
            };
            look = true;
            let Some(existing) = existing else {
                if cause == Cause::Repair && !self.is_wanted(key, &desired.uid).await {
                    return Synced::Skipped;
                }
                match self.cluster.create(key, &desired.fresh()).await {
                    Ok(version) => return right(held(&version, Standing::Ours), Some(Wrote::Created)),
                    Err(ApiError::AlreadyExists | ApiError::Conflict) => continue,
                    Err(ApiError::Terminating | ApiError::NotFound) => return Synced::Skipped,
                    Err(error) => return refused("create", error),
                }
            };
            match decide(&existing, desired) {
                Decision::Right => return right(held(existing.resource_version(), Standing::Ours), None),
                Decision::ForeignRight => return right(held(existing.resource_version(), Standing::Foreign), None),
                Decision::Mark(_) if !self.may_mark() => {
                    return right(held(existing.resource_version(), Standing::Unmarked), None);
                }
                Decision::Mark(marked) => match self.cluster.replace(key, &marked).await {
                    Ok(version) => {
                        return right(held(&version, Standing::Ours), Some(Wrote::Marked(other(&existing))));
                    }
                    Err(ApiError::Conflict | ApiError::NotFound) => {}
                    // The Secret holds what it should; that it lacks a label is no failure of the object.
                    Err(error) => {
                        tell_unlabelled(key, &error, &desired.data);
                        return right(held(existing.resource_version(), Standing::Unmarked), None);
                    }
                },
                Decision::Wait(failure) | Decision::Refuse(failure) => return failed(failure),
                // Who deletes an object and keeps its Secret has its owner taken from the Secret: so that is given back
                // only if the object is still there.
                Decision::Replace(_)
                    if !decide::is_controlled_by(&existing.metadata, &desired.uid)
                        && !self.is_wanted(key, &desired.uid).await =>
                {
                    return Synced::Skipped;
                }
                Decision::Replace(replacement) => match self.cluster.replace(key, &replacement).await {
                    Ok(version) => {
                        return right(held(&version, Standing::Ours), Some(Wrote::Replaced(other(&existing))));
                    }
                    Err(ApiError::Conflict | ApiError::NotFound) => {}
                    Err(error) => return refused("update", error),
                },
            }
        }
        let message = format!("Secret {key} was changed by somebody else {TRIES} times while it was being written");
        failed(Failure::new(Reason::WriteRefused, message))
    }

    /// The garbage collector deletes the Secret of a deleted object, and that may be seen before the
    /// object's own end. So a Secret that vanished comes back only if its object is still there.
    async fn is_wanted(&self, key: &ObjectKey, uid: &str) -> bool {
        match self.cluster.object(key).await {
            Ok(Some(object)) => {
                object.metadata.uid.as_deref() == Some(uid) && object.metadata.deletion_timestamp.is_none()
            }
            Ok(None) => false,
            // Then the write decides.
            Err(_) => true,
        }
    }

    fn digest(&self, data: &BTreeMap<String, SecretBytes>, type_name: &str) -> ContentDigest {
        self.content.digest(data, &[type_name])
    }
}

/// The rate of labels bounds how often this is said.
fn tell_unlabelled(key: &ObjectKey, error: &ApiError, data: &BTreeMap<String, SecretBytes>) {
    let why = refusal("label", key, error, Some(data)).message;
    tracing::warn!(object = %key, why, "the Secret is as it should be, but lacks our label; it is tried again at the next sync");
}

/// Who else writes the Secret.
fn other(existing: &Target) -> Option<String> {
    other_writer(&existing.metadata).map(str::to_owned)
}

fn desired(plan: &ObjectPlan, answers: &[Fetched]) -> Result<Desired, Vec<Failure>> {
    if let Some(failure) = refused_type(&plan.secret_type) {
        return Err(vec![failure]);
    }
    Ok(Desired {
        namespace: plan.key.namespace.to_string(),
        name: plan.key.name.to_string(),
        uid: plan.uid.to_string(),
        type_name: plan.secret_type.clone(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: plan.data(answers)?,
    })
}

fn right(held: Held, wrote: Option<Wrote>) -> Synced {
    let remark = match held.standing {
        Standing::Ours | Standing::Unmarked => RIGHT,
        Standing::Foreign => FOREIGN_RIGHT,
    };
    Synced::Right { held, wrote, remark }
}

/// What the API server's refusal means for the object. Its text is masked: a webhook may quote values.
fn refusal(verb: &str, key: &ObjectKey, error: &ApiError, data: Option<&BTreeMap<String, SecretBytes>>) -> Failure {
    let mut mask = Mask::default();
    for value in data.into_iter().flat_map(BTreeMap::values) {
        mask.add(value);
    }
    let text = mask.apply(&error.to_string());
    let failure = |reason| Failure::new(reason, format!("cannot {verb} Secret {key}: {text}"));
    match error {
        ApiError::Unavailable(_) => failure(Reason::Unavailable),
        ApiError::TooLarge(_) => failure(Reason::TooLarge),
        ApiError::Invalid(_) if text.contains("field is immutable") => {
            failure(Reason::TargetImmutable).remedy("delete the Secret and it is created anew")
        }
        ApiError::Forbidden(_) if text.contains("resource \"secrets\"") => failure(Reason::WriteRefused)
            .remedy("allow the operator's service account to get, create and update secrets in this namespace"),
        _ => failure(Reason::WriteRefused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &ApiError) -> Failure {
        let data = BTreeMap::from([("k".to_owned(), SecretBytes::from("hunter2".to_owned()))]);
        refusal("update", &ObjectKey::new("ns", "db"), error, Some(&data))
    }

    #[test]
    fn a_refusal_names_the_secret_and_hides_its_values() {
        let failure = refused(&ApiError::Forbidden("admission webhook denied hunter2".to_owned()));
        assert_eq!(failure.reason, Reason::WriteRefused);
        assert_eq!(
            failure.message,
            "cannot update Secret ns/db: admission webhook denied ***"
        );
    }

    #[test]
    fn refusals_are_told_apart() {
        let reason = |error| refused(&error).reason;
        assert_eq!(
            reason(ApiError::timed_out(crate::cluster::REQUEST_TIMEOUT)),
            Reason::Unavailable
        );
        assert_eq!(
            reason(ApiError::Invalid("data: field is immutable when ...".to_owned())),
            Reason::TargetImmutable
        );
        assert_eq!(
            reason(ApiError::Invalid("metadata.name: bad".to_owned())),
            Reason::WriteRefused
        );
        let rbac = refused(&ApiError::Forbidden(
            "User \"x\" cannot update resource \"secrets\"".to_owned(),
        ));
        assert!(rbac.remedy.is_some());
        let webhook = refused(&ApiError::Forbidden(
            "admission webhook: it cannot be changed".to_owned(),
        ));
        assert!(webhook.remedy.is_none(), "no right of ours is missing");
    }
}
