//! Roles of service accounts: whose token is exchanged, for which role, and how often.

use std::sync::Arc;
use std::time::Duration;

use keyhole_core::ServiceAccount;
use keyhole_test_aws::Deny;

use super::*;
use crate::api_server::ApiServer;

const ANNOTATION: &str = "eks.amazonaws.com/role-arn";
const READER: &str = "system:serviceaccount:team:reader";

fn reader(role: Option<&str>) -> Identity {
    Identity {
        account: ServiceAccount::new("team", "reader").ok(),
        role: role.map(|role| role.parse().unwrap()),
        namespace_tag: None,
    }
}

async fn world() -> (FakeAws, ApiServer, Identities, Clock) {
    let (aws, server, clock) = (aws(), ApiServer::start().await, Clock::default());
    let config = IdentityConfig {
        accounts: Some(Arc::new(server.credentials(&clock))),
        clock: SharedTimeSource::new(clock.clone()),
        ..config(&aws)
    };
    (aws, server, Identities::new(config), clock)
}

async fn refused(identities: &Identities, identity: &Identity) -> String {
    match session(identities, identity).await {
        Err(CallError::Identity { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_role_of_the_object_is_assumed_with_a_token_of_the_account() {
    let (aws, server, identities, _) = world().await;
    server.account("team/reader", &[(ANNOTATION, HUB)]);
    let granted = session(&identities, &reader(Some(APP))).await.unwrap();
    assert!(granted.session_token().is_some());
    let request = aws.requests().pop().unwrap();
    assert_eq!(request.operation, "AssumeRoleWithWebIdentity");
    assert_eq!(
        (request.principal.as_deref(), request.resources.as_slice()),
        (Some(READER), [APP.to_owned()].as_slice())
    );
    assert!(
        !request.headers.iter().any(|name| name == "authorization"),
        "nobody signs it"
    );
    assert_eq!(aws.counts().of("AssumeRole"), 0, "the operator has no part in it");
    assert_eq!(
        server.state.lock().unwrap().requests,
        ["POST /api/v1/namespaces/team/serviceaccounts/reader/token"]
    );
}

#[tokio::test]
async fn without_a_role_on_the_object_the_accounts_annotation_says_it() {
    let (aws, server, identities, clock) = world().await;
    server.account("team/reader", &[(ANNOTATION, APP)]);
    session(&identities, &reader(None)).await.unwrap();
    assert_eq!(aws.requests().pop().unwrap().resources, [APP]);
    // Another annotation counts within seconds, although the first session lives for an hour.
    server.account("team/reader", &[(ANNOTATION, HUB)]);
    clock.advance(Duration::from_secs(16));
    session(&identities, &reader(None)).await.unwrap();
    assert_eq!(aws.requests().pop().unwrap().resources, [HUB]);
}

#[tokio::test]
async fn an_account_without_a_role_or_with_none_that_can_be_says_what_to_do() {
    let (aws, server, identities, _) = world().await;
    server.account("team/reader", &[]);
    let message = refused(&identities, &reader(None)).await;
    assert!(
        message.starts_with("service account team/reader has no role; annotate it with eks.amazonaws.com/role-arn"),
        "{message}"
    );
    assert_eq!(aws.counts().total(), 0);
    let (_aws, server, identities, _) = world().await;
    server.account("team/reader", &[(ANNOTATION, "app")]);
    let message = refused(&identities, &reader(None)).await;
    assert!(
        message.contains("of service account team/reader: \"app\" is no role ARN"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_made_once_for_each_account_and_role() {
    let (aws, server, identities, _) = world().await;
    server.account("team/reader", &[]);
    server.account("other/reader", &[]);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let identities = identities.clone();
        callers.spawn(async move { session(&identities, &reader(Some(APP))).await });
    }
    while let Some(answer) = callers.join_next().await {
        answer.unwrap().unwrap();
    }
    assert_eq!(aws.counts().of("AssumeRoleWithWebIdentity"), 1);
    let own = session(&identities, &reader(Some(APP))).await.unwrap();
    let elsewhere = Identity {
        account: ServiceAccount::new("other", "reader").ok(),
        ..reader(Some(APP))
    };
    assert_ne!(
        session(&identities, &elsewhere).await.unwrap().access_key_id(),
        own.access_key_id()
    );
    assert_ne!(
        session(&identities, &role(APP)).await.unwrap().access_key_id(),
        own.access_key_id()
    );
}

#[tokio::test]
async fn the_intermediate_role_is_the_operators_way_and_not_an_accounts() {
    let (aws, server, clock) = (aws(), ApiServer::start().await, Clock::default());
    server.account("team/reader", &[]);
    let identities = Identities::new(IdentityConfig {
        accounts: Some(Arc::new(server.credentials(&clock))),
        intermediate_role: Some(HUB.parse().unwrap()),
        ..config(&aws)
    });
    session(&identities, &reader(Some(APP))).await.unwrap();
    assert_eq!(
        (aws.counts().total(), aws.counts().of("AssumeRoleWithWebIdentity")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_account_is_named_with_the_remedy_and_without_the_token() {
    let (aws, server, identities, _) = world().await;
    server.account("team/reader", &[]);
    aws.deny(Deny::action("sts:AssumeRoleWithWebIdentity"));
    let message = refused(&identities, &reader(Some(APP))).await;
    assert!(
        message.starts_with(&format!("cannot assume role {APP} as service account team/reader: ")),
        "{message}"
    );
    assert!(
        message.contains("trust policy") && message.contains("issuer"),
        "{message}"
    );
    for secret in aws.credential_secrets() {
        assert!(!message.contains(&secret), "{message}");
    }
}

#[tokio::test]
async fn an_account_that_is_not_there_is_no_other_identity() {
    let (aws, _server, identities, _) = world().await;
    let message = refused(&identities, &reader(Some(APP))).await;
    assert!(message.contains("no token of service account team/reader"), "{message}");
    assert_eq!(aws.counts().total(), 0);
    // Nor is it where there is no cluster at all.
    let identities = Identities::new(config(&aws));
    assert!(refused(&identities, &reader(Some(APP))).await.contains("cluster"));
    assert_eq!(aws.counts().total(), 0);
}
