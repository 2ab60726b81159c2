//! What only Secrets Manager means by its faults, in words.

use keyhole_aws::words::{Asked, coded, region_of_arn};
use keyhole_aws::{Cause, Class, Fault};
use keyhole_sdk::Error;

use crate::ask::{Ask, Version};
use crate::settings::CURRENT;

/// The error of an ask.
pub fn explain(fault: &Fault, ask: &Ask, region: &str) -> Error {
    let secret = format!("secret {:?} in {region}", ask.secret);
    let asked = Asked {
        service: "Secrets Manager",
        region,
        what: &secret,
        permission: "secretsmanager:GetSecretValue",
        pointer: parameter(fault, ask),
    };
    match fault.class() {
        Class::NotFound => coded(Error::not_found(not_found(fault, ask, region)), fault),
        Class::NotReadable if fault.mentions("deleted") || fault.mentions("deletion") => coded(
            Error::not_found(format!(
                "{secret} is marked for deletion; restore it or use another key"
            )),
            fault,
        ),
        _ => asked.explain(fault),
    }
}

fn not_found(fault: &Fault, ask: &Ask, region: &str) -> String {
    let secret = format!("secret {:?} in {region}", ask.secret);
    if fault.cause == Cause::NoValue {
        return format!("{secret} has neither text nor bytes; put a value into it");
    }
    // "Secrets Manager can't find the specified secret value for staging label: X" or "... for
    // VersionId: X", as opposed to "... can't find the specified secret."
    let version_is_missing = fault.mentions("secret value for");
    match &ask.version {
        Version::Id(id) if version_is_missing => format!("{secret} has no version {id:?}"),
        Version::Stage(stage) if version_is_missing && stage == CURRENT => {
            format!("{secret} has no value yet; put one into it")
        }
        Version::Stage(stage) if version_is_missing => format!("{secret} has no version with stage {stage:?}"),
        _ => match region_of_arn(&ask.secret) {
            Some(other) if other != region => {
                format!(
                    "no secret {:?} in {region}; its ARN is of region {other}, set spec.region",
                    ask.secret
                )
            }
            _ => format!("no secret {:?} in {region}", ask.secret),
        },
    }
}

/// JSON Pointer to what the service refuses.
fn parameter(fault: &Fault, ask: &Ask) -> &'static str {
    match &ask.version {
        Version::Id(_) if fault.mentions("version") => "/options/versionId",
        Version::Stage(stage) if stage != CURRENT && (fault.mentions("version") || fault.mentions("stag")) => {
            "/options/versionStage"
        }
        _ => "/key",
    }
}

#[cfg(test)]
mod tests;
