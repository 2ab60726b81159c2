//! Name, kind, labels and meaning of every metric of the controller.

/// One metric, as the reference page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDoc {
    /// Full name.
    pub name: &'static str,
    /// How to read it.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Prometheus's kinds, as far as they are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl MetricKind {
    /// As in the exposition format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! table {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $id: MetricDoc =
            MetricDoc { name: $name, kind: MetricKind::$kind, labels: &[$($label),*], help: $help };)+
        /// All of them, in the order of the reference page.
        const TABLE: &[MetricDoc] = &[$($id),+];
    };
}

table! {
    KES_SYNCS = Counter "kubernetes_external_secrets_sync_calls_count" ["name", "namespace", "backend", "status"]
        "Syncs of an object that ended with success or error, as kubernetes-external-secrets counts them.";
    KES_STATE = Gauge "kubernetes_external_secrets_last_sync_call_state" ["name", "namespace", "backend"]
        "Whether an object's last sync succeeded (1) or failed (-1).";
    KES_SYNCS_DEPRECATED = Counter "sync_calls" ["name", "namespace", "backend", "status"]
        "Deprecated name of kubernetes_external_secrets_sync_calls_count.";
    KES_STATE_DEPRECATED = Gauge "last_state" ["name", "namespace", "backend"]
        "Deprecated name of kubernetes_external_secrets_last_sync_call_state.";
    DELIVERIES = Counter "keyhole_deliveries_total" ["result"]
        "Results of fetches that reached the writers: values, unchanged or failed.";
    SYNCS = Counter "keyhole_syncs_total" ["reason"]
        "Finished syncs by the reason that they gave to the Ready condition.";
    OBJECTS = Gauge "keyhole_objects" ["reason"]
        "ExternalSecrets that this host serves, by the reason of their Ready condition.";
    SYNC_AGE = Gauge "keyhole_sync_age_seconds" []
        "Time since the last sync of the object that has waited longest, of those that are refreshed.";
    QUEUE_DEPTH = Gauge "keyhole_queue_depth" ["queue"]
        "Entries waiting: plans for a fetch, results for a writer, heartbeats for the status budget, repairs for their back-off, objects whose permission is to be judged.";
    SECRET_WRITES = Counter "keyhole_secret_writes_total" ["verb", "outcome"]
        "Writes of Secrets by verb (create, update) and outcome (ok, conflict, refused, error).";
    SECRET_READS = Counter "keyhole_secret_reads_total" ["kind", "outcome"]
        "Reads of Secrets by kind (full, metadata) and outcome (ok, absent, error).";
    STATUS_WRITES = Counter "keyhole_status_writes_total" ["cause", "outcome"]
        "Writes of status by cause (news, heartbeat) and outcome (ok, conflict, gone, error).";
    REPAIRS = Counter "keyhole_repairs_total" []
        "Syncs made because a Secret was deleted or changed by somebody else.";
    EVENTS = Counter "keyhole_events_total" ["outcome"]
        "Kubernetes events by outcome (published, dropped, failed).";
    WATCH_EVENTS = Counter "keyhole_watch_events_total" ["resource"]
        "Changes seen by the watches on externalsecrets, secrets, namespaces and backendplugins.";
    WATCH_ERRORS = Counter "keyhole_watch_errors_total" ["resource"]
        "Errors of the watches on externalsecrets, secrets, namespaces and backendplugins; each is followed by a reconnection.";
    JUDGEMENTS = Counter "keyhole_permission_judgements_total" ["engine", "verdict"]
        "Expressions of namespaces tried on a key or role, by engine (memory, regex, javascript) and verdict (match, no_match, malformed, exhausted, unavailable).";
    CALLS = Counter "keyhole_plugin_calls_total" ["plugin", "outcome"]
        "Calls of plugins by outcome: ok, or the kind of error.";
    CALL_SECONDS = Histogram "keyhole_plugin_call_duration_seconds" ["plugin"]
        "Duration of calls of plugins, waiting for the store included.";
    REQUESTS = Counter "keyhole_plugin_requests_total" ["plugin"]
        "Requests that travelled in calls of plugins; by calls, that is the size of a batch.";
    BATCH = Histogram "keyhole_plugin_call_requests" ["plugin"]
        "Requests in one call of a plugin.";
    JOINED = Counter "keyhole_plugin_requests_joined_total" ["plugin"]
        "Requests of objects that cost nothing, because another object already waited for the same.";
    THROTTLED = Counter "keyhole_plugin_requests_throttled_total" ["plugin"]
        "Requests that a store wants to be asked more slowly, by a throttling answer.";
    RATE = Gauge "keyhole_plugin_exchanges_per_second" ["plugin"]
        "HTTP exchanges per second that a plugin's store may be asked now; of several stores, the slowest.";
    STORES = Gauge "keyhole_plugin_stores" ["plugin", "breaker"]
        "Stores that a plugin asks (region and account, or settings) by the state of their breaker: closed, open (left alone because it is down) or half_open (one call has gone to see).";
    PLUGINS = Gauge "keyhole_backend_plugins" ["reason"]
        "BackendPlugins by the reason of their Ready condition.";
    PLANNER = Gauge "keyhole_planner" ["what"]
        "State of the planner: objects, groups, waiting_requests, calls_in_flight, waiting_deliveries, value_bytes.";
    API_SECONDS = Histogram "keyhole_api_request_duration_seconds" ["verb"]
        "Duration of requests to the API server for Secrets and status.";
}

/// Every metric of the controller with its meaning, for the generated reference page.
#[must_use]
pub fn describe() -> Vec<MetricDoc> {
    TABLE.to_vec()
}
