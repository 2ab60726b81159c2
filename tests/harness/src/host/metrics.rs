//! Prometheus's text format, as far as tests ask for it.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
    text: String,
}

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads the text format; lines that are no samples are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(sample)
            .collect();
        Self {
            samples,
            text: text.to_owned(),
        }
    }

    /// Sum over all series of this name that have these labels; 0 when there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Whether there is a series of this name with these labels.
    #[must_use]
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The scrape as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
        })
    }
}

/// `name{label="value",...} number`
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let mut parsed = BTreeMap::new();
    for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
        let (label, value) = pair.split_once("=\"")?;
        let value = value.strip_suffix('"').unwrap_or(value);
        parsed.insert(label.to_owned(), value.replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    Some(Sample {
        name: name.to_owned(),
        labels: parsed,
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_over_the_labels_that_are_not_named() {
        let metrics = Metrics::parse("# HELP x y\na_total{b=\"c\",d=\"e, f\"} 2\na_total{b=\"g\"} 3\nh 1.5\n");
        assert_eq!(metrics.sum("a_total", &[]), 5.0);
        assert_eq!(metrics.sum("a_total", &[("d", "e, f")]), 2.0);
        assert_eq!(metrics.sum("h", &[]), 1.5);
        assert!(!metrics.has("a_total", &[("b", "x")]));
    }
}
