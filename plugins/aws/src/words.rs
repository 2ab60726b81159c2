//! Faults in words: what, where, and what to do. The host adds as whom.
//!
//! The service's own message is quoted where it knows more than we do (which policy denies, which
//! parameter is wrong). It names identities and entries, never values.

use keyhole_sdk::Error;

use crate::fault::{Cause, Class, Fault};

/// Longest quotation, in bytes. With everything around it stays below the host's 1 KiB.
const QUOTED: usize = 400;

/// Who was asked for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The service as people call it, e.g. `Secrets Manager`.
    pub service: &'a str,
    /// Its region.
    pub region: &'a str,
    /// What was asked for, e.g. `secret "prod/db" in eu-west-1`.
    pub what: &'a str,
    /// The permission that it takes, e.g. `secretsmanager:GetSecretValue`.
    pub permission: &'a str,
    /// JSON Pointer to what names it in the request, e.g. `/key`.
    pub pointer: &'a str,
}

impl Asked<'_> {
    /// The fault as an error. Plugins say better what only their service means by "not found", "not
    /// readable" and "invalid".
    #[must_use]
    pub fn explain(&self, fault: &Fault) -> Error {
        let Self {
            service,
            region,
            what,
            permission,
            pointer,
        } = self;
        let error = match fault.class() {
            Class::NotFound => Error::not_found(format!("no {what}")),
            Class::NotReadable => Error::unavailable(None, format!("{what} cannot be read now{}", said(fault))),
            Class::Denied => Error::denied(format!(
                "not allowed to read {what}; allow {permission} on it{}",
                said(fault)
            )),
            Class::KeyDenied => Error::denied(format!(
                "not allowed to use the KMS key of {what}; allow kms:Decrypt on that key{}",
                said(fault)
            )),
            Class::Undecryptable => Error::denied(format!(
                "{what} cannot be decrypted with its KMS key; check that the key exists, is enabled and allows kms:Decrypt"
            )),
            Class::Unauthenticated => Error::unauthenticated(self.unauthenticated(fault)),
            Class::InvalidParameter if fault.cause == Cause::NotSent => Error::invalid(
                "/settings/region",
                format!("{service} has no endpoint for region {region:?}"),
            ),
            Class::InvalidParameter => {
                Error::invalid(*pointer, format!("{service} refuses to look up {what}{}", said(fault)))
            }
            Class::Throttled => Error::throttled(
                fault.retry_after,
                format!("{service} in {region} asks for fewer calls; it will be asked again later"),
            ),
            Class::UnknownAction => {
                let action = permission.rsplit(':').next().unwrap_or(permission);
                Error::unavailable(
                    fault.retry_after,
                    format!("the endpoint of {service} in {region} does not know {action}; check the endpoint"),
                )
            }
            Class::Unavailable => Error::unavailable(fault.retry_after, self.unavailable(fault)),
        };
        coded(error, fault)
    }

    /// The error of a request that nobody answered, which the road of a call excludes.
    #[must_use]
    pub fn unanswered(service: &str, region: &str) -> Error {
        Error::internal(format!("a request to {service} in {region} got no answer"))
    }

    fn unauthenticated(&self, fault: &Fault) -> String {
        let service = format!("{} in {}", self.service, self.region);
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

    fn unavailable(&self, fault: &Fault) -> String {
        let Self { service, region, .. } = self;
        match (fault.cause, fault.status) {
            (Cause::TimedOut, _) => format!("{service} in {region} did not answer in time"),
            (Cause::Unreadable, _) => {
                format!("what answers as {service} in {region} is not {service}; check endpoint and proxy")
            }
            (Cause::Refused, Some(status)) if fault.code.is_none() || status >= 500 => {
                format!("{service} in {region} fails with HTTP {status}")
            }
            (Cause::Refused, _) => format!("{service} in {region} fails{}", said(fault)),
            _ => format!("{service} in {region} cannot be reached"),
        }
    }
}

/// The error with the service's code, for logs.
#[must_use]
pub fn coded(error: Error, fault: &Fault) -> Error {
    match &fault.code {
        Some(code) => error.code(code.as_str()),
        None => error,
    }
}

/// The region of `arn:PARTITION:SERVICE:REGION:ACCOUNT:...`.
#[must_use]
pub fn region_of_arn(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?
        .split(':')
        .nth(2)
        .filter(|region| !region.is_empty())
}

/// The service's message as a part of ours, in one line and cut, or else its code.
#[must_use]
pub fn said(fault: &Fault) -> String {
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
