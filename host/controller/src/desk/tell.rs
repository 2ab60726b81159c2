//! What counters, logs and Kubernetes events say of a sync.
//!
//! A log line and an event mark a change for better or worse; a sync that ends as the one before it did
//! only counts.

use jiff::Timestamp;
use keyhole_core::Reason;
use kube_runtime::events::EventType;

use super::Desk;
use super::worker::Outcome;
use crate::index::Notice;
use crate::plan::ObjectKey;
use crate::write::Wrote;

/// The other writer of a Secret, as far as it is known.
fn who(wrote: &Wrote) -> &str {
    match wrote {
        Wrote::Replaced(Some(manager)) | Wrote::Marked(Some(manager)) => manager,
        Wrote::Created | Wrote::Replaced(None) | Wrote::Marked(None) => "somebody else",
    }
}

impl Desk {
    /// Counts, logs and publishes what came of a sync.
    pub(super) fn tell(&mut self, key: &ObjectKey, uid: &str, before: Reason, backend: &str, outcome: &Outcome) {
        let reason = outcome.attempt.reason();
        self.metrics.syncs.with_label_values(&[reason.label()]).inc();
        if let Some(series) = &self.metrics.series {
            series.record(&key.namespace, &key.name, backend, outcome.attempt.outcome.is_ok());
        }
        let notice = self.index.take_notice(key).filter(|_| outcome.wrote.is_some());
        match &outcome.attempt.outcome {
            Err(failures) => {
                let (first, more) = match failures.split_first() {
                    Some((first, rest)) => (first.condition_message(rest.len()), rest.len()),
                    None => (String::new(), 0),
                };
                if reason == before {
                    tracing::debug!(object = %key, %reason, more, message = first, "sync failed again");
                } else {
                    tracing::info!(object = %key, %reason, more, message = first, "sync failed");
                }
                if reason != before && reason != Reason::Pending {
                    self.events
                        .publish(key, uid, EventType::Warning, reason.as_str(), "Sync", &first);
                }
            }
            Ok(remark) => {
                match &outcome.wrote {
                    Some(Wrote::Created) => tracing::info!(object = %key, "Secret created"),
                    Some(Wrote::Replaced(_)) => tracing::info!(object = %key, "Secret updated"),
                    Some(Wrote::Marked(_)) => tracing::info!(object = %key, "Secret labelled"),
                    None => tracing::debug!(object = %key, "nothing to write"),
                }
                if !matches!(before, Reason::Synced | Reason::Pending) {
                    self.events
                        .publish(key, uid, EventType::Normal, reason.as_str(), "Sync", remark);
                }
            }
        }
        match (notice, &outcome.wrote) {
            (Some(Notice::Repaired), Some(wrote)) => {
                let what = if *wrote == Wrote::Created { "deleted" } else { "changed" };
                let note = format!("the Secret was {what} by {} and has been put right", who(wrote));
                self.events
                    .publish(key, uid, EventType::Normal, "Repaired", "Repair", &note);
            }
            (Some(Notice::TwoWriters), Some(wrote)) => {
                let note = format!(
                    "the Secret is changed by {} after each repair; let only one of both write it",
                    who(wrote)
                );
                self.events
                    .publish(key, uid, EventType::Warning, "TwoWriters", "Repair", &note);
            }
            _ => {}
        }
    }

    /// Counts all objects.
    pub(super) fn survey(&self) {
        self.metrics.planner_is(self.planner.gauges());
        self.metrics.stores_are(&self.planner.stores());
        let (reasons, oldest) = self.index.survey();
        for reason in Reason::ALL {
            let count = reasons.get(reason.label()).copied().unwrap_or_default();
            self.metrics.objects.with_label_values(&[reason.label()]).set(count);
        }
        let age = oldest.map_or(0.0, |oldest| Timestamp::now().duration_since(oldest).as_secs_f64());
        self.metrics.sync_age.set(age.max(0.0));
    }
}
