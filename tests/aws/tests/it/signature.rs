//! Nothing passes that was not signed with a credential of ours over what arrived.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use keyhole_test_aws::{FakeAws, FakeConfig};
use serde_json::json;

use crate::signer::Signer;

fn fake() -> FakeAws {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    fake.set_secret("eu-west-1", "db", "hunter2");
    fake
}

/// Signs `GetSecretValue`, lets `spoil` change the request, and returns the error code.
async fn refusal(spoil: impl FnOnce(&mut Signer, &mut Request<Full<bytes::Bytes>>)) -> String {
    let fake = fake();
    let mut signer = Signer::new(&fake);
    let mut request = signer.request("GetSecretValue", &json!({"SecretId": "db"}));
    spoil(&mut signer, &mut request);
    let answer = signer.send(request).await.unwrap();
    assert!(!answer.text().contains("hunter2"));
    assert_eq!((fake.counts().refused, fake.counts().total()), (1, 0));
    let record = fake.requests().pop().unwrap();
    assert!(!record.valid && record.refusal.is_some() && record.status == 400);
    answer.error()
}

fn get() -> serde_json::Value {
    json!({"SecretId": "db"})
}

#[tokio::test]
async fn a_right_signature_is_answered() {
    let fake = fake();
    let answer = Signer::new(&fake).call("GetSecretValue", get()).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/x-amz-json-1.1")
    );
    assert_eq!(answer.json()["SecretString"], "hunter2");
    assert_eq!(fake.counts().in_region("GetSecretValue", "eu-west-1"), 1);
    assert_eq!(fake.counts().refused, 0);
    let record = fake.requests().pop().unwrap();
    assert_eq!(
        (record.valid, record.status, record.resources),
        (true, 200, vec!["db".to_owned()])
    );
}

#[tokio::test]
async fn a_wrong_secret_key_is_refused() {
    let code = refusal(|signer, request| {
        signer.credentials.secret_access_key.push('x');
        *request = signer.request("GetSecretValue", &get());
    });
    assert_eq!(code.await, "InvalidSignatureException");
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let code = refusal(|signer, request| {
        signer.credentials.access_key_id = "AKIANOBODY".to_owned();
        *request = signer.request("GetSecretValue", &get());
    });
    assert_eq!(code.await, "UnrecognizedClientException");
}

#[tokio::test]
async fn a_session_token_that_was_not_issued_is_refused() {
    let code = refusal(|signer, request| {
        signer.credentials.session_token = Some("made-up".to_owned());
        *request = signer.request("GetSecretValue", &get());
    });
    assert_eq!(code.await, "UnrecognizedClientException");
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let code = refusal(|_, request| {
        request.headers_mut().remove("authorization");
    });
    assert_eq!(code.await, "MissingAuthenticationTokenException");
}

#[tokio::test]
async fn a_body_that_changed_after_signing_is_refused() {
    let code = refusal(|_, request| *request.body_mut() = Full::from(r#"{"SecretId": "dc"}"#));
    assert_eq!(code.await, "InvalidSignatureException");
}

#[tokio::test]
async fn an_action_that_changed_after_signing_is_refused() {
    let code = refusal(|_, request| {
        request
            .headers_mut()
            .insert("x-amz-target", "secretsmanager.DeleteSecret".parse().unwrap());
    });
    assert_eq!(code.await, "InvalidSignatureException");
}

#[tokio::test]
async fn an_amz_header_beside_the_signature_is_refused() {
    let code = refusal(|_, request| {
        request.headers_mut().insert("x-amz-extra", "smuggled".parse().unwrap());
    });
    assert_eq!(code.await, "InvalidSignatureException");
}

#[tokio::test]
async fn a_header_that_arrives_twice_is_refused() {
    let code = refusal(|_, request| {
        request
            .headers_mut()
            .append("x-amz-date", "20200101T000000Z".parse().unwrap());
    });
    assert_eq!(code.await, "InvalidSignatureException");
}

#[tokio::test]
async fn another_service_or_no_region_in_the_scope_is_refused() {
    for (service, region) in [
        ("ssm", "eu-west-1"),
        ("sts", "eu-west-1"),
        ("secretsmanager", "nowhere"),
    ] {
        let code = refusal(|signer, request| {
            (signer.service, signer.region) = (service.to_owned(), region.to_owned());
            *request = signer.request("GetSecretValue", &get());
        });
        assert_eq!(code.await, "InvalidSignatureException");
    }
}

#[tokio::test]
async fn a_host_name_pins_the_region() {
    let fake = fake();
    for (host, code) in [
        ("secretsmanager.eu-west-1.amazonaws.com", 200),
        ("secretsmanager.us-east-1.amazonaws.com", 400),
    ] {
        let signer = Signer::new(&fake);
        let request = signer.request_for_host(host, "GetSecretValue", &get());
        assert_eq!(signer.send(request).await.unwrap().status, code, "{host}");
    }
}

#[tokio::test]
async fn a_signature_of_an_hour_ago_or_ahead_is_refused() {
    let hour = Duration::from_secs(3600);
    let past = refusal(|signer, request| {
        signer.time -= hour;
        *request = signer.request("GetSecretValue", &get());
    });
    assert_eq!(past.await, "InvalidSignatureException");
    let future = refusal(|signer, request| {
        signer.time += hour;
        *request = signer.request("GetSecretValue", &get());
    });
    assert_eq!(future.await, "InvalidSignatureException");
}
