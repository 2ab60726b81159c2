//! What the annotations of a namespace allow its objects.
//!
//! KES lets an administrator limit keys and roles per namespace by regular expressions in annotations.
//! This version cannot judge such an expression, and an operator that takes a limit for a comment hands
//! one tenant another tenant's values. So whatever is limited is refused, with the annotation named; an
//! expression that allows everything limits nothing.

use std::collections::BTreeMap;

use keyhole_api::names::{NAMING_PERMITTED_ANNOTATION, ROLE_PERMITTED_ANNOTATION};
use keyhole_core::{Failure, Reason};

use crate::plan::ObjectPlan;

/// Expressions that match every text, as administrators write them.
const EVERYTHING: [&str; 5] = ["", ".*", "^.*$", "^.*", ".*$"];

/// Which of the two limits a namespace has. The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceRules {
    keys_limited: bool,
    roles_limited: bool,
}

impl NamespaceRules {
    /// The rules that these annotations make.
    #[must_use]
    pub fn of(annotations: &BTreeMap<String, String>) -> Self {
        let limits = |name: &str| {
            annotations
                .get(name)
                .is_some_and(|rule| !EVERYTHING.contains(&rule.as_str()))
        };
        Self {
            keys_limited: limits(NAMING_PERMITTED_ANNOTATION),
            roles_limited: limits(ROLE_PERMITTED_ANNOTATION),
        }
    }

    /// Why the plan must not be fetched, if so. When both limits deny, the role is named, as in KES.
    #[must_use]
    pub fn refusal(self, plan: &ObjectPlan) -> Option<Failure> {
        let (annotation, what) = match &plan.group.identity.role {
            Some(role) if self.roles_limited => {
                (ROLE_PERMITTED_ANNOTATION, format!("roles, and the object uses {role}"))
            }
            _ if self.keys_limited => (NAMING_PERMITTED_ANNOTATION, "keys".to_owned()),
            _ => return None,
        };
        let message = format!(
            "annotation {annotation} of namespace {} limits {what}; this version cannot judge the limit, so nothing is fetched",
            plan.key.namespace
        );
        let remedy = "remove the annotation, or set it to .*, only if the namespace may fetch everything";
        Some(Failure::new(Reason::NotPermitted, message).remedy(remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(annotations: &[(&str, &str)]) -> NamespaceRules {
        let owned = annotations
            .iter()
            .map(|(name, rule)| ((*name).to_owned(), (*rule).to_owned()));
        NamespaceRules::of(&owned.collect())
    }

    #[test]
    fn absent_empty_and_everything_limit_nothing() {
        for rule in EVERYTHING {
            let both = [(NAMING_PERMITTED_ANNOTATION, rule), (ROLE_PERMITTED_ANNOTATION, rule)];
            assert_eq!(rules(&both), NamespaceRules::default(), "{rule}");
        }
        assert_eq!(rules(&[("other", "x")]), NamespaceRules::default());
    }

    #[test]
    fn any_other_expression_limits() {
        assert!(rules(&[(NAMING_PERMITTED_ANNOTATION, "^team-a/")]).keys_limited);
        assert!(rules(&[(ROLE_PERMITTED_ANNOTATION, "arn:aws:iam::1:role/a")]).roles_limited);
        assert!(rules(&[(NAMING_PERMITTED_ANNOTATION, " ")]).keys_limited);
    }
}
