//! What the plugin says of itself.

use keyhole_aws::hosts::with_service;
use keyhole_sdk::Description;

/// GetParameters takes 10 names.
pub const MAX_BATCH: u32 = 10;

/// What the plugin says of itself.
pub fn describe() -> Description {
    let description = Description::new("system-manager", env!("CARGO_PKG_VERSION"))
        .backend_type("systemManager", &[])
        .max_batch(MAX_BATCH)
        .metadata("title", "AWS Systems Manager Parameter Store");
    let actions = ["GetParameter", "GetParameters", "GetParametersByPath"];
    with_service(description, "ssm", &actions)
}
