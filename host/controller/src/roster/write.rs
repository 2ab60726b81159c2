//! Writes of statuses, one at a time for each object and a few in all.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use keyhole_api::BackendPluginStatus;
use keyhole_api::names::FIELD_MANAGER;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Map, Value as Json, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use keyhole_api::BackendPlugin;

use crate::api_error::ApiError;
use crate::cluster::REQUEST_TIMEOUT;

/// Writes of different objects at the same time.
const AT_ONCE: usize = 4;

/// What is being written.
pub(super) struct Writing {
    client: Client,
    jobs: JoinSet<Option<Written>>,
    busy: HashSet<Arc<str>>,
    paused: HashMap<Arc<str>, Instant>,
}

/// What became of a write.
pub(super) struct Written {
    pub(super) name: Arc<str>,
    pub(super) uid: Arc<str>,
    pub(super) status: BackendPluginStatus,
    pub(super) result: Result<(), ApiError>,
}

impl Writing {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            jobs: JoinSet::new(),
            busy: HashSet::new(),
            paused: HashMap::new(),
        }
    }

    /// Whether no write of this object may begin now.
    pub(super) fn is_busy(&self, name: &str) -> bool {
        self.busy.len() >= AT_ONCE || self.busy.contains(name) || self.paused.contains_key(name)
    }

    pub(super) fn begin(&mut self, name: &Arc<str>, uid: &Arc<str>, status: BackendPluginStatus) {
        let (name, uid) = (Arc::clone(name), Arc::clone(uid));
        self.busy.insert(Arc::clone(&name));
        let api: Api<BackendPlugin> = Api::all(self.client.clone());
        self.jobs.spawn(async move {
            let result = write(&api, &name, &uid, &status).await;
            Some(Written {
                name,
                uid,
                status,
                result,
            })
        });
    }

    /// Something that is to be said without waiting for it.
    pub(super) fn say(&mut self, word: impl Future<Output = ()> + Send + 'static) {
        self.jobs.spawn(async move {
            word.await;
            None
        });
    }

    /// The next write that ended. Never resolves while there is none.
    pub(super) async fn next(&mut self) -> Written {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(Some(written))) => {
                    self.busy.remove(&written.name);
                    return written;
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Writes nothing for this object until then.
    pub(super) fn pause(&mut self, name: &Arc<str>, until: Instant) {
        self.paused.insert(Arc::clone(name), until);
    }

    pub(super) fn unpause(&mut self, now: Instant) {
        self.paused.retain(|_, until| *until > now);
    }

    pub(super) fn next_pause(&self) -> Option<Instant> {
        self.paused.values().min().copied()
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.paused.remove(name);
    }
}

/// Replaces the status of the object of this uid: a merge with every field that there is, absent ones as null.
async fn write(api: &Api<BackendPlugin>, name: &str, uid: &str, status: &BackendPluginStatus) -> Result<(), ApiError> {
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = json!({ "metadata": { "uid": uid }, "status": whole(status) });
    let patch = Patch::Merge(patch);
    match tokio::time::timeout(REQUEST_TIMEOUT, api.patch_status(name, &params, &patch)).await {
        Ok(answer) => answer.map(drop).map_err(ApiError::from),
        Err(_) => Err(ApiError::timed_out(REQUEST_TIMEOUT)),
    }
}

/// All fields of a status.
const FIELDS: [&str; 15] = [
    "observedGeneration",
    "conditions",
    "backendTypes",
    "source",
    "digest",
    "servingDigest",
    "resolved",
    "signedBy",
    "version",
    "contract",
    "missingHosts",
    "wantedHosts",
    "grantedHosts",
    "missingCredentials",
    "credentials",
];

fn whole(status: &BackendPluginStatus) -> Json {
    let mut fields: Map<String, Json> = FIELDS.iter().map(|field| ((*field).to_owned(), Json::Null)).collect();
    if let Ok(Json::Object(given)) = serde_json::to_value(status) {
        fields.extend(given);
    }
    Json::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_field_that_is_absent_is_taken_away() {
        let written = whole(&BackendPluginStatus::default());
        assert!(written.as_object().unwrap().values().all(Json::is_null));
        let written = whole(&BackendPluginStatus {
            version: Some("a 1".to_owned()),
            ..BackendPluginStatus::default()
        });
        assert_eq!(written["version"], "a 1");
    }

    #[test]
    fn no_field_is_forgotten() {
        let crd = serde_json::to_value(keyhole_api::backend_plugin_crd()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        let wanted: BTreeSet<_> = schema.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(BTreeSet::from(FIELDS), wanted);
    }
}
