//! The names of AWS endpoints.

use keyhole_sdk::Description;

/// Domains of AWS services in all partitions, each with its dual-stack form.
const DOMAINS: &[&str] = &[
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

/// The description with all endpoints of `service` among the wanted hosts, plain and FIPS, in all
/// partitions; and with the wish that the host signs these actions.
#[must_use]
pub fn with_service(description: Description, service: &str, actions: &[&str]) -> Description {
    DOMAINS
        .iter()
        .fold(description.aws(service, actions), |description, domain| {
            description
                .host(format!("{service}.{{region}}.{domain}"))
                .host(format!("{service}-fips.{{region}}.{domain}"))
        })
}
