//! What the plugin says of itself.

use keyhole_aws::hosts::with_service;
use keyhole_sdk::Description;

/// BatchGetSecretValue takes 20 names, and a fetch that must ask one by one stays well below the
/// host's 64 exchanges per call.
pub const MAX_BATCH: u32 = 20;

/// What the plugin says of itself.
pub fn describe() -> Description {
    let description = Description::new("secrets-manager", env!("CARGO_PKG_VERSION"))
        .backend_type("secretsManager", &["secretManager"])
        .max_batch(MAX_BATCH)
        .metadata("title", "AWS Secrets Manager");
    with_service(
        description,
        "secretsmanager",
        &["GetSecretValue", "BatchGetSecretValue"],
    )
}
