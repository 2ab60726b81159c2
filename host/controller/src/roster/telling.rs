//! What objects say of their plugins: status, and events when it changes for better or worse.

use jiff::Timestamp;
use keyhole_api::BackendPluginStatus;
use tokio::time::Instant;

use super::status::{Place, status};
use super::write::Written;
use super::{Phase, Roster, WRITE_AGAIN};
use crate::api_error::ApiError;

impl Roster {
    /// Writes every status that says something new.
    pub(super) fn review(&mut self) {
        if matches!(self.phase, Phase::Listing { .. }) {
            return;
        }
        let now = Timestamp::now();
        for (name, entry) in &self.entries {
            if self.writing.is_busy(name) {
                continue;
            }
            let place = Place {
                types: self.live.served_by(name),
                conflicts: self.live.conflicts(name),
            };
            let next = status(entry, &place, now);
            if next != entry.shown && entry.sent.as_ref() != Some(&next) {
                self.writing.begin(name, &entry.uid, next);
            }
        }
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
            // Its deletion, or its successor, is on the way.
            Err(ApiError::NotFound | ApiError::Conflict) => {}
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
