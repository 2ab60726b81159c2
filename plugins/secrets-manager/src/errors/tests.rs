use keyhole_sdk::ErrorKind;

use super::*;
use crate::fake::fault;
use crate::settings::Options;

fn current() -> Ask {
    Ask::new("prod/db", &Options::default())
}

fn staged(stage: &str) -> Ask {
    Ask::new(
        "prod/db",
        &Options {
            version_stage: Some(stage.to_owned()),
            version_id: None,
        },
    )
}

fn versioned(id: &str) -> Ask {
    Ask::new(
        "prod/db",
        &Options {
            version_stage: None,
            version_id: Some(id.to_owned()),
        },
    )
}

fn explained(fault: &Fault, ask: &Ask) -> (ErrorKind, String) {
    let error = explain(fault, ask, "eu-west-1");
    assert_eq!(error.store_code, fault.code);
    assert!(!error.message.contains('\n'), "{}", error.message);
    (error.kind, error.message)
}

#[test]
fn an_absent_secret_and_an_absent_version_are_told_apart() {
    let secret = fault(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    );
    assert_eq!(
        explained(&secret, &current()),
        (ErrorKind::NotFound, r#"no secret "prod/db" in eu-west-1"#.into())
    );
    assert_eq!(
        explained(&secret, &versioned("7")).1,
        r#"no secret "prod/db" in eu-west-1"#
    );

    let stage = |stage: &str| {
        let message = format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
        explained(&fault("ResourceNotFoundException", &message), &staged(stage)).1
    };
    assert_eq!(
        stage("AWSPREVIOUS"),
        r#"secret "prod/db" in eu-west-1 has no version with stage "AWSPREVIOUS""#
    );
    assert_eq!(
        stage("AWSCURRENT"),
        r#"secret "prod/db" in eu-west-1 has no value yet; put one into it"#
    );

    let id = "Secrets Manager can't find the specified secret value for VersionId: 7";
    let message = explained(&fault("ResourceNotFoundException", id), &versioned("7")).1;
    assert_eq!(message, r#"secret "prod/db" in eu-west-1 has no version "7""#);
}

#[test]
fn an_arn_of_another_region_gets_a_hint() {
    let fault = fault(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    );
    let ask = |arn| Ask::new(arn, &Options::default());
    let message = explained(&fault, &ask("arn:aws:secretsmanager:us-east-1:1:secret:x-AbCdEf")).1;
    assert!(
        message.ends_with("its ARN is of region us-east-1, set spec.region"),
        "{message}"
    );
    let message = explained(&fault, &ask("arn:aws:secretsmanager:eu-west-1:1:secret:x-AbCdEf")).1;
    assert!(!message.contains("spec.region"), "{message}");
}

#[test]
fn each_code_of_the_service_has_its_kind() {
    use ErrorKind::{Denied, NotFound, Throttled, Unauthenticated, Unavailable};
    let key = || ErrorKind::Invalid("/key".to_owned());
    let deletion = "You can't perform this operation on the secret because it was marked for deletion.";
    for (code, message, kind, words) in [
        (
            "InvalidRequestException",
            deletion,
            NotFound,
            "marked for deletion; restore it",
        ),
        (
            "InvalidRequestException",
            "something else",
            Unavailable(None),
            "(AWS: something else)",
        ),
        (
            "AccessDeniedException",
            "User: x is not authorized",
            Denied,
            "allow secretsmanager:GetSecretValue",
        ),
        (
            "AccessDeniedException",
            "Access to KMS is not allowed",
            Denied,
            "allow kms:Decrypt",
        ),
        (
            "DecryptionFailure",
            "can't decrypt",
            Denied,
            "cannot be decrypted with its KMS key",
        ),
        ("ThrottlingException", "Rate exceeded", Throttled(None), "fewer calls"),
        ("InternalServiceError", "", Unavailable(None), "in eu-west-1 fails"),
        (
            "UnrecognizedClientException",
            "The security token is invalid.",
            Unauthenticated,
            "credentials",
        ),
        (
            "ExpiredTokenException",
            "expired",
            Unauthenticated,
            "session has expired",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: 2026 is now earlier",
            Unauthenticated,
            "clock",
        ),
        (
            "InvalidSignatureException",
            "does not match",
            Unauthenticated,
            "credentials",
        ),
        ("OptInRequired", "", Unauthenticated, "enable the region"),
        (
            "InvalidParameterException",
            "Invalid name.",
            key(),
            "(AWS: Invalid name.)",
        ),
        ("ValidationException", "bad", key(), "\"prod/db\" in eu-west-1"),
        ("SomethingNew", "brand new", Unavailable(None), "(AWS: brand new)"),
    ] {
        let (got, message) = explained(&fault(code, message), &current());
        assert_eq!(got, kind, "{code}: {message}");
        assert!(message.contains(words), "{code}: {message}");
    }
}

#[test]
fn a_refused_version_points_at_the_option() {
    let invalid = fault(
        "ValidationException",
        "Value at 'versionId' failed to satisfy constraint",
    );
    assert_eq!(
        explained(&invalid, &versioned("7")).0,
        ErrorKind::Invalid("/options/versionId".to_owned())
    );
    let invalid = fault(
        "ValidationException",
        "Value at 'versionStage' failed to satisfy constraint",
    );
    assert_eq!(
        explained(&invalid, &staged("x")).0,
        ErrorKind::Invalid("/options/versionStage".to_owned())
    );
    let unsent = Fault::of(Cause::NotSent);
    assert_eq!(
        explained(&unsent, &current()).0,
        ErrorKind::Invalid("/settings/region".to_owned())
    );
}

#[test]
fn faults_that_are_no_answer_say_so() {
    for (cause, words) in [
        (Cause::Unreachable, "cannot be reached"),
        (Cause::TimedOut, "did not answer in time"),
        (Cause::Unreadable, "is not Secrets Manager"),
    ] {
        let (kind, message) = explained(&Fault::of(cause), &current());
        assert_eq!(kind, ErrorKind::Unavailable(None));
        assert!(message.contains(words), "{message}");
    }
    let (kind, message) = explained(&Fault::of(Cause::NoValue), &current());
    assert_eq!(kind, ErrorKind::NotFound);
    assert!(message.contains("neither text nor bytes"), "{message}");
}
