//! Who may do what. Everything is allowed until a test denies it.

use serde::{Deserialize, Serialize};

use crate::keyring::Principal;

/// A denial: whoever matches `principal` may not do `action` on `resource`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deny {
    /// User or role ARN; everybody when absent.
    #[serde(default)]
    pub principal: Option<String>,
    /// E.g. `secretsmanager:BatchGetSecretValue` or `sts:AssumeRole`.
    pub action: String,
    /// Name or ARN of a secret or parameter, a path, or ARN of a role; all of them when absent.
    #[serde(default)]
    pub resource: Option<String>,
}

impl Deny {
    /// Denies everybody `action` on everything.
    #[must_use]
    pub fn action(action: &str) -> Self {
        Self {
            principal: None,
            action: action.to_owned(),
            resource: None,
        }
    }

    /// Nobody may assume `role_arn`.
    #[must_use]
    pub fn role(role_arn: &str) -> Self {
        Self::action("sts:AssumeRole").on(role_arn)
    }

    /// Narrows the denial to a user or role.
    #[must_use]
    pub fn to(mut self, principal: &str) -> Self {
        self.principal = Some(principal.to_owned());
        self
    }

    /// Narrows the denial to a secret or parameter (name or ARN), a path, or a role.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Whether this denial hits; `names` are all names by which the resource is known.
    pub fn hits(&self, principal: &Principal, action: &str, names: &[&str]) -> bool {
        self.action == action
            && self.principal.as_deref().is_none_or(|arn| principal.is(arn))
            && self
                .resource
                .as_deref()
                .is_none_or(|resource| names.contains(&resource))
    }
}
