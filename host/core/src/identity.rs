//! As whom a store is asked. Identities are compared by the planner (one group has one identity) and
//! resolved to credentials by the host; they hold no secret themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The identity of a call: the operator's own or a service account's, or a role assumed from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The service account of the object's namespace that stands in place of the operator's own identity.
    /// Splits groups by namespace, since its own is part of it.
    pub account: Option<ServiceAccount>,
    /// The role that the object names, assumed from the identity above.
    pub role: Option<RoleArn>,
    /// Session tag `namespace`, when the operator was started to set it. Splits groups by namespace.
    pub namespace_tag: Option<Arc<str>>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.role, &self.account) {
            (Some(role), Some(account)) => write!(f, "role {role} of service account {account}"),
            (Some(role), None) => write!(f, "role {role}"),
            (None, Some(account)) => write!(f, "service account {account}"),
            (None, None) => f.write_str("the operator's own identity"),
        }
    }
}

/// A service account, wherever it is. Both parts are names that Kubernetes takes, so they are safe in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount {
    namespace: Arc<str>,
    name: Arc<str>,
}

/// A text that is no name of a service account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a service account; write lower-case letters, digits, dots and dashes")]
pub struct InvalidAccountName(String);

impl ServiceAccount {
    /// The account of this name in a namespace.
    ///
    /// # Errors
    ///
    /// When one of them is no name that Kubernetes takes.
    pub fn new(namespace: &str, name: &str) -> Result<Self, InvalidAccountName> {
        match [name, namespace].into_iter().find(|text| !is_object_name(text)) {
            Some(text) => Err(InvalidAccountName(text.chars().take(LONGEST_NAME).collect())),
            None => Ok(Self {
                namespace: namespace.into(),
                name: name.into(),
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What it is called there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Characters of a name of an object (RFC 1123, as Kubernetes has it).
const LONGEST_NAME: usize = 253;

/// Whether Kubernetes takes `text` as the name of an object. Such a name is one segment of a path.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The ARN of an IAM role, e.g. `arn:aws:iam::123456789012:role/app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(Arc<str>);

/// A text that is no role ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role ARN; write arn:aws:iam::ACCOUNT:role/NAME")]
pub struct InvalidRoleArn(String);

impl RoleArn {
    /// The ARN as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account that the role belongs to.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let well_formed = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some("iam")
            && parts.next() == Some("")
            && parts
                .next()
                .is_some_and(|account| !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit()))
            && parts
                .next()
                .is_some_and(|resource| resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
            && !text.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control());
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRoleArn(text.to_owned()))
        }
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arns_of_all_partitions_and_paths_parse() {
        for arn in [
            "arn:aws:iam::123456789012:role/app",
            "arn:aws-cn:iam::123456789012:role/team/app",
            "arn:aws-us-gov:iam::1:role/a",
        ] {
            assert_eq!(arn.parse::<RoleArn>().unwrap().as_str(), arn);
        }
    }

    #[test]
    fn a_role_belongs_to_the_account_of_its_arn() {
        let arn: RoleArn = "arn:aws:iam::123456789012:role/team:a/app".parse().unwrap();
        assert_eq!(arn.account(), "123456789012");
    }

    #[test]
    fn a_service_account_is_one_segment_of_a_path() {
        let account = ServiceAccount::new("team-a", "app.reader-1").unwrap();
        assert_eq!(account.to_string(), "team-a/app.reader-1");
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a..b",
            "A",
            "a b",
            "-a",
            "a-",
            "a%2f",
            "a?x=y",
            &"a".repeat(254),
        ] {
            assert!(ServiceAccount::new("team-a", name).is_err(), "{name}");
            assert!(ServiceAccount::new(name, "app").is_err(), "{name}");
        }
    }

    #[test]
    fn an_identity_says_whose_it_is() {
        let account = ServiceAccount::new("team", "app").ok();
        let role: Option<RoleArn> = "arn:aws:iam::1:role/a".parse().ok();
        let text = |account: &Option<ServiceAccount>, role: &Option<RoleArn>| {
            let identity = Identity {
                account: account.clone(),
                role: role.clone(),
                namespace_tag: None,
            };
            identity.to_string()
        };
        assert_eq!(text(&None, &None), "the operator's own identity");
        assert_eq!(text(&account, &None), "service account team/app");
        assert_eq!(text(&None, &role), "role arn:aws:iam::1:role/a");
        assert_eq!(
            text(&account, &role),
            "role arn:aws:iam::1:role/a of service account team/app"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "app",
            "arn:aws:iam::123:user/x",
            "arn:aws:iam:eu:123:role/x",
            "arn:aws:iam::123:role/",
            "arn:aws:iam::x:role/a",
            "arn:aws:iam::1:role/a b",
        ] {
            assert!(text.parse::<RoleArn>().is_err(), "{text}");
        }
    }
}
