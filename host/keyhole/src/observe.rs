//! What happens in sandboxes, as metrics. The planner counts calls as it sees them; here is what they cost.

use keyhole_controller::metrics::{MetricDoc, MetricKind};
use keyhole_core::{CallError, PluginId};
use keyhole_sandbox::{CallObserver, CallStats, Engine, Export};
use prometheus::core::Collector;
use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

const CALLS: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_calls_total",
    kind: MetricKind::Counter,
    help: "Calls into sandboxes by function of the contract and result: ok, or the way in which the call failed.",
    labels: &["plugin", "function", "result"],
};
const SECONDS: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_call_duration_seconds",
    kind: MetricKind::Histogram,
    help: "Duration of calls, without the wait for a free sandbox.",
    labels: &["plugin", "function"],
};
const CPU: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_cpu_seconds_total",
    kind: MetricKind::Counter,
    help: "CPU time of calls.",
    labels: &["plugin"],
};
const EXCHANGES: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_http_exchanges_total",
    kind: MetricKind::Counter,
    help: "HTTP exchanges that plugins began, refused ones included.",
    labels: &["plugin"],
};
const LOG_LINES: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_log_lines_total",
    kind: MetricKind::Counter,
    help: "Log lines that plugins wrote, those that were not kept included.",
    labels: &["plugin"],
};
const MEMORY: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_call_memory_bytes",
    kind: MetricKind::Histogram,
    help: "Memory of a call at its largest.",
    labels: &["plugin"],
};
const INSTANCES: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_instances",
    kind: MetricKind::Gauge,
    help: "Sandboxes that live now.",
    labels: &[],
};
const MEMORY_NOW: MetricDoc = MetricDoc {
    name: "keyhole_sandbox_memory_bytes",
    kind: MetricKind::Gauge,
    help: "Memory of all sandboxes that live now.",
    labels: &[],
};
const BUILD: MetricDoc = MetricDoc {
    name: "keyhole_build_info",
    kind: MetricKind::Gauge,
    help: "Always 1; the label says which version runs.",
    labels: &["version"],
};

/// Everything that this module registers, for the reference.
pub const TABLE: [MetricDoc; 9] = [
    BUILD, CALLS, SECONDS, CPU, MEMORY, EXCHANGES, LOG_LINES, INSTANCES, MEMORY_NOW,
];

/// Counts calls.
pub struct Calls {
    calls: IntCounterVec,
    seconds: HistogramVec,
    cpu: CounterVec,
    memory: HistogramVec,
    exchanges: IntCounterVec,
    log_lines: IntCounterVec,
}

impl Calls {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |doc: &MetricDoc| add(registry, IntCounterVec::new(Opts::new(doc.name, doc.help), doc.labels)?);
        let histogram = |doc: &MetricDoc, buckets: Vec<f64>| {
            let opts = HistogramOpts::new(doc.name, doc.help).buckets(buckets);
            add(registry, HistogramVec::new(opts, doc.labels)?)
        };
        let build = add(
            registry,
            prometheus::IntGaugeVec::new(Opts::new(BUILD.name, BUILD.help), BUILD.labels)?,
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            calls: counter(&CALLS)?,
            // From 1 ms, a call that is answered from memory, to 32 s, beyond the default wall clock.
            seconds: histogram(&SECONDS, prometheus::exponential_buckets(0.001, 2.0, 16)?)?,
            cpu: add(registry, CounterVec::new(Opts::new(CPU.name, CPU.help), CPU.labels)?)?,
            // From 1 MiB to 128 MiB; the default limit is 64 MiB.
            memory: histogram(&MEMORY, prometheus::exponential_buckets(f64::from(1 << 20), 2.0, 8)?)?,
            exchanges: counter(&EXCHANGES)?,
            log_lines: counter(&LOG_LINES)?,
        })
    }
}

impl CallObserver for Calls {
    fn call_ended(&self, plugin: &PluginId, export: Export, stats: &CallStats, error: Option<&CallError>) {
        let plugin = &*plugin.name;
        let result = error.map_or("ok", CallError::label);
        self.calls.with_label_values(&[plugin, export.label(), result]).inc();
        self.seconds
            .with_label_values(&[plugin, export.label()])
            .observe(stats.wall.as_secs_f64());
        self.cpu.with_label_values(&[plugin]).inc_by(stats.cpu.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a histogram needs no exact bytes")]
        self.memory
            .with_label_values(&[plugin])
            .observe(stats.peak_memory as f64);
        self.exchanges
            .with_label_values(&[plugin])
            .inc_by(u64::from(stats.exchanges));
        self.log_lines
            .with_label_values(&[plugin])
            .inc_by(stats.log_lines as u64);
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// The engine's gauges, read at each scrape.
pub struct EngineGauges {
    engine: Engine,
    instances: IntGauge,
    memory: IntGauge,
}

impl EngineGauges {
    /// Registers the gauges.
    pub fn register(registry: &Registry, engine: Engine) -> prometheus::Result<Self> {
        let gauge = |doc: &MetricDoc| add(registry, IntGauge::new(doc.name, doc.help)?);
        Ok(Self {
            engine,
            instances: gauge(&INSTANCES)?,
            memory: gauge(&MEMORY_NOW)?,
        })
    }

    /// Brings them up to date.
    pub fn refresh(&self) {
        self.instances
            .set(i64::try_from(self.engine.live_instances()).unwrap_or(i64::MAX));
        self.memory
            .set(i64::try_from(self.engine.limiter_bytes()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_shows_in_every_metric_of_the_table() {
        let registry = Registry::new();
        let calls = Calls::register(&registry).unwrap();
        let engine = Engine::new(&keyhole_sandbox::EngineConfig {
            slots: 1,
            ..Default::default()
        })
        .unwrap();
        EngineGauges::register(&registry, engine).unwrap().refresh();
        let plugin = PluginId {
            name: "p".into(),
            digest: "sha256:00".into(),
        };
        let stats = CallStats {
            cpu: Duration::from_millis(500),
            exchanges: 2,
            ..CallStats::default()
        };
        calls.call_ended(&plugin, Export::Fetch, &stats, None);
        calls.call_ended(&plugin, Export::Fetch, &stats, Some(&CallError::Trap("x".into())));
        let mut described: Vec<_> = TABLE.iter().map(|doc| doc.name).collect();
        described.sort_unstable();
        let registered: Vec<_> = registry
            .gather()
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        assert_eq!(registered, described);
        assert_eq!(calls.calls.with_label_values(&["p", "fetch", "trap"]).get(), 1);
        assert!((calls.cpu.with_label_values(&["p"]).get() - 1.0).abs() < 1e-9);
    }
}
