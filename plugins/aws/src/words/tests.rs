use std::time::Duration;

use keyhole_sdk::ErrorKind;

use super::*;

fn fault(code: &str, message: &str) -> Fault {
    Fault {
        status: Some(400),
        ..Fault::refused(Some(code.to_owned()), Some(message.to_owned()))
    }
}

fn explained(fault: &Fault) -> (ErrorKind, String) {
    let asked = Asked {
        service: "Parameter Store",
        region: "eu-west-1",
        what: "parameter \"a\" in eu-west-1",
        permission: "ssm:GetParameter",
        pointer: "/key",
    };
    let error = asked.explain(fault);
    assert_eq!(error.store_code, fault.code);
    assert!(!error.message.contains('\n'), "{}", error.message);
    (error.kind, error.message)
}

#[test]
fn each_code_has_its_kind_and_says_what_to_do() {
    use ErrorKind::{Denied, NotFound, Throttled, Unauthenticated, Unavailable};
    let key = || ErrorKind::Invalid("/key".to_owned());
    for (code, message, kind, words) in [
        ("ResourceNotFoundException", "", NotFound, "no parameter \"a\""),
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
            "allow ssm:GetParameter on it (AWS: User: x",
        ),
        (
            "AccessDeniedException",
            "Access to KMS is not allowed",
            Denied,
            "allow kms:Decrypt",
        ),
        ("InvalidKeyId", "no", Denied, "cannot be decrypted with its KMS key"),
        ("ThrottlingException", "Rate exceeded", Throttled(None), "fewer calls"),
        ("InternalServerError", "", Unavailable(None), "in eu-west-1 fails"),
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
        ("RequestExpired", "", Unauthenticated, "clock"),
        ("OptInRequired", "", Unauthenticated, "enable the region"),
        (
            "ValidationException",
            "bad",
            key(),
            "refuses to look up parameter \"a\"",
        ),
        (
            "UnknownOperationException",
            "",
            Unavailable(None),
            "does not know GetParameter",
        ),
        ("SomethingNew", "brand new", Unavailable(None), "(AWS: brand new)"),
    ] {
        let (got, message) = explained(&fault(code, message));
        assert_eq!(got, kind, "{code}: {message}");
        assert!(message.contains(words), "{code}: {message}");
    }
}

#[test]
fn an_http_status_without_a_code_is_named() {
    let gateway = Fault {
        status: Some(502),
        ..Fault::default()
    };
    assert_eq!(
        explained(&gateway).1,
        "Parameter Store in eu-west-1 fails with HTTP 502"
    );
}

#[test]
fn what_the_store_wishes_is_passed_on() {
    let after = Some(Duration::from_secs(7));
    let throttled = Fault {
        retry_after: after,
        ..fault("ThrottlingException", "")
    };
    assert_eq!(explained(&throttled).0, ErrorKind::Throttled(after));
    let busy = Fault {
        retry_after: after,
        status: Some(503),
        ..Fault::default()
    };
    assert_eq!(explained(&busy).0, ErrorKind::Unavailable(after));
}

#[test]
fn faults_that_are_no_answer_say_so() {
    for (cause, words) in [
        (Cause::Unreachable, "cannot be reached"),
        (Cause::TimedOut, "did not answer in time"),
        (Cause::Unreadable, "is not Parameter Store"),
    ] {
        let (kind, message) = explained(&Fault::of(cause));
        assert_eq!(kind, ErrorKind::Unavailable(None));
        assert!(message.contains(words), "{message}");
    }
    let region = ErrorKind::Invalid("/settings/region".to_owned());
    assert_eq!(explained(&Fault::of(Cause::NotSent)).0, region);
}

#[test]
fn a_quotation_is_one_line_and_short() {
    let long = format!("first\nsecond {}", "ä".repeat(2000));
    let message = explained(&fault("AccessDeniedException", &long)).1;
    assert!(
        message.len() < 1024 && message.contains("first second ä") && message.ends_with("...)"),
        "{message}"
    );
}

#[test]
fn the_region_of_an_arn_is_its_fourth_part() {
    assert_eq!(region_of_arn("arn:aws:ssm:us-east-1:1:parameter/a"), Some("us-east-1"));
    assert_eq!(region_of_arn("arn:aws:iam::1:role/a"), None);
    assert_eq!(region_of_arn("prod/arn:aws:ssm:us-east-1"), None);
}
