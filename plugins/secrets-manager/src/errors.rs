//! Faults in words: what, where, and what to do. The host adds as whom.
//!
//! The service's own message is quoted where it knows more than we do (which policy denies, which
//! parameter is wrong). It names identities and secrets, never values.

use keyhole_sdk::Error;

use crate::ask::{Ask, Version};
use crate::fault::{Cause, Class, Fault};
use crate::settings::CURRENT;

/// Longest quotation, in bytes. With everything around it stays below the host's 1 KiB.
const QUOTED: usize = 400;

/// The error of an ask.
pub fn explain(fault: &Fault, ask: &Ask, region: &str) -> Error {
    let secret = format!("secret {:?} in {region}", ask.secret);
    let error = match fault.class() {
        Class::NotFound => Error::not_found(not_found(fault, ask, region)),
        Class::NotReadable if fault.mentions("deleted") || fault.mentions("deletion") => Error::not_found(format!(
            "{secret} is marked for deletion; restore it or use another key"
        )),
        Class::NotReadable => Error::unavailable(None, format!("{secret} cannot be read now{}", said(fault))),
        Class::Denied => Error::denied(format!(
            "not allowed to read {secret}; allow secretsmanager:GetSecretValue on it{}",
            said(fault)
        )),
        Class::KeyDenied => Error::denied(format!(
            "not allowed to use the KMS key of {secret}; allow kms:Decrypt on that key{}",
            said(fault)
        )),
        Class::Undecryptable => Error::denied(format!(
            "{secret} cannot be decrypted with its KMS key; check that the key exists, is enabled and allows kms:Decrypt"
        )),
        Class::Unauthenticated => Error::unauthenticated(unauthenticated(fault, region)),
        Class::InvalidParameter if fault.cause == Cause::NotSent => Error::invalid(
            "/settings/region",
            format!("Secrets Manager has no endpoint for region {region:?}"),
        ),
        Class::InvalidParameter => Error::invalid(
            parameter(fault, ask),
            format!("Secrets Manager refuses to look up {secret}{}", said(fault)),
        ),
        Class::Throttled => Error::throttled(
            fault.retry_after,
            format!("Secrets Manager in {region} asks for fewer calls; it will be asked again later"),
        ),
        Class::UnknownAction => Error::unavailable(
            fault.retry_after,
            format!("the endpoint of Secrets Manager in {region} does not know GetSecretValue; check the endpoint"),
        ),
        Class::Unavailable => Error::unavailable(fault.retry_after, unavailable(fault, region)),
    };
    match &fault.code {
        Some(code) => error.code(code.as_str()),
        None => error,
    }
}

/// The error of a request that nobody answered, which the road of a call excludes.
pub fn unanswered(region: &str) -> Error {
    Error::internal(format!("a request to Secrets Manager in {region} got no answer"))
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

/// `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
fn region_of_arn(secret: &str) -> Option<&str> {
    secret
        .strip_prefix("arn:")?
        .split(':')
        .nth(2)
        .filter(|region| !region.is_empty())
}

fn unauthenticated(fault: &Fault, region: &str) -> String {
    let service = format!("Secrets Manager in {region}");
    match fault.code.as_deref().unwrap_or_default() {
        "ExpiredToken" | "ExpiredTokenException" => format!("{service} says that the AWS session has expired"),
        "RequestExpired" | "RequestTimeTooSkewed" => {
            format!("{service} says that the request is out of date; check the clock of the node")
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if fault.mentions("expired") || fault.mentions("not yet current") =>
        {
            format!("{service} says that the signature is out of date; check the clock of the node")
        }
        "OptInRequired" => format!("the AWS account may not use {service}; enable the region for the account"),
        _ => format!("{service} does not accept the AWS credentials; check where the operator takes them from"),
    }
}

fn unavailable(fault: &Fault, region: &str) -> String {
    match (fault.cause, fault.status) {
        (Cause::TimedOut, _) => format!("Secrets Manager in {region} did not answer in time"),
        (Cause::Unreadable, _) => {
            format!("what answers as Secrets Manager in {region} is not Secrets Manager; check endpoint and proxy")
        }
        (Cause::Refused, Some(status)) if fault.code.is_none() || status >= 500 => {
            format!("Secrets Manager in {region} fails with HTTP {status}")
        }
        (Cause::Refused, _) => format!("Secrets Manager in {region} fails{}", said(fault)),
        _ => format!("Secrets Manager in {region} cannot be reached"),
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

/// The service's message as a part of ours, in one line and cut, or else its code.
fn said(fault: &Fault) -> String {
    let text = fault
        .message
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        .or(fault.code.as_deref());
    let Some(text) = text else { return String::new() };
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > QUOTED {
        let end = (0..=QUOTED)
            .rev()
            .find(|&end| line.is_char_boundary(end))
            .unwrap_or_default();
        line.truncate(end);
        line.push_str("...");
    }
    format!(" (AWS: {line})")
}

#[cfg(test)]
mod tests;
