//! What the controller counts, and the one table that says so.
//!
//! Every metric stands in [`TABLE`] with its help text, and is registered from there, so the reference
//! page that is generated from [`describe`] cannot differ from what a scrape shows. Only KES's own
//! series carry object names; ours have labels from closed sets.

mod objects;
mod table;

use std::collections::BTreeMap;

use keyhole_core::{CallError, GroupKey};
use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use crate::planner::{BreakerState, CallObserver, CallReport, Gauges, StoreState};

pub use objects::ObjectSeries;
pub use table::{MetricDoc, MetricKind, describe};

/// Which series with object names are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectMetrics {
    /// KES's two series.
    pub enabled: bool,
    /// The same under KES's deprecated names, `sync_calls` and `last_state`.
    pub deprecated_names: bool,
}

/// All metrics of the controller.
#[derive(Debug)]
pub struct Metrics {
    /// Results that the planner delivered, by `result`.
    pub deliveries: IntCounterVec,
    /// Finished syncs, by `reason`.
    pub syncs: IntCounterVec,
    /// Objects by the `reason` of their last sync.
    pub objects: IntGaugeVec,
    /// Age of the least recently synced object.
    pub sync_age: Gauge,
    /// Entries waiting, by `queue`.
    pub queue_depth: IntGaugeVec,
    /// Writes of Secrets, by `verb` and `outcome`.
    pub secret_writes: IntCounterVec,
    /// Reads of Secrets, by `kind` and `outcome`.
    pub secret_reads: IntCounterVec,
    /// Writes of status, by `cause` and `outcome`.
    pub status_writes: IntCounterVec,
    /// Syncs made because somebody else changed a Secret.
    pub repairs: IntCounter,
    /// Kubernetes events, by `outcome`.
    pub events: IntCounterVec,
    /// Changes seen, by `resource`.
    pub watch_events: IntCounterVec,
    /// Errors of watches, by `resource`.
    pub watch_errors: IntCounterVec,
    /// Duration of requests to the API server, by `verb`.
    pub api_seconds: HistogramVec,
    /// Judgements of expressions, by `engine` and `verdict`.
    pub judgements: IntCounterVec,
    /// Calls of plugins, by `plugin` and `outcome`.
    pub calls: IntCounterVec,
    /// Duration of calls, by `plugin`.
    pub call_seconds: HistogramVec,
    /// Requests in calls, by `plugin`.
    pub requests: IntCounterVec,
    /// Requests in one call, by `plugin`.
    pub batch: HistogramVec,
    /// Requests that joined one of another object, by `plugin`.
    pub joined: IntCounterVec,
    /// Requests that were throttled, by `plugin`.
    pub throttled: IntCounterVec,
    /// Allowed exchanges per second, by `plugin`.
    pub rate: GaugeVec,
    /// Stores by `plugin` and state of their `breaker`.
    pub stores: IntGaugeVec,
    /// BackendPlugins by the `reason` of their Ready condition.
    pub plugins: IntGaugeVec,
    /// State of the planner, by `what`.
    pub planner: IntGaugeVec,
    /// KES's series.
    pub series: Option<ObjectSeries>,
}

impl Metrics {
    /// Registers everything with `registry`.
    pub fn new(registry: &Registry, objects: ObjectMetrics) -> Result<Self, prometheus::Error> {
        let series = objects
            .enabled
            .then(|| ObjectSeries::new(objects.deprecated_names))
            .transpose()?;
        if let Some(series) = &series {
            registry.register(Box::new(series.clone()))?;
        }
        Ok(Self {
            deliveries: register(registry, counters(&table::DELIVERIES)?)?,
            syncs: register(registry, counters(&table::SYNCS)?)?,
            objects: register(registry, gauges(&table::OBJECTS)?)?,
            sync_age: register(registry, Gauge::with_opts(opts(&table::SYNC_AGE))?)?,
            queue_depth: register(registry, gauges(&table::QUEUE_DEPTH)?)?,
            secret_writes: register(registry, counters(&table::SECRET_WRITES)?)?,
            secret_reads: register(registry, counters(&table::SECRET_READS)?)?,
            status_writes: register(registry, counters(&table::STATUS_WRITES)?)?,
            repairs: register(registry, IntCounter::with_opts(opts(&table::REPAIRS))?)?,
            events: register(registry, counters(&table::EVENTS)?)?,
            watch_events: register(registry, counters(&table::WATCH_EVENTS)?)?,
            watch_errors: register(registry, counters(&table::WATCH_ERRORS)?)?,
            api_seconds: register(registry, histograms(&table::API_SECONDS)?)?,
            judgements: register(registry, counters(&table::JUDGEMENTS)?)?,
            calls: register(registry, counters(&table::CALLS)?)?,
            call_seconds: register(registry, histograms(&table::CALL_SECONDS)?)?,
            requests: register(registry, counters(&table::REQUESTS)?)?,
            batch: register(registry, sizes(&table::BATCH)?)?,
            joined: register(registry, counters(&table::JOINED)?)?,
            throttled: register(registry, counters(&table::THROTTLED)?)?,
            rate: register(registry, GaugeVec::new(opts(&table::RATE), table::RATE.labels)?)?,
            stores: register(registry, gauges(&table::STORES)?)?,
            plugins: register(registry, gauges(&table::PLUGINS)?)?,
            planner: register(registry, gauges(&table::PLANNER)?)?,
            series,
        })
    }

    /// Takes over the planner's own numbers.
    pub fn planner_is(&self, gauges: Gauges) {
        let Gauges {
            objects,
            groups,
            waiting_requests,
            calls_in_flight,
            waiting_deliveries,
            value_bytes,
        } = gauges;
        for (what, number) in [
            ("objects", objects),
            ("groups", groups),
            ("waiting_requests", waiting_requests),
            ("calls_in_flight", calls_in_flight),
            ("waiting_deliveries", waiting_deliveries),
            ("value_bytes", value_bytes),
        ] {
            self.planner
                .with_label_values(&[what])
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// Takes over how the planner's stores stand. Plugins that ask none any more vanish.
    pub fn stores_are(&self, stores: &[StoreState]) {
        let mut slowest: BTreeMap<&str, f64> = BTreeMap::new();
        self.rate.reset();
        self.stores.reset();
        for store in stores {
            let rate = slowest.entry(&store.plugin).or_insert(store.per_second);
            *rate = rate.min(store.per_second);
            for state in BreakerState::ALL {
                self.stores
                    .with_label_values(&[&*store.plugin, state.label()])
                    .add(i64::from(state == store.breaker));
            }
        }
        for (plugin, rate) in slowest {
            self.rate.with_label_values(&[plugin]).set(rate);
        }
    }
}

impl CallObserver for Metrics {
    fn call_ended(&self, report: &CallReport<'_>) {
        let plugin = &*report.group.plugin.name;
        let outcome = report.result.map_or_else(CallError::label, |()| "ok");
        self.calls.with_label_values(&[plugin, outcome]).inc();
        self.call_seconds
            .with_label_values(&[plugin])
            .observe(report.took.as_secs_f64());
        self.requests
            .with_label_values(&[plugin])
            .inc_by(report.requests as u64);
        #[expect(clippy::cast_precision_loss, reason = "batches are small")]
        self.batch.with_label_values(&[plugin]).observe(report.requests as f64);
        self.throttled
            .with_label_values(&[plugin])
            .inc_by(report.throttled as u64);
    }

    fn request_joined(&self, group: &GroupKey) {
        self.joined.with_label_values(&[&*group.plugin.name]).inc();
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn opts(doc: &MetricDoc) -> Opts {
    Opts::new(doc.name, doc.help)
}

fn counters(doc: &MetricDoc) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(opts(doc), doc.labels)
}

fn gauges(doc: &MetricDoc) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(opts(doc), doc.labels)
}

/// From 2 ms, a quick read of a local API server, to 16 s, half of the longest that a request may take.
fn histograms(doc: &MetricDoc) -> Result<HistogramVec, prometheus::Error> {
    let buckets = prometheus::exponential_buckets(0.002, 2.0, 14)?;
    HistogramVec::new(HistogramOpts::new(doc.name, doc.help).buckets(buckets), doc.labels)
}

/// From one request to the 256 of the largest batch.
fn sizes(doc: &MetricDoc) -> Result<HistogramVec, prometheus::Error> {
    let buckets = vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 256.0];
    HistogramVec::new(HistogramOpts::new(doc.name, doc.help).buckets(buckets), doc.labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_of_the_table_is_registered_and_no_other() {
        let registry = Registry::new();
        let metrics = Metrics::new(
            &registry,
            ObjectMetrics {
                enabled: true,
                deprecated_names: true,
            },
        )
        .unwrap();
        let series = metrics.series.as_ref().unwrap();
        series.record("ns", "db", "secretsManager", true);
        metrics.deliveries.with_label_values(&["values"]).inc();
        metrics.syncs.with_label_values(&["synced"]).inc();
        metrics.objects.with_label_values(&["synced"]).inc();
        metrics.queue_depth.with_label_values(&["writes"]).set(1);
        metrics.secret_writes.with_label_values(&["create", "ok"]).inc();
        metrics.secret_reads.with_label_values(&["full", "ok"]).inc();
        metrics.status_writes.with_label_values(&["news", "ok"]).inc();
        metrics.events.with_label_values(&["published"]).inc();
        metrics.watch_events.with_label_values(&["secrets"]).inc();
        metrics.watch_errors.with_label_values(&["secrets"]).inc();
        metrics.api_seconds.with_label_values(&["get"]).observe(0.1);
        metrics.judgements.with_label_values(&["regex", "match"]).inc();
        metrics.calls.with_label_values(&["p", "ok"]).inc();
        metrics.call_seconds.with_label_values(&["p"]).observe(0.1);
        metrics.requests.with_label_values(&["p"]).inc();
        metrics.batch.with_label_values(&["p"]).observe(1.0);
        metrics.joined.with_label_values(&["p"]).inc();
        metrics.throttled.with_label_values(&["p"]).inc();
        metrics.plugins.with_label_values(&["Serving"]).set(1);
        metrics.planner_is(Gauges::default());
        metrics.stores_are(&[store("p", 1.0, BreakerState::Closed)]);
        let registered: BTreeSet<_> = registry
            .gather()
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        let described: BTreeSet<_> = describe().iter().map(|doc| doc.name.to_owned()).collect();
        assert_eq!(registered, described);
    }

    #[test]
    fn our_own_metrics_follow_the_naming_rules() {
        for doc in describe().iter().filter(|doc| doc.name.starts_with("keyhole_")) {
            assert_eq!(
                doc.kind == MetricKind::Counter,
                doc.name.ends_with("_total"),
                "{}",
                doc.name
            );
            assert!(
                !doc.labels.contains(&"name") && !doc.labels.contains(&"namespace"),
                "{}",
                doc.name
            );
            assert!(doc.help.ends_with('.'), "{}", doc.name);
        }
    }

    fn store(plugin: &str, per_second: f64, breaker: BreakerState) -> StoreState {
        StoreState {
            plugin: plugin.into(),
            per_second,
            breaker,
        }
    }

    #[test]
    fn of_several_stores_the_slowest_is_shown_and_each_is_counted() {
        let objects = ObjectMetrics {
            enabled: false,
            deprecated_names: false,
        };
        let metrics = Metrics::new(&Registry::new(), objects).unwrap();
        let rate = |plugin| metrics.rate.with_label_values(&[plugin]).get();
        let count = |plugin, state| metrics.stores.with_label_values(&[plugin, state]).get();
        metrics.stores_are(&[
            store("a", 40.0, BreakerState::Closed),
            store("a", 7.0, BreakerState::Open),
            store("b", 9.0, BreakerState::HalfOpen),
        ]);
        assert_eq!((rate("a"), rate("b")), (7.0, 9.0));
        assert_eq!(
            (count("a", "closed"), count("a", "open"), count("b", "half_open")),
            (1, 1, 1)
        );
        metrics.stores_are(&[store("b", 10.0, BreakerState::Closed)]);
        assert_eq!(
            (count("a", "open"), count("b", "half_open"), count("b", "closed")),
            (0, 0, 1)
        );
    }
}
