//! What the built-in plugins are granted.
//!
//! The lists repeat what the plugins say they want. That is on purpose: a plugin that comes to want
//! more must not get it by that alone.

use keyhole_core::limits::Limits;
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

/// HTTP exchanges of one call of [`system_manager`]: a path has ten parameters on a page.
const PATH_EXCHANGES: u32 = 512;

/// Reads parameters from AWS Systems Manager Parameter Store in any region, over VPC endpoints too.
pub fn system_manager() -> Grant {
    let grant = aws("ssm", &["GetParameter", "GetParameters", "GetParametersByPath"]);
    Grant {
        limits: Limits {
            exchanges: PATH_EXCHANGES,
            ..grant.limits
        },
        ..grant
    }
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
        for (service, grant) in [("secretsmanager", secrets_manager()), ("ssm", system_manager())] {
            assert_eq!(grant.hosts.len(), 2 * AWS_DOMAINS.len(), "every pattern parses");
            let granted = |host: &str| grant.hosts.iter().any(|pattern| pattern.matches("https", host, 443));
            for host in [
                ".eu-west-1.amazonaws.com",
                "-fips.us-gov-west-1.amazonaws.com",
                ".cn-north-1.amazonaws.com.cn",
                ".eu-west-1.api.aws",
                ".eusc-de-east-1.amazonaws.eu",
            ] {
                assert!(granted(&format!("{service}{host}")), "{service}{host}");
            }
            for host in [
                format!("{service}.amazonaws.com"),
                format!("{service}.a.b.amazonaws.com"),
                "s3.eu-west-1.amazonaws.com".to_owned(),
                format!("{service}.eu-west-1.amazonaws.com.example"),
                format!("{service}.eu-west-1.example.com"),
                format!("{service}messages.eu-west-1.amazonaws.com"),
            ] {
                assert!(!granted(&host), "{host}");
            }
            let [aws] = &grant.aws[..] else {
                panic!("{:?}", grant.aws)
            };
            assert_eq!(aws.service, service);
            assert!(
                aws.actions.iter().all(|action| action.contains("Get")),
                "nothing writes"
            );
        }
    }

    #[test]
    fn only_paths_need_more_exchanges_than_other_plugins() {
        assert_eq!(secrets_manager().limits, Limits::default());
        assert_eq!(system_manager().limits.exchanges, 512);
    }
}
