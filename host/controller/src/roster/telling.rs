//! What objects say of their plugins: status, and events when it changes for better or worse.

use jiff::Timestamp;
use keyhole_api::BackendPluginStatus;
use tokio::time::Instant;

use super::status::{Place, status};
use super::write::Written;
use super::{Phase, Roster, WRITE_AGAIN};
use crate::api_error::ApiError;

impl Roster {
    /// Writes every status that says something new, and tells the metrics and whoever misses a backend type.
    pub(super) fn review(&mut self) {
        if matches!(self.phase, Phase::Listing { .. }) {
            return;
        }
        let now = Timestamp::now();
        self.reasons.values_mut().for_each(|count| *count = 0);
        for (name, entry) in &self.entries {
            let place = Place {
                types: self.live.served_by(name),
                conflicts: self.live.conflicts(name),
            };
            let next = status(entry, &place, now);
            if let Some(ready) = next.ready() {
                *self.reasons.entry(ready.reason.clone()).or_default() += 1;
            }
            let is_new = next != entry.shown && entry.sent.as_ref() != Some(&next);
            if is_new && !self.writing.is_busy(name) {
                self.writing.begin(name, &entry.uid, next);
            }
        }
        for (reason, count) in &self.reasons {
            self.metrics.plugins.with_label_values(&[reason]).set(*count);
        }
        let absent = self
            .entries
            .iter()
            .filter_map(|(name, entry)| Some((name.clone(), entry.absence()?)));
        self.live.lacks(absent.collect());
    }

    pub(super) fn written(&mut self, written: Written) {
        let Written {
            name,
            uid,
            status,
            result,
        } = written;
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.uid == uid) else {
            return;
        };
        match result {
            Ok(()) => {
                self.status_failing = false;
                let before = entry.sent.take().unwrap_or_else(|| entry.shown.clone());
                entry.sent = Some(status.clone());
                self.tell(&name, &uid, &before, &status);
            }
            // Its deletion, or its successor, is on the way. Until the watch shows it there is nothing to write.
            Err(ApiError::NotFound | ApiError::Conflict) => self.writing.pause(&name, Instant::now() + WRITE_AGAIN),
            Err(error) => {
                if !std::mem::replace(&mut self.status_failing, true) {
                    tracing::warn!(plugin = &*name, %error, "the status of a BackendPlugin cannot be written; trying again every {} s", WRITE_AGAIN.as_secs());
                }
                self.writing.pause(&name, Instant::now() + WRITE_AGAIN);
            }
        }
    }

    /// A transition becomes an event.
    fn tell(&self, name: &str, uid: &str, before: &BackendPluginStatus, after: &BackendPluginStatus) {
        use keyhole_api::ConditionStatus::{False, True};
        use kube_runtime::events::EventType;
        let Some(now) = after.ready() else { return };
        let said = |status: &BackendPluginStatus| {
            status
                .ready()
                .map(|ready| (ready.reason.clone(), ready.message.clone()))
        };
        if said(before) == said(after) {
            return;
        }
        let lacks = !after.missing_hosts.is_empty() || !after.missing_credentials.is_empty();
        let type_ = match now.status {
            True if !lacks => EventType::Normal,
            True | False => EventType::Warning,
            _ => return,
        };
        self.events
            .publish_about_plugin(name, uid, type_, &now.reason, &now.message);
    }
}
