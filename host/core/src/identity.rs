//! As whom a store is asked. Identities are compared by the planner (one group has one identity) and
//! resolved to credentials by the host; they hold no secret themselves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The identity of a call: the operator's own, or a role assumed from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The role that the object names, assumed from the operator's own identity.
    pub role: Option<RoleArn>,
    /// Session tag `namespace`, when the operator was started to set it. Splits groups by namespace.
    pub namespace_tag: Option<Arc<str>>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            Some(role) => write!(f, "role {role}"),
            None => f.write_str("the operator's own identity"),
        }
    }
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
