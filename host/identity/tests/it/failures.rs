//! Sessions that are not had: what is said, how often is asked, and that no secret is told.

use super::*;
use keyhole_test_aws::{Deny, Effect, Fault};

/// The message, and whether it may pass by itself. Fails when a credential shows.
fn told(aws: &FakeAws, answer: Result<Credentials, CallError>) -> (String, bool) {
    let Err(CallError::Identity { message, transient }) = answer else {
        panic!("{answer:?}")
    };
    for secret in aws.credential_secrets() {
        assert!(!message.contains(&secret), "{message}");
    }
    (message, transient)
}

#[tokio::test]
async fn a_denied_role_is_named_with_the_remedy_and_asked_for_once_in_a_while() {
    let aws = aws();
    let (identities, clock) = clocked(&aws);
    aws.deny(Deny::role(APP));
    for _ in 0..20 {
        let (message, transient) = told(&aws, session(&identities, &role(APP)).await);
        assert!(message.starts_with(&format!("cannot assume role {APP}: ")), "{message}");
        assert!(
            message.contains("user/base is not authorized") && message.contains("trust policy"),
            "{message}"
        );
        assert!(!transient);
    }
    assert_eq!(aws.counts().of("AssumeRole"), 1);
    aws.clear_denials();
    clock.advance(Duration::from_secs(6));
    session(&identities, &role(APP)).await.unwrap();
}

#[tokio::test]
async fn a_denied_intermediate_role_is_named() {
    let aws = aws();
    aws.deny(Deny::role(HUB));
    let identities = Identities::new(IdentityConfig {
        intermediate_role: Some(HUB.parse().unwrap()),
        ..config(&aws)
    });
    let (message, _) = told(&aws, session(&identities, &role(APP)).await);
    assert!(message.starts_with(&format!("cannot assume role {HUB}: ")), "{message}");
}

#[tokio::test]
async fn a_role_that_trusts_somebody_else_names_the_path() {
    let aws = aws();
    aws.trust_only(APP, "arn:aws:iam::123456789012:user/somebody");
    let identities = Identities::new(IdentityConfig {
        intermediate_role: Some(HUB.parse().unwrap()),
        ..config(&aws)
    });
    let (message, _) = told(&aws, session(&identities, &role(APP)).await);
    assert!(
        message.starts_with(&format!("cannot assume role {APP} through {HUB}: ")),
        "{message}"
    );
}

#[tokio::test]
async fn one_refused_identity_leaves_the_others_alone() {
    let aws = aws();
    aws.deny(Deny::role(APP));
    let identities = Identities::new(config(&aws));
    assert!(session(&identities, &role(APP)).await.is_err());
    session(&identities, &role(HUB)).await.unwrap();
}

#[tokio::test]
async fn a_server_error_is_tried_twice_and_may_pass() {
    let aws = aws();
    let identities = Identities::new(config(&aws));
    aws.fault(Fault::on("AssumeRole").times(1).error(500, "InternalFailure", "oops"));
    session(&identities, &role(APP)).await.unwrap();
    aws.reset_counts();
    aws.fault(Fault::on("AssumeRole").error(503, "ServiceUnavailable", "oops"));
    let (message, transient) = told(&aws, session(&identities, &role(HUB)).await);
    assert!(transient && message.contains("ServiceUnavailable"), "{message}");
    assert_eq!(aws.counts().of("AssumeRole"), 2);
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named() {
    let aws = aws();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let nobody = format!("http://127.0.0.1:{port}");
    let endpoints = EndpointOverrides::default().with("sts", &nobody).unwrap();
    let identities = Identities::new(IdentityConfig {
        endpoints,
        ..config(&aws)
    });
    let (message, transient) = told(&aws, session(&identities, &role(APP)).await);
    assert!(
        transient && message.contains(&format!("{nobody} cannot be reached")),
        "{message}"
    );
}

#[tokio::test]
async fn an_sts_that_hangs_is_given_up() {
    let aws = aws();
    aws.fault_on("AssumeRole", Effect::Hang);
    let identities = Identities::new(config(&aws));
    let began = std::time::Instant::now();
    let (message, transient) = told(&aws, session(&identities, &role(APP)).await);
    assert!(transient && message.contains("did not answer in time"), "{message}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_an_error() {
    for effect in [Effect::Html, Effect::Truncate, Effect::Reset] {
        let aws = aws();
        aws.fault_on("AssumeRole", effect.clone());
        let identities = Identities::new(config(&aws));
        let (message, transient) = told(&aws, session(&identities, &role(APP)).await);
        assert!(
            transient && message.starts_with("cannot assume role"),
            "{effect:?}: {message}"
        );
    }
}

#[tokio::test]
async fn credentials_that_sts_rejects_are_had_anew() {
    let aws = aws();
    let (identities, clock) = clocked(&aws);
    let identities_hub = {
        let config = IdentityConfig {
            intermediate_role: Some(HUB.parse().unwrap()),
            clock: SharedTimeSource::new(clock.clone()),
            ..config(&aws)
        };
        Identities::new(config)
    };
    drop(identities);
    session(&identities_hub, &role(APP)).await.unwrap();
    aws.expire_sessions();
    let other = role("arn:aws:iam::123456789012:role/other");
    let (message, _) = told(&aws, session(&identities_hub, &other).await);
    assert!(message.contains("STS does not accept"), "{message}");
    clock.advance(Duration::from_secs(6));
    session(&identities_hub, &other).await.unwrap();
}

#[tokio::test]
async fn nothing_secret_shows_in_debug_output() {
    let aws = aws();
    let identities = Identities::new(config(&aws));
    session(&identities, &role(APP)).await.unwrap();
    let shown = format!("{identities:?}");
    for secret in aws.credential_secrets() {
        assert!(!shown.contains(&secret));
    }
}
