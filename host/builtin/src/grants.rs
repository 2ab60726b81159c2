//! What the built-in plugins are granted.
//!
//! The lists repeat what the plugins say they want. That is on purpose: a plugin that comes to want
//! more must not get it by that alone.

use keyhole_sandbox::{AwsGrant, Grant, PrivateAddresses};

/// Domains of AWS services in all partitions, each with its dual-stack form.
const AWS_DOMAINS: &[&str] = &[
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

/// Reads secrets from AWS Secrets Manager in any region, over VPC endpoints too.
pub fn secrets_manager() -> Grant {
    aws("secretsmanager", &["GetSecretValue", "BatchGetSecretValue"])
}

fn aws(service: &str, actions: &[&str]) -> Grant {
    let names = AWS_DOMAINS.iter().flat_map(|domain| {
        [
            format!("{service}.{{region}}.{domain}"),
            format!("{service}-fips.{{region}}.{domain}"),
        ]
    });
    Grant {
        // Every one of them parses: a test says so.
        hosts: names.filter_map(|name| name.parse().ok()).collect(),
        private_addresses: PrivateAddresses::AwsVpc,
        aws: vec![AwsGrant {
            service: service.to_owned(),
            actions: actions.iter().map(ToString::to_string).collect(),
        }],
        ..Grant::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_all_partitions_are_granted_and_nothing_beside_them() {
        let grant = secrets_manager();
        assert_eq!(grant.hosts.len(), 2 * AWS_DOMAINS.len(), "every pattern parses");
        let granted = |host: &str| grant.hosts.iter().any(|pattern| pattern.matches("https", host, 443));
        for host in [
            "secretsmanager.eu-west-1.amazonaws.com",
            "secretsmanager-fips.us-gov-west-1.amazonaws.com",
            "secretsmanager.cn-north-1.amazonaws.com.cn",
            "secretsmanager.eu-west-1.api.aws",
            "secretsmanager.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(granted(host), "{host}");
        }
        for host in [
            "secretsmanager.amazonaws.com",
            "secretsmanager.a.b.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "secretsmanager.eu-west-1.amazonaws.com.example",
            "secretsmanager.eu-west-1.example.com",
        ] {
            assert!(!granted(host), "{host}");
        }
    }
}
