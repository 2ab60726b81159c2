//! Namespaces by their labels, as `spec.namespaces` of a BackendPlugin selects them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};

/// A selector that can be used. One without any requirement selects every namespace, as everywhere in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSelector(Selector);

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("matchExpressions[{position}]: {why}")]
pub struct InvalidSelector {
    position: usize,
    why: String,
}

impl NamespaceSelector {
    /// Whether a namespace with these labels is selected.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }

    /// Whether it selects every namespace.
    #[must_use]
    pub fn selects_all(&self) -> bool {
        self.0.selects_all()
    }
}

impl TryFrom<&LabelSelector> for NamespaceSelector {
    type Error = InvalidSelector;

    fn try_from(selector: &LabelSelector) -> Result<Self, Self::Error> {
        for (position, requirement) in selector.match_expressions.iter().flatten().enumerate() {
            let values = requirement.values.as_deref().unwrap_or_default();
            let why = match &*requirement.operator {
                _ if requirement.key.is_empty() => "the key is missing; write the name of a label".to_owned(),
                "In" | "NotIn" if values.is_empty() => {
                    format!("{} needs values; name at least one", requirement.operator)
                }
                "Exists" | "DoesNotExist" if !values.is_empty() => {
                    format!("{} takes no values; remove them", requirement.operator)
                }
                "In" | "NotIn" | "Exists" | "DoesNotExist" => continue,
                other => format!("operator {other:?} is unknown; write In, NotIn, Exists or DoesNotExist"),
            };
            return Err(InvalidSelector { position, why });
        }
        let selector = Selector::try_from(selector.clone()).map_err(|error| InvalidSelector {
            position: 0,
            why: error.to_string(),
        })?;
        Ok(Self(selector))
    }
}

impl fmt::Display for NamespaceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn selector(selector: Json) -> Result<NamespaceSelector, String> {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        NamespaceSelector::try_from(&selector).map_err(|error| error.to_string())
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let selector = selector(json!({
            "matchLabels": {"tier": "prod"},
            "matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}, {"key": "legacy", "operator": "DoesNotExist"}],
        }))
        .unwrap();
        assert!(selector.selects(&labels(&[("tier", "prod"), ("team", "b")])));
        for refused in [
            &[("tier", "prod")][..],
            &[("tier", "dev"), ("team", "a")],
            &[("tier", "prod"), ("team", "a"), ("legacy", "")],
        ] {
            assert!(!selector.selects(&labels(refused)), "{refused:?}");
        }
        assert_eq!(selector.to_string(), "tier=prod,team in (a,b),!legacy");
    }

    #[test]
    fn an_empty_selector_selects_everything() {
        let selector = selector(json!({})).unwrap();
        assert!(selector.selects_all() && selector.selects(&BTreeMap::new()));
    }

    #[test]
    fn mistakes_are_named() {
        let of = |requirement: Json| selector(json!({"matchExpressions": [requirement]})).unwrap_err();
        assert_eq!(
            of(json!({"key": "a", "operator": "in", "values": ["x"]})),
            "matchExpressions[0]: operator \"in\" is unknown; write In, NotIn, Exists or DoesNotExist"
        );
        assert_eq!(
            of(json!({"key": "a", "operator": "NotIn"})),
            "matchExpressions[0]: NotIn needs values; name at least one"
        );
        assert_eq!(
            of(json!({"key": "a", "operator": "Exists", "values": ["x"]})),
            "matchExpressions[0]: Exists takes no values; remove them"
        );
        assert!(of(json!({"key": "", "operator": "Exists"})).contains("the key is missing"));
    }
}
