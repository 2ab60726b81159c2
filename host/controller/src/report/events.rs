//! Kubernetes events, published by one task of their own.
//!
//! Only transitions become events: a sync that does what it always did says nothing. What would be
//! published is handed over without waiting, and dropped (and counted) when too much is: an event is
//! a courtesy, and must never hold up a write.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use keyhole_api::names::{API_VERSION, KIND, PLUGIN_API_VERSION, PLUGIN_KIND};
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::plan::ObjectKey;

/// Events that may wait to be published.
const QUEUE: usize = 256;
const TIMEOUT: Duration = Duration::from_secs(10);
/// What the API server takes as a note.
const LONGEST_NOTE: usize = 1000;

/// Where events are handed over. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<(Event, ObjectReference)>,
    metrics: Arc<Metrics>,
}

/// The task that publishes them.
pub struct Publisher {
    recorder: Recorder,
    queue: mpsc::Receiver<(Event, ObjectReference)>,
    metrics: Arc<Metrics>,
}

/// Events of the host called `controller`.
#[must_use]
pub fn events(client: Client, controller: &str, metrics: Arc<Metrics>) -> (Events, Publisher) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let recorder = Recorder::new(client, Reporter::from(controller));
    (
        Events {
            queue: sender,
            metrics: Arc::clone(&metrics),
        },
        Publisher {
            recorder,
            queue: receiver,
            metrics,
        },
    )
}

impl Events {
    /// Hands over an event about the object.
    pub fn publish(&self, key: &ObjectKey, uid: &str, type_: EventType, reason: &str, action: &str, note: &str) {
        let reference = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(KIND.to_owned()),
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        self.hand_over(reference, type_, reason, action, note);
    }

    /// Hands over an event about a BackendPlugin. It belongs to no namespace, so its event is in `default`.
    pub fn publish_about_plugin(&self, name: &str, uid: &str, type_: EventType, reason: &str, note: &str) {
        let reference = ObjectReference {
            api_version: Some(PLUGIN_API_VERSION.to_owned()),
            kind: Some(PLUGIN_KIND.to_owned()),
            name: Some(name.to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        self.hand_over(reference, type_, reason, "Load", note);
    }

    fn hand_over(&self, reference: ObjectReference, type_: EventType, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(cut(note).to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if self.queue.try_send((event, reference)).is_err() {
            self.metrics.events.with_label_values(&["dropped"]).inc();
        }
    }
}

impl Publisher {
    /// Runs until the last [`Events`] is dropped.
    pub async fn run(mut self) {
        let mut warned = false;
        while let Some((event, reference)) = self.queue.recv().await {
            let published = tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await;
            let outcome = if matches!(published, Ok(Ok(()))) {
                "published"
            } else {
                "failed"
            };
            self.metrics.events.with_label_values(&[outcome]).inc();
            if let Ok(Err(error)) = published
                && !std::mem::replace(&mut warned, true)
            {
                let error = crate::api_error::ApiError::from(error);
                tracing::warn!(%error, "a Kubernetes event cannot be published; further ones that cannot are only counted");
            }
        }
    }
}

fn cut(note: &str) -> &str {
    note.get(..note.floor_char_boundary(LONGEST_NOTE)).unwrap_or(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "ä".repeat(LONGEST_NOTE);
        assert_eq!(cut(&note).len(), LONGEST_NOTE);
        assert_eq!(cut("short"), "short");
        assert!(cut(&format!("a{note}")).len() < LONGEST_NOTE);
    }
}
