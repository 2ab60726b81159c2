//! Requests to AWS: signed by the host with the call's session, for granted actions in the call's region,
//! and never with what the plugin brought. The fake AWS recomputes every signature.

use std::sync::atomic::Ordering;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use keyhole_core::{CallError, EgressError};
use keyhole_sandbox::PrivateAddresses;
use keyhole_test_aws::{FakeAws, FakeConfig};
use serde_json::{Value as Json, json};

use super::server::{Server, text};
use super::setup::{REGION, Setup, get, with};

const HOST: &str = "secretsmanager.eu-west-1.amazonaws.com";
const PLACEHOLDER: &str = "AWS4-HMAC-SHA256 Credential=KEYHOLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";

/// An AWS with one secret, where Secrets Manager's endpoint is moved to, and a plugin that may get it.
pub fn aws() -> (FakeAws, Setup) {
    let aws = FakeAws::start(FakeConfig::default()).unwrap();
    aws.set_secret(REGION, "db", "hunter2");
    let base = aws.base_credentials();
    let credentials = Credentials::new(
        base.access_key_id,
        base.secret_access_key,
        base.session_token,
        None,
        "test",
    );
    let mut setup = Setup::new(&[])
        .private(PrivateAddresses::AwsVpc)
        .aws(&["GetSecretValue"])
        .session(Some(credentials));
    setup.endpoints = setup.endpoints.with("secretsmanager", &aws.endpoint()).unwrap();
    (aws, setup)
}

/// As messages call it: the destination is the override's.
pub fn host_of(aws: &FakeAws) -> String {
    aws.address().to_string()
}

/// What an SDK in a guest sends.
pub fn get_secret_value(id: &str) -> Json {
    request(
        "GetSecretValue",
        json!([["authorization", PLACEHOLDER]]),
        &json!({ "SecretId": id }),
    )
}

fn request(action: &str, headers: Json, body: &Json) -> Json {
    let mut all = vec![
        json!(["content-type", "application/x-amz-json-1.1"]),
        json!(["x-amz-target", format!("secretsmanager.{action}")]),
        json!(["user-agent", "aws-sdk-rust/1"]),
        json!(["x-amz-date", "20200101T000000Z"]),
        json!(["x-amz-security-token", "guest"]),
    ];
    all.extend(headers.as_array().unwrap().clone());
    with(
        get("https", HOST, "/"),
        json!({"method": "POST", "headers": all, "body": body.to_string()}),
    )
}

fn foreign(host: &str) -> EgressError {
    EgressError::ForeignSignature { host: host.to_owned() }
}

#[tokio::test]
async fn a_granted_action_is_signed_with_the_session_of_the_call() {
    let (aws, setup) = aws();
    let sandbox = setup.sandbox().await;
    let answer = sandbox.exchange(get_secret_value("db")).await;
    assert_eq!(answer["status"], 200, "{answer}");
    let body: Json = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["SecretString"], "hunter2");
    let seen = aws.requests().remove(0);
    assert!(seen.valid, "{seen:?}");
    assert_eq!(
        (seen.operation.as_str(), seen.region.as_str()),
        ("GetSecretValue", REGION)
    );
    assert_eq!(seen.access_key_id, aws.base_credentials().access_key_id);
    assert_eq!(setup.session.asked.load(Ordering::SeqCst), 1);
    // Unsigned is as good as signed with the placeholder.
    let unsigned = request("GetSecretValue", json!([]), &json!({"SecretId": "db"}));
    assert_eq!(sandbox.exchange(unsigned).await["status"], 200);
    assert_eq!(aws.counts().refused, 0);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_session_token_is_sent_and_signed() {
    let (aws, setup) = aws();
    let session = assume_role(&aws).await;
    let sandbox = setup.session(Some(session.clone())).sandbox().await;
    aws.reset_counts();
    let answer = sandbox.exchange(get_secret_value("db")).await;
    assert_eq!(answer["status"], 200, "{answer}");
    let seen = aws.requests().remove(0);
    assert!(
        seen.valid && seen.headers.contains(&"x-amz-security-token".to_owned()),
        "{seen:?}"
    );
    assert_eq!(seen.access_key_id, session.access_key_id());
    let principal = seen.principal.unwrap();
    assert!(principal.contains(":assumed-role/app/"), "{principal}");
}

/// A session that the fake STS minted; it knows no other session tokens.
async fn assume_role(aws: &FakeAws) -> Credentials {
    let form = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=test&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fapp";
    let url = format!("{}/", aws.endpoint().trim_end_matches('/'));
    let base = aws.base_credentials();
    let identity = Credentials::new(base.access_key_id, base.secret_access_key, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("sts")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let signable =
        SignableRequest::new("POST", &url, [kind].into_iter(), SignableBody::Bytes(form.as_bytes())).unwrap();
    let mut request = http::Request::post(&url)
        .header(kind.0, kind.1)
        .body(form.to_owned())
        .unwrap();
    sign(signable, &params)
        .unwrap()
        .into_parts()
        .0
        .apply_to_request_http1x(&mut request);
    let answer = Client::builder(TokioExecutor::new())
        .build_http::<String>()
        .request(request)
        .await
        .unwrap();
    let answer = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let member = |name: &str| {
        let inside = answer
            .split_once(&format!("<{name}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inside.unwrap_or_else(|| panic!("no {name} in {answer}")).0.to_owned()
    };
    Credentials::new(
        member("AccessKeyId"),
        member("SecretAccessKey"),
        Some(member("SessionToken")),
        None,
        "test",
    )
}

#[tokio::test]
async fn the_plugin_never_meets_the_session() {
    // All that a guest can look at after an exchange: status, headers and body of the answer.
    let (aws, setup) = aws();
    let sandbox = setup.sandbox().await;
    let answer = sandbox.exchange(get_secret_value("db")).await.to_string();
    let credentials = aws.base_credentials();
    for secret in [credentials.access_key_id, credentials.secret_access_key] {
        assert!(!answer.contains(&secret), "{answer}");
    }
    let headers = &aws.requests()[0].headers;
    assert!(
        !headers.contains(&"x-amz-content-sha256".to_owned()) && !headers.contains(&"x-amz-security-token".to_owned()),
        "{headers:?}"
    );
}

#[tokio::test]
async fn an_action_that_is_not_granted_is_not_sent() {
    let (aws, setup) = aws();
    let sandbox = setup.sandbox().await;
    for action in ["DeleteSecret", "BatchGetSecretValue", "PutSecretValue"] {
        let error = sandbox
            .egress_error(request(
                action,
                json!([["authorization", PLACEHOLDER]]),
                &json!({"SecretId": "db"}),
            ))
            .await;
        assert_eq!(
            error,
            EgressError::ActionNotGranted {
                service: "secretsmanager".to_owned(),
                action: action.to_owned()
            }
        );
    }
    let twice = request(
        "GetSecretValue",
        json!([["x-amz-target", "secretsmanager.DeleteSecret"]]),
        &json!({"SecretId": "db"}),
    );
    let error = sandbox.egress_error(twice).await;
    assert_eq!(
        error,
        EgressError::ActionNotGranted {
            service: "secretsmanager".to_owned(),
            action: "(none)".to_owned()
        }
    );
    let by_query = with(get_secret_value("db"), json!({"path": "/?Action=DeleteSecret"}));
    assert!(matches!(
        sandbox.egress_error(by_query).await,
        EgressError::Forbidden(_)
    ));
    let by_path = with(
        get_secret_value("db"),
        json!({"path": "/service/secretsmanager/operation/DeleteSecret"}),
    );
    assert!(matches!(sandbox.egress_error(by_path).await, EgressError::Forbidden(_)));
    assert_eq!(aws.requests().len(), 0);
    assert_eq!(setup.session.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_region_is_not_signed_for() {
    let (aws, setup) = aws();
    aws.set_secret("us-east-1", "db", "other");
    let sandbox = setup.sandbox().await;
    let host = "secretsmanager.us-east-1.amazonaws.com";
    let error = sandbox
        .egress_error(with(get_secret_value("db"), json!({ "authority": host })))
        .await;
    assert_eq!(
        error,
        EgressError::WrongRegion {
            host: host.to_owned(),
            region: REGION.to_owned()
        }
    );
    assert_eq!(aws.requests().len(), 0);
    // Other forms of the region's own endpoint are.
    for host in [
        "secretsmanager.eu-west-1.api.aws",
        "secretsmanager-fips.eu-west-1.amazonaws.com",
    ] {
        assert_eq!(
            sandbox
                .exchange(with(get_secret_value("db"), json!({ "authority": host })))
                .await["status"],
            200
        );
    }
    assert!(aws.requests().iter().all(|seen| seen.valid && seen.region == REGION));
}

#[tokio::test]
async fn credentials_of_the_plugin_are_refused() {
    let (aws, mut setup) = aws();
    let store = Server::start(|_| text("never")).await;
    let store_host = store.at("store.example");
    setup.grant.hosts = vec![format!("http://{store_host}").parse().unwrap()];
    let setup = setup.name("store.example", store.address);
    let sandbox = setup.sandbox().await;
    let evil = "AWS4-HMAC-SHA256 Credential=AKIAEVIL/20260101/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00";
    for authorization in [evil, "Bearer token", "KEYHOLE"] {
        let request = request(
            "GetSecretValue",
            json!([["authorization", authorization]]),
            &json!({"SecretId": "db"}),
        );
        assert_eq!(sandbox.egress_error(request).await, foreign(HOST), "{authorization}");
    }
    let presigned = with(
        get_secret_value("db"),
        json!({"path": "/?X-Amz-Credential=AKIAEVIL&X-Amz-Signature=00"}),
    );
    assert_eq!(sandbox.egress_error(presigned).await, foreign(HOST));
    // To other hosts nothing is signed, so there is nothing that the placeholder could stand for.
    for authorization in [evil, PLACEHOLDER, "Bearer token"] {
        let smuggled = with(
            get("http", &store_host, "/"),
            json!({"headers": [["authorization", authorization]]}),
        );
        assert_eq!(
            sandbox.egress_error(smuggled).await,
            foreign(&store_host),
            "{authorization}"
        );
    }
    assert_eq!((aws.requests().len(), store.connections()), (0, 0));
}

#[tokio::test]
async fn a_plugin_without_an_aws_grant_may_send_its_own_authorization() {
    let server = Server::start(|seen| text(seen.header("authorization").unwrap_or("none").to_owned())).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let with_token = with(
        get("http", &host, "/"),
        json!({"headers": [["authorization", "Bearer earned"]]}),
    );
    assert_eq!(
        setup.sandbox().await.exchange(with_token).await["body"],
        "Bearer earned"
    );
}

#[tokio::test]
async fn without_a_session_nothing_is_sent() {
    let (aws, setup) = aws();
    let sandbox = setup.session(None).sandbox().await;
    let error = sandbox
        .exchanges(json!({"exchanges": [get_secret_value("db")]}))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Identity { message, .. } if message == "no credentials for the operator's own identity"),
        "{error:?}"
    );
    assert_eq!(aws.requests().len(), 0);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn an_override_is_for_its_service_and_not_for_the_plugin() {
    let (aws, setup) = aws();
    let sandbox = setup.sandbox().await;
    assert_eq!(sandbox.exchange(get_secret_value("db")).await["status"], 200);
    // The plugin cannot address the override itself.
    let error = sandbox.egress_error(get("http", &host_of(&aws), "/")).await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");

    // Nor through a name that is granted, although a connection to the very same place is at hand.
    let server = Server::start(|_| text("{}")).await;
    let host = server.at("localhost");
    let mut setup = Setup::new(&[&format!("http://{host}")])
        .private(PrivateAddresses::None)
        .aws(&["GetSecretValue"])
        .name("localhost", server.address);
    setup.endpoints = setup
        .endpoints
        .with("secretsmanager", &format!("http://{host}/base/path"))
        .unwrap();
    let sandbox = setup.sandbox().await;
    assert_eq!(sandbox.exchange(get_secret_value("db")).await["status"], 200);
    let error = sandbox.egress_error(get("http", &host, "/")).await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].uri.path(), seen[0].header("host")),
        ("/base/path", Some(host.as_str()))
    );
    assert_eq!(seen[0].header("user-agent"), Some("aws-sdk-rust/1"));
    let authorization = seen[0].header("authorization").unwrap();
    assert!(
        authorization.contains("Credential=AKIAHOST/") && !authorization.contains("user-agent"),
        "{authorization}"
    );
}

#[tokio::test]
async fn an_aws_name_that_leads_astray_is_not_connected_to() {
    let setup = Setup::new(&[])
        .private(PrivateAddresses::AwsVpc)
        .aws(&["GetSecretValue"]);
    for address in ["127.0.0.1:443", "169.254.169.254:443", "100.100.100.200:443"] {
        setup.names.set(HOST, &[&[address.parse().unwrap()]]);
        let error = setup.sandbox().await.egress_error(get_secret_value("db")).await;
        assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
    }
}
