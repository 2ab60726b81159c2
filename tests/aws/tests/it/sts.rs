//! Sessions: minted, used, ended, refused.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyhole_test_aws::{Deny, FakeAws, FakeConfig};
use serde_json::json;

use crate::signer::{Answer, Signer, element, session};

const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const READER: &str = "system:serviceaccount:team:reader";

/// A token of the shape that an API server gives.
fn token(audience: serde_json::Value, subject: &str, seconds: i64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let expires = jiff::Timestamp::now().as_second() + seconds;
    let claims = json!({"iss": "https://issuer.example", "sub": subject, "aud": audience, "exp": expires});
    format!("{}.{}.{}", part(json!({"alg": "RS256"})), part(claims), "c2lnbmF0dXJl")
}

/// The answer to an exchange of this token, which nobody signs.
async fn exchange(fake: &FakeAws, token: &str) -> Answer {
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=s&WebIdentityToken={token}"
    );
    let signer = Signer::sts(fake);
    let mut request = signer.query(&form);
    request.headers_mut().remove("authorization");
    signer.send(request).await.unwrap()
}

#[tokio::test]
async fn a_token_of_a_service_account_is_exchanged_for_a_session_without_any_signature() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    fake.set_secret("eu-west-1", "db", "x");
    let good = token(json!(["sts.amazonaws.com"]), READER, 600);
    let answer = exchange(&fake, &good).await.text();
    assert_eq!(element(&answer, "SubjectFromWebIdentityToken"), READER);
    let app = Signer::new(&fake).with(session(&answer));
    assert_eq!(app.call("GetSecretValue", json!({"SecretId": "db"})).await.status, 200);
    assert_eq!(fake.counts().of("AssumeRoleWithWebIdentity"), 1);
    assert_eq!(fake.requests()[0].principal.as_deref(), Some(READER));
    assert!(fake.credential_secrets().contains(&good));
}

#[tokio::test]
async fn a_token_for_another_audience_or_of_nobody_is_refused() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    let sts = json!("sts.amazonaws.com");
    for (token, code) in [
        (token(json!("vault"), READER, 600), "InvalidIdentityToken"),
        (
            token(json!(["sts.amazonaws.com", "vault"]), READER, 600),
            "InvalidIdentityToken",
        ),
        (token(sts.clone(), "admin", 600), "InvalidIdentityToken"),
        (token(sts.clone(), READER, -1), "ExpiredTokenException"),
        ("no.token".to_owned(), "InvalidIdentityToken"),
        (String::new(), "InvalidIdentityToken"),
    ] {
        let answer = exchange(&fake, &token).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, code), "{token}");
    }
    let good = token(sts, READER, 600);
    fake.trust_only(ROLE, "system:serviceaccount:team:other");
    assert_eq!(exchange(&fake, &good).await.error(), "AccessDenied");
    fake.trust_only(ROLE, READER);
    assert_eq!(exchange(&fake, &good).await.status, 200);
    fake.deny(Deny::action("sts:AssumeRoleWithWebIdentity").to(READER));
    assert_eq!(exchange(&fake, &good).await.error(), "AccessDenied");
}

async fn assume(signer: &Signer, role: &str) -> Answer {
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=k8s-external-secrets");
    signer.send(signer.query(&form)).await.unwrap()
}

#[tokio::test]
async fn a_minted_session_signs_and_says_who_it_is() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    fake.set_secret("eu-west-1", "db", "x");
    let minted = session(&assume(&Signer::sts(&fake), ROLE).await.text());
    let sts = Signer::sts(&fake).with(minted.clone());
    let me = sts
        .send(sts.query("Action=GetCallerIdentity&Version=2011-06-15"))
        .await
        .unwrap()
        .text();
    assert_eq!(
        element(&me, "Arn"),
        "arn:aws:sts::123456789012:assumed-role/app/k8s-external-secrets"
    );
    let answer = Signer::new(&fake)
        .with(minted.clone())
        .call("GetSecretValue", json!({"SecretId": "db"}))
        .await;
    assert_eq!(answer.status, 200);
    assert!(fake.credential_secrets().contains(&minted.secret_access_key));

    // The same key without its token, and with the signature of another one, is nobody.
    let mut stolen = minted;
    stolen.session_token = None;
    let answer = Signer::new(&fake)
        .with(stolen)
        .call("GetSecretValue", json!({"SecretId": "db"}))
        .await;
    assert_eq!(answer.error(), "UnrecognizedClientException");
}

#[tokio::test]
async fn a_session_that_is_over_is_refused() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    fake.set_secret("eu-west-1", "db", "x");
    let app = Signer::new(&fake).with(session(&assume(&Signer::sts(&fake), ROLE).await.text()));
    assert_eq!(app.call("GetSecretValue", json!({"SecretId": "db"})).await.status, 200);
    fake.expire_sessions();
    assert_eq!(
        app.call("GetSecretValue", json!({"SecretId": "db"})).await.error(),
        "ExpiredTokenException"
    );
    assert_eq!(
        Signer::new(&fake)
            .call("GetSecretValue", json!({"SecretId": "db"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_lifetime_is_the_configured_one() {
    let config = FakeConfig {
        session_lifetime: Some(Duration::from_secs(120)),
        ..FakeConfig::default()
    };
    let fake = FakeAws::start(config).unwrap();
    let xml = assume(&Signer::sts(&fake), ROLE).await.text();
    let expires: jiff::Timestamp = element(&xml, "Expiration").parse().unwrap();
    let left = expires.as_second() - jiff::Timestamp::now().as_second();
    assert!((115..=120).contains(&left), "{left}");
}

#[tokio::test]
async fn a_denied_or_distrusting_role_is_not_handed_out() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    let inner = "arn:aws:iam::123456789012:role/inner";
    fake.deny(Deny::role(ROLE));
    let denied = assume(&Signer::sts(&fake), ROLE).await;
    assert_eq!((denied.status, denied.error().as_str()), (403, "AccessDenied"));
    fake.clear_denials();
    fake.trust_only(inner, ROLE);
    assert_eq!(assume(&Signer::sts(&fake), inner).await.error(), "AccessDenied");
    let app = Signer::sts(&fake).with(session(&assume(&Signer::sts(&fake), ROLE).await.text()));
    assert_eq!(assume(&app, inner).await.status, 200);
}

#[tokio::test]
async fn what_is_no_role_is_invalid_and_a_wrong_signature_is_refused() {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    assert_eq!(assume(&Signer::sts(&fake), "app").await.error(), "ValidationError");
    let mut wrong = Signer::sts(&fake);
    wrong.credentials.secret_access_key.push('x');
    let refused = assume(&wrong, ROLE).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (403, "SignatureDoesNotMatch")
    );
    let mut nobody = Signer::sts(&fake);
    nobody.credentials.access_key_id.push('X');
    assert_eq!(assume(&nobody, ROLE).await.error(), "InvalidClientTokenId");
}
