use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use sha2::{Digest, Sha256};

use super::*;

const TO: &str = "https://secretsmanager.eu-west-1.amazonaws.com/";
const PLACEHOLDER_SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=KEYHOLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";

fn grant() -> AwsGrant {
    let actions = ["GetSecretValue", "BatchGetSecretValue"].map(str::to_owned).into();
    AwsGrant {
        service: "secretsmanager".to_owned(),
        actions,
    }
}

/// A request of an SDK in a guest, changed by `change`.
fn request(change: impl FnOnce(&mut Parts)) -> Parts {
    let request = Request::post(TO)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .header("x-amz-user-agent", "aws-sdk-rust/1")
        .header("user-agent", "aws-sdk-rust/1")
        .header("accept", "*/*")
        .header("authorization", PLACEHOLDER_SIGNATURE)
        .header("x-amz-date", "20260101T000000Z")
        .header("x-amz-security-token", "guest")
        .header("x-amz-content-sha256", "guest")
        .body(())
        .unwrap();
    let mut head = request.into_parts().0;
    change(&mut head);
    head
}

fn check_of(change: impl FnOnce(&mut Parts)) -> Result<(), EgressError> {
    check(
        &request(change),
        &grant(),
        &Destination::of(&TO.parse().unwrap()).unwrap(),
    )
}

fn set(name: &'static str, value: &str) -> impl FnOnce(&mut Parts) {
    let value = HeaderValue::from_str(value).unwrap();
    move |head| {
        head.headers.insert(name, value);
    }
}

fn append(name: &'static str, value: &'static str) -> impl FnOnce(&mut Parts) {
    move |head| {
        head.headers.append(name, HeaderValue::from_static(value));
    }
}

fn uri(path: &str) -> impl FnOnce(&mut Parts) {
    let uri = format!("{TO}{}", path.trim_start_matches('/')).parse().unwrap();
    move |head| head.uri = uri
}

#[test]
fn granted_actions_pass_with_the_placeholder_or_unsigned() {
    assert_eq!(check_of(|_| ()), Ok(()));
    assert_eq!(
        check_of(set("x-amz-target", "secretsmanager.BatchGetSecretValue")),
        Ok(())
    );
    assert_eq!(
        check_of(set("content-type", "application/x-amz-json-1.0; charset=utf-8")),
        Ok(())
    );
    let unsigned = |head: &mut Parts| {
        head.headers.remove(AUTHORIZATION);
    };
    assert_eq!(check_of(unsigned), Ok(()));
}

#[test]
fn other_actions_are_not_granted() {
    let refused = |action: &str| {
        Err(EgressError::ActionNotGranted {
            service: "secretsmanager".to_owned(),
            action: action.to_owned(),
        })
    };
    assert_eq!(
        check_of(set("x-amz-target", "secretsmanager.DeleteSecret")),
        refused("DeleteSecret")
    );
    assert_eq!(
        check_of(set("x-amz-target", "secretsmanager.getsecretvalue")),
        refused("getsecretvalue")
    );
    for unclear in [
        "GetSecretValue",
        "a.DeleteSecret.GetSecretValue",
        "a.GetSecretValue,b.DeleteSecret",
        &format!("a.{}", "b".repeat(200)),
        "a.",
        ".GetSecretValue",
        "",
    ] {
        assert_eq!(check_of(set("x-amz-target", unclear)), refused("(none)"), "{unclear}");
    }
    assert_eq!(
        check_of(append("x-amz-target", "secretsmanager.DeleteSecret")),
        refused("(none)")
    );
    let without = |head: &mut Parts| {
        head.headers.remove(X_AMZ_TARGET);
    };
    assert_eq!(check_of(without), refused("(none)"));
}

#[test]
fn an_action_cannot_be_named_in_another_protocol() {
    let forbidden =
        |result: Result<(), EgressError>| assert!(matches!(result, Err(EgressError::Forbidden(_))), "{result:?}");
    forbidden(check_of(uri("/service/secretsmanager/operation/DeleteSecret")));
    forbidden(check_of(uri("/?Action=DeleteSecret")));
    forbidden(check_of(set("content-type", "application/x-www-form-urlencoded")));
    forbidden(check_of(set("content-type", "application/cbor")));
    forbidden(check_of(append("content-type", "application/x-www-form-urlencoded")));
    forbidden(check_of(set("smithy-protocol", "rpc-v2-cbor")));
    forbidden(check_of(|head| head.method = Method::GET));
}

#[test]
fn credentials_of_the_plugin_are_foreign() {
    let foreign = |result: Result<(), EgressError>, what: &str| {
        assert!(
            matches!(result, Err(EgressError::ForeignSignature { .. })),
            "{what}: {result:?}"
        )
    };
    for authorization in [
        "AWS4-HMAC-SHA256 Credential=AKIAEVIL/20260101/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=KEYHOLEX/20260101/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIAEVIL/x, Credential=KEYHOLE/x, Signature=00",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00",
        "AWS4-ECDSA-P256-SHA256 Credential=KEYHOLE/x, Signature=00",
        "Bearer KEYHOLE",
        "Credential=KEYHOLE/x",
        "",
    ] {
        foreign(check_of(set("authorization", authorization)), authorization);
    }
    foreign(check_of(append("authorization", "Bearer x")), "two");
    foreign(check_of(uri("/?X-Amz-Signature=00")), "presigned");
    foreign(check_of(uri("/?x%2damz%2dCredential=AKIAEVIL")), "presigned, escaped");
}

/// Signature Version 4 as the AWS general reference describes it, computed without aws-sigv4.
fn expected_authorization(head: &Parts, body: &[u8], secret: &str, key_id: &str, signed: &[&str]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let headers: String = signed
        .iter()
        .map(|name| match *name {
            "host" => format!("host:{}\n", head.uri.authority().unwrap()),
            name => format!("{name}:{}\n", head.headers[name].to_str().unwrap()),
        })
        .collect();
    let names = signed.join(";");
    let canonical = format!(
        "POST\n{}\n\n{headers}\n{names}\n{}",
        head.uri.path(),
        hex(&Sha256::digest(body))
    );
    let date = head.headers["x-amz-date"].to_str().unwrap();
    let scope = format!("{}/eu-west-1/secretsmanager/aws4_request", &date[..8]);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let key = [&date[..8], "eu-west-1", "secretsmanager", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

fn signed(token: Option<&str>, url: &str) -> Parts {
    let mut head = request(|head| head.uri = url.parse().unwrap());
    let credentials = Credentials::new("AKIAHOST", "host-secret", token.map(str::to_owned), None, "test");
    let scope = Scope {
        service: "secretsmanager".to_owned(),
        region: "eu-west-1".into(),
    };
    sign(
        &mut head,
        b"{}",
        &scope,
        credentials,
        UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    )
    .unwrap();
    head
}

#[test]
fn the_signature_is_the_hosts_with_its_session_token() {
    let head = signed(Some("session"), TO);
    let names = [
        "content-type",
        "host",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
        "x-amz-user-agent",
    ];
    assert_eq!(
        head.headers["authorization"].to_str().unwrap(),
        expected_authorization(&head, b"{}", "host-secret", "AKIAHOST", &names)
    );
    assert_eq!(head.headers["x-amz-security-token"], "session");
    assert_eq!(head.headers["x-amz-date"], "20270115T080000Z");
    assert!(!head.headers.contains_key("x-amz-content-sha256"));
    assert_eq!(head.headers.get_all("authorization").iter().count(), 1);
    assert!(head.headers["authorization"].is_sensitive() && head.headers["x-amz-security-token"].is_sensitive());
}

#[test]
fn without_a_session_token_the_guests_is_gone_too() {
    let head = signed(None, "http://localhost:4566/base/path");
    let names = ["content-type", "host", "x-amz-date", "x-amz-target", "x-amz-user-agent"];
    assert_eq!(
        head.headers["authorization"].to_str().unwrap(),
        expected_authorization(&head, b"{}", "host-secret", "AKIAHOST", &names)
    );
    assert!(!head.headers.contains_key("x-amz-security-token"));
}

#[test]
fn a_header_that_is_no_text_cannot_be_signed() {
    let odd = |head: &mut Parts| {
        head.headers
            .insert("x-amz-odd", HeaderValue::from_bytes(&[0xff]).unwrap());
    };
    assert_eq!(
        check_of(odd),
        Err(EgressError::Forbidden("a header x-amz-odd that is no text".to_owned()))
    );
}
