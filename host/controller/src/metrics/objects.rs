//! KES's series, which carry the name of each object.
//!
//! Kept as one small record per object and turned into series at a scrape: the usual vectors hold
//! their labels and description anew for each series, some kilobytes per object. A record goes with
//! its object (KES keeps its series for ever).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::table::{self, MetricDoc, MetricKind};

/// KES's counter and gauge for every object.
#[derive(Clone, Debug)]
pub struct ObjectSeries {
    families: Arc<[Family]>,
    records: Arc<Mutex<Records>>,
}

/// By namespace, then name.
type Records = BTreeMap<Box<str>, BTreeMap<Box<str>, Record>>;

#[derive(Debug)]
struct Family {
    doc: MetricDoc,
    desc: Desc,
}

#[derive(Debug)]
struct Record {
    backend: Box<str>,
    successes: u64,
    errors: u64,
    succeeded: bool,
}

impl ObjectSeries {
    pub(super) fn new(deprecated_names: bool) -> Result<Self, prometheus::Error> {
        let current = [table::KES_SYNCS, table::KES_STATE];
        let deprecated = [table::KES_SYNCS_DEPRECATED, table::KES_STATE_DEPRECATED];
        let docs = current
            .into_iter()
            .chain(deprecated.into_iter().filter(|_| deprecated_names));
        let families: Result<Vec<_>, prometheus::Error> = docs
            .map(|doc| {
                let labels = doc.labels.iter().map(|label| (*label).to_owned()).collect();
                let desc = Desc::new(
                    doc.name.to_owned(),
                    doc.help.to_owned(),
                    labels,
                    std::collections::HashMap::new(),
                )?;
                Ok(Family { doc, desc })
            })
            .collect();
        Ok(Self {
            families: families?.into(),
            records: Arc::default(),
        })
    }

    /// Counts a sync of the object.
    pub fn record(&self, namespace: &str, name: &str, backend: &str, succeeded: bool) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let names = match records.get_mut(namespace) {
            Some(names) => names,
            None => records.entry(namespace.into()).or_default(),
        };
        if names.get(name).is_none_or(|record| &*record.backend != backend) {
            names.insert(
                name.into(),
                Record {
                    backend: backend.into(),
                    successes: 0,
                    errors: 0,
                    succeeded,
                },
            );
        }
        if let Some(record) = names.get_mut(name) {
            record.succeeded = succeeded;
            if succeeded {
                record.successes += 1;
            } else {
                record.errors += 1;
            }
        }
    }

    /// Drops the series of an object that is gone.
    pub fn remove(&self, namespace: &str, name: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = records.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                records.remove(namespace);
            }
        }
    }
}

impl Collector for ObjectSeries {
    fn desc(&self) -> Vec<&Desc> {
        self.families.iter().map(|family| &family.desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        self.families.iter().map(|family| family.collect(&records)).collect()
    }
}

impl Family {
    fn collect(&self, records: &Records) -> MetricFamily {
        let objects = records
            .iter()
            .flat_map(|(namespace, names)| names.iter().map(move |(name, r)| (namespace, name, r)));
        let metrics = objects
            .flat_map(|(namespace, name, record)| {
                let labels = [
                    ("name", &**name),
                    ("namespace", &**namespace),
                    ("backend", &*record.backend),
                ];
                match self.doc.kind {
                    MetricKind::Counter => [("success", record.successes), ("error", record.errors)]
                        .into_iter()
                        .filter(|(_, count)| *count > 0)
                        .map(|(status, count)| counter(&labels, status, count))
                        .collect(),
                    _ => vec![gauge(&labels, if record.succeeded { 1.0 } else { -1.0 })],
                }
            })
            .collect();
        let mut family = MetricFamily::default();
        family.set_name(self.doc.name.to_owned());
        family.set_help(self.doc.help.to_owned());
        family.set_field_type(if self.doc.kind == MetricKind::Counter {
            MetricType::COUNTER
        } else {
            MetricType::GAUGE
        });
        family.set_metric(metrics);
        family
    }
}

fn pairs<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    labels.into_iter().map(pair).collect()
}

fn counter(labels: &[(&str, &str)], status: &str, count: u64) -> Metric {
    let mut value = Counter::default();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in f64")]
    value.set_value(count as f64);
    let mut metric = Metric::default();
    metric.set_label(pairs(labels.iter().copied().chain([("status", status)])));
    metric.set_counter(value);
    metric
}

fn gauge(labels: &[(&str, &str)], state: f64) -> Metric {
    let mut value = Gauge::default();
    value.set_value(state);
    let mut metric = Metric::default();
    metric.set_label(pairs(labels.iter().copied()));
    metric.set_gauge(value);
    metric
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Encoder as _, Registry, TextEncoder};

    fn scrape(series: &ObjectSeries) -> String {
        let registry = Registry::new();
        registry.register(Box::new(series.clone())).unwrap();
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn one_success_and_one_failure_give_the_lines_of_kes() {
        let series = ObjectSeries::new(false).unwrap();
        let state =
            r#"kubernetes_external_secrets_last_sync_call_state{name="db",namespace="ns",backend="secretsManager"}"#;
        let count = r#"kubernetes_external_secrets_sync_calls_count{name="db",namespace="ns",backend="secretsManager""#;
        series.record("ns", "db", "secretsManager", true);
        assert!(scrape(&series).contains(&format!("{state} 1\n")));
        series.record("ns", "db", "secretsManager", false);
        let text = scrape(&series);
        assert!(text.contains(&format!("{state} -1\n")), "{text}");
        assert!(text.contains(&format!("{count},status=\"success\"}} 1\n")), "{text}");
        assert!(text.contains(&format!("{count},status=\"error\"}} 1\n")), "{text}");
        assert!(!text.contains("last_state{"), "{text}");
    }

    #[test]
    fn the_deprecated_names_are_there_when_asked_for() {
        let series = ObjectSeries::new(true).unwrap();
        series.record("ns", "db", "secretsManager", true);
        let text = scrape(&series);
        assert!(
            text.contains("\nsync_calls{") && text.contains("\nlast_state{"),
            "{text}"
        );
    }

    #[test]
    fn the_series_of_an_object_that_is_gone_are_gone() {
        let series = ObjectSeries::new(false).unwrap();
        series.record("ns", "a", "x", true);
        series.record("ns", "b", "x", true);
        series.remove("ns", "a");
        let text = scrape(&series);
        assert!(!text.contains("name=\"a\"") && text.contains("name=\"b\""), "{text}");
        series.remove("ns", "b");
        assert!(series.records.lock().unwrap().is_empty());
    }

    #[test]
    fn a_change_of_backend_starts_new_series() {
        let series = ObjectSeries::new(false).unwrap();
        series.record("ns", "a", "x", true);
        series.record("ns", "a", "y", true);
        let text = scrape(&series);
        assert!(
            !text.contains("backend=\"x\"") && text.contains("backend=\"y\""),
            "{text}"
        );
    }
}
