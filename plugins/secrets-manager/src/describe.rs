//! What the plugin says of itself.

use keyhole_sdk::Description;

/// BatchGetSecretValue takes 20 names, and a fetch that must ask one by one stays well below the
/// host's 64 exchanges per call.
pub const MAX_BATCH: u32 = 20;

/// Hosts of the service in all partitions of AWS, with their FIPS and dual-stack forms.
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

/// What the plugin says of itself.
pub fn describe() -> Description {
    let description = Description::new("secrets-manager", env!("CARGO_PKG_VERSION"))
        .backend_type("secretsManager", &["secretManager"])
        .aws("secretsmanager", &["GetSecretValue", "BatchGetSecretValue"])
        .max_batch(MAX_BATCH)
        .metadata("title", "AWS Secrets Manager");
    DOMAINS.iter().fold(description, |description, domain| {
        description
            .host(format!("secretsmanager.{{region}}.{domain}"))
            .host(format!("secretsmanager-fips.{{region}}.{domain}"))
    })
}
