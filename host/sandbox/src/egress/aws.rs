//! Which hosts are endpoints of which AWS service.
//!
//! Only requests to these are signed. The forms are those that AWS publishes for every partition:
//! plain, FIPS and dual-stack. All belong to AWS; a signed request can reach nobody else.

use crate::grant::AwsGrant;

/// An endpoint of a granted service, as its host name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) grant: &'a AwsGrant,
    pub(super) region: &'a str,
}

/// Domains of endpoints, with what the names of their regions start with; the rest have the first two.
const PARTITIONS: [(&str, &[&str]); 3] = [
    ("cn-", &["amazonaws.com.cn", "api.amazonwebservices.com.cn"]),
    ("eusc-", &["amazonaws.eu", "api.amazonwebservices.eu"]),
    // The standard partition and GovCloud (`us-gov-`).
    ("", &["amazonaws.com", "api.aws"]),
];

/// The endpoint that `host` (lower-case, no trailing dot) is, if one of these grants is for its service.
pub(super) fn endpoint<'a>(host: &'a str, grants: &'a [AwsGrant]) -> Option<Endpoint<'a>> {
    let (first, rest) = host.split_once('.')?;
    let (region, domain) = rest.split_once('.')?;
    let (_, domains) = PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix))?;
    if !domains.contains(&domain) || !is_region(region) {
        return None;
    }
    let grant = grants.iter().find(|grant| {
        first
            .strip_prefix(grant.service.as_str())
            .is_some_and(|rest| matches!(rest, "" | "-fips"))
    })?;
    Some(Endpoint { grant, region })
}

fn is_region(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Vec<AwsGrant> {
        ["secretsmanager", "ssm"]
            .map(|service| AwsGrant {
                service: service.to_owned(),
                actions: Vec::new(),
            })
            .into()
    }

    #[test]
    fn all_published_forms_are_known() {
        for (host, region) in [
            ("secretsmanager.eu-west-1.amazonaws.com", "eu-west-1"),
            ("secretsmanager-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("secretsmanager.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("secretsmanager-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("secretsmanager.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("secretsmanager.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1"),
            ("secretsmanager.eu-west-1.api.aws", "eu-west-1"),
            ("secretsmanager-fips.us-east-2.api.aws", "us-east-2"),
            ("secretsmanager.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
        ] {
            let grants = grants();
            let found = endpoint(host, &grants).unwrap_or_else(|| panic!("{host}"));
            assert_eq!((found.grant.service.as_str(), found.region), ("secretsmanager", region));
        }
        assert_eq!(
            endpoint("ssm.eu-west-1.amazonaws.com", &grants())
                .unwrap()
                .grant
                .service,
            "ssm"
        );
    }

    #[test]
    fn other_hosts_are_not() {
        for host in [
            "secretsmanager.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com.evil.example",
            "secretsmanager.eu-west-1.evil.example",
            "secretsmanager.a.b.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com.cn",
            "secretsmanager.cn-north-1.amazonaws.com",
            "secretsmanager-evil.eu-west-1.amazonaws.com",
            "secretsmanagerx.eu-west-1.amazonaws.com",
            "evil.secretsmanager.eu-west-1.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "secretsmanager..amazonaws.com",
            "secretsmanager.s3.eu-west-1.amazonaws.com",
            "secretsmanager.eu_west.amazonaws.com",
            "",
        ] {
            assert_eq!(endpoint(host, &grants()), None, "{host}");
        }
    }
}
