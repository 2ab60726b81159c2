use keyhole_sdk::ErrorKind;

use super::*;
use crate::fake::fault;

fn explained(fault: &Fault, key: &str) -> (ErrorKind, String) {
    let error = explain(fault, &Ask(key.to_owned()), "eu-west-1");
    (error.kind, error.message)
}

fn path_error(why: &Unread) -> (ErrorKind, String) {
    let path = Path {
        path: "/app".to_owned(),
        recursive: true,
    };
    let error = unread(why, &path, "eu-west-1");
    (error.kind, error.message)
}

#[test]
fn an_absent_parameter_reads_as_in_kes_whatever_the_store_says() {
    let line = |key: &str| {
        (
            ErrorKind::NotFound,
            format!("ParameterNotFound: {key} could not be found."),
        )
    };
    for message in ["", "null", "Parameter /a not found."] {
        assert_eq!(explained(&fault("ParameterNotFound", message), "/a"), line("/a"));
    }
    assert_eq!(explained(&absent(), "/a:3"), line("/a:3"));
}

#[test]
fn an_absent_version_is_told_apart() {
    let version = fault("ParameterVersionNotFound", "could not find version 7 of /a");
    let (kind, message) = explained(&version, "/a:7");
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(message, r#"parameter "/a:7" in eu-west-1 has no version or label "7""#);
}

#[test]
fn denials_name_the_permission() {
    let denied = fault("AccessDeniedException", "User: x is not authorized");
    let (kind, message) = explained(&denied, "/a");
    assert_eq!(kind, ErrorKind::Denied);
    assert!(
        message.starts_with(r#"not allowed to read parameter "/a" in eu-west-1; allow ssm:GetParameter on it"#),
        "{message}"
    );
    let (kind, message) = path_error(&Unread::Fault(denied));
    assert_eq!(kind, ErrorKind::Denied);
    assert!(
        message.starts_with(r#"not allowed to read path "/app" in eu-west-1; allow ssm:GetParametersByPath on it"#),
        "{message}"
    );
}

#[test]
fn what_is_refused_points_at_key_or_path() {
    let invalid = fault("ValidationException", "bad");
    assert_eq!(explained(&invalid, "a b").0, ErrorKind::Invalid("/key".to_owned()));
    assert_eq!(
        path_error(&Unread::Fault(invalid)).0,
        ErrorKind::Invalid("/path".to_owned())
    );
}

#[test]
fn a_path_that_is_too_long_is_the_author_s_to_divide_unless_others_were_in_the_way() {
    let (kind, message) = path_error(&Unread::TooMany(5000));
    assert!(
        kind == ErrorKind::TooLarge && message.contains("more than the 5000"),
        "{message}"
    );
    let (kind, message) = path_error(&Unread::TooLarge);
    assert!(
        kind == ErrorKind::TooLarge && message.contains("1048576 bytes"),
        "{message}"
    );
    let (kind, message) = path_error(&Unread::Crowded(4970));
    assert!(
        kind == ErrorKind::Unavailable(None) && message.contains("again later"),
        "{message}"
    );
}

#[test]
fn a_page_that_went_stale_is_read_again_and_is_no_mistake_of_the_author() {
    let stale = fault("InvalidNextToken", "The specified token isn't valid.");
    let (kind, message) = path_error(&Unread::Fault(stale));
    assert_eq!(kind, ErrorKind::Unavailable(None));
    assert!(
        message.starts_with(r#"path "/app" in eu-west-1 changed while"#),
        "{message}"
    );
}
