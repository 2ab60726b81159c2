//! The real SDK against canned answers: what goes out, and what is made of what comes in.

use std::time::Duration;

use futures_executor::block_on;
use keyhole_aws::Cause;
use keyhole_aws::canned::{Canned, everywhere, region};
use serde_json::{Value as Json, json};

use super::*;
use crate::describe::describe;
use crate::settings::Options;

fn aws(server: &Canned) -> Aws {
    Aws::new(&server.sdk(&region("eu-west-1")))
}

fn get(server: &Canned, options: &Options) -> Result<Fetched, Fault> {
    block_on(aws(server).get(&Ask::new("prod/db", options)))
}

fn options(stage: Option<&str>, id: Option<&str>) -> Options {
    Options {
        version_stage: stage.map(Into::into),
        version_id: id.map(Into::into),
    }
}

#[test]
fn the_stage_is_always_sent_except_beside_an_id() {
    let server = Canned::new(200, json!({"SecretString": "x"}));
    for (options, sent) in [
        (
            options(None, None),
            json!({"SecretId": "prod/db", "VersionStage": "AWSCURRENT"}),
        ),
        (
            options(Some("AWSPREVIOUS"), None),
            json!({"SecretId": "prod/db", "VersionStage": "AWSPREVIOUS"}),
        ),
        (
            options(Some("AWSPREVIOUS"), Some("7")),
            json!({"SecretId": "prod/db", "VersionId": "7"}),
        ),
    ] {
        get(&server, &options).unwrap();
        let (url, action, body) = server.asked();
        assert_eq!(url, "https://secretsmanager.eu-west-1.amazonaws.com/");
        assert_eq!((action.as_str(), body), ("secretsmanager.GetSecretValue", sent));
    }
}

#[test]
fn bytes_are_preferred_over_text_and_neither_is_a_fault() {
    let get = |body: Json| get(&Canned::new(200, body), &Options::default());
    let bytes = get(json!({"SecretBinary": "AAH/", "SecretString": "x", "VersionId": "7"})).unwrap();
    assert_eq!(
        bytes,
        Fetched {
            content: Content::Bytes(vec![0, 1, 255]),
            version_id: Some("7".to_owned())
        }
    );
    assert_eq!(
        get(json!({"SecretString": "x"})).unwrap().content,
        Content::Text("x".to_owned())
    );
    assert_eq!(get(json!({"Name": "prod/db"})), Err(Fault::of(Cause::NoValue)));
}

#[test]
fn a_batch_sends_names_and_token_and_reads_values_and_errors() {
    let server = Canned::new(
        200,
        json!({
            "SecretValues": [{"ARN": "arn:a", "Name": "a", "SecretString": "x", "VersionId": "7"}],
            "Errors": [{"SecretId": "b", "ErrorCode": "ResourceNotFoundException", "Message": "none"}],
            "NextToken": "t2",
        }),
    );
    let page = block_on(aws(&server).batch(&["a", "b"], Some("t1"))).unwrap();
    let (_, action, body) = server.asked();
    assert_eq!(action, "secretsmanager.BatchGetSecretValue");
    assert_eq!(body, json!({"SecretIdList": ["a", "b"], "NextToken": "t1"}));
    assert_eq!(page.next.as_deref(), Some("t2"));
    assert_eq!(page.entries[0].names, ["a", "arn:a"]);
    assert!(page.entries[0].answer.is_ok());
    assert_eq!(page.entries[1].names, ["b"]);
    let fault = page.entries[1].answer.clone().unwrap_err();
    assert_eq!(fault.code.as_deref(), Some("ResourceNotFoundException"));
}

#[test]
fn an_error_gives_code_message_status_and_retry_after() {
    let body = json!({"__type": "com.amazonaws.secretsmanager#ResourceNotFoundException", "Message": "can't find"});
    let fault = get(&Canned::new(400, body), &Options::default()).unwrap_err();
    let code = "ResourceNotFoundException".to_owned();
    let expected = Fault {
        status: Some(400),
        ..Fault::refused(Some(code), Some("can't find".to_owned()))
    };
    assert_eq!(fault, expected);

    for (headers, after) in [
        (&[("retry-after", "7")] as &'static [_], Some(Duration::from_secs(7))),
        (&[("x-amz-retry-after", "1500")], Some(Duration::from_millis(1500))),
        (&[("retry-after", "soon")], None),
    ] {
        let server = Canned::with(400, headers, json!({"__type": "ThrottlingException"}));
        let fault = get(&server, &Options::default()).unwrap_err();
        assert_eq!(
            (fault.code.as_deref(), fault.retry_after),
            (Some("ThrottlingException"), after)
        );
    }
}

#[test]
fn each_fault_is_met_once_because_the_host_retries() {
    for server in [Canned::new(500, "{}"), Canned::new(429, "{}"), Canned::absent()] {
        get(&server, &Options::default()).unwrap_err();
        assert_eq!(server.waiting(), 1);
    }
}

#[test]
fn nothing_of_an_unreadable_answer_is_kept() {
    let leak = r#"{"SecretString": "hunter2", "VersionId": 7 <html>"#;
    for status in [200, 400, 500] {
        let fault = get(&Canned::new(status, leak), &Options::default()).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
    let fault = get(&Canned::new(200, leak), &Options::default()).unwrap_err();
    assert_eq!(fault.cause, Cause::Unreadable);
    let unreachable = get(&Canned::absent(), &Options::default()).unwrap_err();
    assert_eq!(unreachable, Fault::of(Cause::Unreachable));
}

#[test]
fn the_endpoints_of_all_partitions_are_among_the_wanted_hosts() {
    let wanted = format!("{:?}", describe());
    for settings in everywhere() {
        let server = Canned::new(200, json!({"SecretString": "x"}));
        block_on(Aws::new(&server.sdk(&settings)).get(&Ask::new("a", &Options::default()))).unwrap();
        let url = server.asked().0;
        let host = url.strip_prefix("https://").unwrap().trim_end_matches('/');
        let pattern = host.replacen(&settings.region, "{region}", 1);
        assert!(wanted.contains(&format!("{pattern:?}")), "{host}");
    }
}
