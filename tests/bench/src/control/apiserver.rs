//! What the API server was asked, by its own metrics.

use std::collections::BTreeMap;

/// `apiserver_request_total`, by resource, subresource and verb.
pub struct Requests(BTreeMap<(String, String, String), u64>);

impl Requests {
    /// The counts now.
    pub async fn of(api: &kube::Client) -> anyhow::Result<Self> {
        let request = hyper::Request::get("/metrics").body(Vec::new())?;
        let text = api.request_text(request).await?;
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let Some((labels, value)) = line
                .strip_prefix("apiserver_request_total{")
                .and_then(|rest| rest.split_once("} "))
            else {
                continue;
            };
            let label = |name: &str| {
                labels
                    .split(',')
                    .find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
                    .unwrap_or_default()
            };
            let key = (
                label("resource").to_owned(),
                label("subresource").to_owned(),
                label("verb").to_owned(),
            );
            *counts.entry(key).or_insert(0) += value.trim().parse::<f64>().unwrap_or(0.0) as u64;
        }
        Ok(Self(counts))
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let added = self
            .0
            .iter()
            .map(|(key, count)| (key.clone(), count - earlier.0.get(key).copied().unwrap_or(0)));
        Self(added.collect())
    }

    /// Creates, replacements, patches and deletions.
    pub fn writes(&self, resource: &str, subresource: &str) -> u64 {
        self.sum(resource, subresource, &["POST", "PUT", "PATCH", "APPLY", "DELETE"])
    }

    /// Reads of single objects and lists; watches are counted when they end, and are left out.
    pub fn reads(&self, resource: &str) -> u64 {
        self.sum(resource, "", &["GET", "LIST"])
    }

    fn sum(&self, resource: &str, subresource: &str, verbs: &[&str]) -> u64 {
        self.0
            .iter()
            .filter(|((r, s, verb), _)| r == resource && s == subresource && verbs.contains(&verb.as_str()))
            .map(|(_, count)| count)
            .sum()
    }
}
