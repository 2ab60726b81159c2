//! What a user sees of a sync: the object's status, and Kubernetes events when it changes for better
//! or worse.
//!
//! A status is written with the resourceVersion that it was computed from. After a conflict the object
//! is read again and the comparison made anew, so two hosts on one object converge instead of
//! overwriting each other, and a status never lands on another object of the same name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::api_error::ApiError;
use crate::cluster::Cluster;
use crate::metrics::Metrics;
use crate::plan::ObjectKey;

pub mod budget;
pub mod events;
pub mod status;

pub use budget::Budget;
pub use status::{Attempt, Kept, Ready, Status};

/// How often a status is computed anew after a conflict before it is left to a later time.
const TRIES: usize = 5;

/// Which state of an object a status is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The object's uid.
    pub uid: Arc<str>,
    /// Its resourceVersion.
    pub resource_version: Arc<str>,
    /// Its status.
    pub status: Status,
}

/// What became of a status.
#[derive(Debug)]
pub enum Reported {
    /// The object is now like this.
    Written(Shown),
    /// Nothing new, and no heartbeat yet: `lastSync` is still to be moved on.
    HeartbeatDue,
    /// The object is gone, or another one bears its name.
    Gone,
    /// Not written; to be tried again later.
    Failed(ApiError),
}

/// Why a status is written, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    News,
    Heartbeat,
}

impl Cause {
    fn label(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// Writes status.
pub struct Reporter {
    cluster: Cluster,
    metrics: Arc<Metrics>,
    kept: Mutex<Kept>,
    warned: AtomicBool,
    heartbeats: Mutex<Budget>,
}

impl Reporter {
    /// At most `heartbeats_per_second` writes say nothing new.
    #[must_use]
    pub fn new(cluster: Cluster, metrics: Arc<Metrics>, heartbeats_per_second: u32) -> Self {
        let heartbeats = Mutex::new(Budget::new(heartbeats_per_second));
        Self {
            cluster,
            metrics,
            kept: Mutex::new(Kept::ALL),
            warned: AtomicBool::new(false),
            heartbeats,
        }
    }

    /// Takes a heartbeat out of the budget, or says when there will be one.
    pub fn take_heartbeat(&self) -> Result<(), Option<tokio::time::Instant>> {
        let now = tokio::time::Instant::now();
        let mut budget = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        if budget.take(now) {
            Ok(())
        } else {
            Err(budget.ready_at(now))
        }
    }

    /// Shows what came of `attempt`, if that is new, or if it may have a heartbeat and the budget has one.
    pub async fn report(&self, key: &ObjectKey, shown: Shown, attempt: &Attempt, may_beat: bool) -> Reported {
        let next = attempt.status(&shown.status);
        let cause = if next.is_news(&shown.status, self.kept()) {
            Cause::News
        } else if may_beat && self.take_heartbeat().is_ok() {
            Cause::Heartbeat
        } else {
            return Reported::HeartbeatDue;
        };
        self.write(key, shown, cause, |before| attempt.status(before)).await
    }

    /// Moves `lastSync` on to `at`. The caller has taken the heartbeat.
    pub async fn heartbeat(&self, key: &ObjectKey, shown: Shown, at: jiff::Timestamp) -> Reported {
        self.write(key, shown, Cause::Heartbeat, |before| Status {
            last_sync: Some(at),
            ..before.clone()
        })
        .await
    }

    async fn write(
        &self,
        key: &ObjectKey,
        mut shown: Shown,
        cause: Cause,
        next: impl Fn(&Status) -> Status,
    ) -> Reported {
        let count = |outcome: &str| {
            self.metrics
                .status_writes
                .with_label_values(&[cause.label(), outcome])
                .inc()
        };
        for _ in 0..TRIES {
            let status = next(&shown.status);
            if cause == Cause::News && !status.is_news(&shown.status, self.kept()) {
                return Reported::Written(shown);
            }
            let patch = json!({"metadata": {"resourceVersion": &*shown.resource_version}, "status": status.to_api()});
            match self.cluster.patch_status(key, &patch).await {
                Ok(object) => {
                    count("ok");
                    let shown = read(object);
                    self.learn(&status, &shown.status);
                    return Reported::Written(shown);
                }
                Err(ApiError::Conflict) => count("conflict"),
                Err(ApiError::NotFound) => {
                    count("gone");
                    return Reported::Gone;
                }
                Err(error) => {
                    count("error");
                    return Reported::Failed(error);
                }
            }
            match self.cluster.object(key).await {
                Ok(Some(object)) if object.metadata.uid.as_deref() == Some(&*shown.uid) => shown = read(object),
                Ok(_) => return Reported::Gone,
                Err(error) => return Reported::Failed(error),
            }
        }
        Reported::Failed(ApiError::Conflict)
    }

    fn kept(&self) -> Kept {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what the CRD drops, and says so once.
    fn learn(&self, sent: &Status, answer: &Status) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *kept;
        *kept = sent.kept_in(answer, known);
        if *kept != Kept::ALL && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the installed ExternalSecret CRD drops status fields (it is that of kubernetes-external-secrets); \
                 conditions are not shown until the CRD of this version is applied"
            );
        }
    }
}

fn read(object: crate::cluster::Object) -> Shown {
    let text = |text: Option<String>| Arc::from(text.unwrap_or_default());
    Shown {
        uid: text(object.metadata.uid),
        resource_version: text(object.metadata.resource_version),
        status: Status::read(&object.status),
    }
}
