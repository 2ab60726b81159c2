//! The real SDK against canned answers: what goes out, and what is made of what comes in.

use std::sync::{Arc, Mutex};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use futures_executor::block_on;
use serde_json::{Value as Json, json};

use super::*;
use crate::describe::describe;
use crate::settings::Options;

type Answer = Option<(u16, &'static [(&'static str, &'static str)], String)>;

/// A server that gives one answer, or none at all, and keeps what it was asked.
#[derive(Clone, Debug)]
struct Canned {
    answer: Answer,
    asked: Arc<Mutex<Vec<(String, String, Json)>>>,
}

impl Canned {
    fn new(status: u16, body: impl ToString) -> Self {
        Self {
            answer: Some((status, &[], body.to_string())),
            asked: Arc::default(),
        }
    }

    fn aws(&self, settings: &Settings) -> Aws {
        Aws::new(
            settings,
            Duration::ZERO,
            SharedHttpClient::new(self.clone()),
            SharedAsyncSleep::new(Never),
        )
    }

    fn get(&self, options: &Options) -> Result<Fetched, Fault> {
        block_on(self.aws(&region("eu-west-1")).get(&Ask::new("prod/db", options)))
    }

    /// URL, action and body of the request.
    fn asked(&self) -> (String, String, Json) {
        self.asked.lock().unwrap().pop().unwrap()
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = request.headers().get("x-amz-target").unwrap().to_owned();
        let signature = request.headers().get("authorization").unwrap();
        assert!(signature.contains("Credential=KEYHOLE/"), "{signature}");
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.asked
            .lock()
            .unwrap()
            .push((request.uri().to_owned(), action, body));
        let Some((status, headers, body)) = &self.answer else {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("refused".into())));
        };
        let mut response = HttpResponse::new(StatusCode::try_from(*status).unwrap(), SdkBody::from(body.as_str()));
        for (name, value) in *headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

#[derive(Debug)]
struct Never;

impl AsyncSleep for Never {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

fn region(region: &str) -> Settings {
    Settings {
        region: region.to_owned(),
        ..Settings::default()
    }
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
        server.get(&options).unwrap();
        let (url, action, body) = server.asked();
        assert_eq!(url, "https://secretsmanager.eu-west-1.amazonaws.com/");
        assert_eq!((action.as_str(), body), ("secretsmanager.GetSecretValue", sent));
    }
}

#[test]
fn bytes_are_preferred_over_text_and_neither_is_a_fault() {
    let get = |body: Json| Canned::new(200, body).get(&Options::default());
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
    let page = block_on(server.aws(&region("eu-west-1")).batch(&["a", "b"], Some("t1"))).unwrap();
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
    let fault = Canned::new(400, body).get(&Options::default()).unwrap_err();
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
        let answer = Some((400, headers, json!({"__type": "ThrottlingException"}).to_string()));
        let fault = Canned {
            answer,
            asked: Arc::default(),
        }
        .get(&Options::default())
        .unwrap_err();
        assert_eq!(
            (fault.code.as_deref(), fault.retry_after),
            (Some("ThrottlingException"), after)
        );
    }
}

#[test]
fn each_fault_is_met_once_because_the_host_retries() {
    for answer in [
        Some((500, &[] as &[_], "{}".to_owned())),
        Some((429, &[], "{}".to_owned())),
        None,
    ] {
        let server = Canned {
            answer,
            asked: Arc::default(),
        };
        server.get(&Options::default()).unwrap_err();
        assert_eq!(server.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn nothing_of_an_unreadable_answer_is_kept() {
    let leak = r#"{"SecretString": "hunter2", "VersionId": 7 <html>"#;
    for status in [200, 400, 500] {
        let fault = Canned::new(status, leak).get(&Options::default()).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
    let fault = Canned::new(200, leak).get(&Options::default()).unwrap_err();
    assert_eq!(fault.cause, Cause::Unreadable);
    let unreachable = Canned {
        answer: None,
        asked: Arc::default(),
    }
    .get(&Options::default())
    .unwrap_err();
    assert_eq!(unreachable, Fault::of(Cause::Unreachable));
}

#[test]
fn the_endpoints_of_all_partitions_are_among_the_wanted_hosts() {
    let wanted = format!("{:?}", describe());
    for name in [
        "eu-west-1",
        "us-gov-west-1",
        "cn-north-1",
        "eusc-de-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "us-isof-south-1",
        "xx-new-9",
    ] {
        for (use_fips_endpoint, use_dualstack_endpoint) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let settings = Settings {
                region: name.to_owned(),
                use_fips_endpoint,
                use_dualstack_endpoint,
            };
            let server = Canned::new(200, json!({"SecretString": "x"}));
            block_on(server.aws(&settings).get(&Ask::new("a", &Options::default()))).unwrap();
            let url = server.asked().0;
            let host = url.strip_prefix("https://").unwrap().trim_end_matches('/');
            let pattern = host.replacen(name, "{region}", 1);
            assert!(wanted.contains(&format!("{pattern:?}")), "{host}");
        }
    }
}
