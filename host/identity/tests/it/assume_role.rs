//! Sessions that are had.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_concurrent_callers_make_one_assume_role() {
    let aws = aws();
    aws.set_latency(Duration::from_millis(50));
    let identities = Identities::new(config(&aws));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let identities = identities.clone();
        callers.spawn(async move { session(&identities, &role(APP)).await });
    }
    let mut keys = std::collections::BTreeSet::new();
    while let Some(answer) = callers.join_next().await {
        keys.insert(answer.unwrap().unwrap().access_key_id().to_owned());
    }
    assert_eq!(keys.len(), 1);
    assert_eq!(aws.counts().of("AssumeRole"), 1);
    assert_eq!(aws.counts().refused, 0);
}

#[tokio::test]
async fn the_session_is_signed_for_by_the_operator_under_kess_name() {
    let aws = aws();
    let identities = Identities::new(config(&aws));
    let granted = session(&identities, &role(APP)).await.unwrap();
    assert!(granted.session_token().is_some() && granted.expiry().is_some());
    let request = aws.requests().pop().unwrap();
    assert!(request.valid, "{:?}", request.refusal);
    assert_eq!(request.region, "eu-west-1");
    assert_eq!(request.access_key_id, aws.base_credentials().access_key_id);
    assert_eq!(request.resources, [APP]);
}

#[tokio::test]
async fn without_a_role_the_operators_own_credentials_are_used_and_sts_is_not_asked() {
    let aws = aws();
    let identities = Identities::new(config(&aws));
    let own = session(&identities, &Identity::default()).await.unwrap();
    assert_eq!(own.access_key_id(), aws.base_credentials().access_key_id);
    assert_eq!(aws.counts().total(), 0);
}

#[tokio::test]
async fn a_session_is_renewed_before_it_expires() {
    let aws = aws();
    let (identities, clock) = clocked(&aws);
    let first = session(&identities, &role(APP)).await.unwrap();
    clock.advance(Duration::from_secs(50 * 60));
    let same = session(&identities, &role(APP)).await.unwrap();
    assert_eq!(first.access_key_id(), same.access_key_id());
    clock.advance(Duration::from_secs(6 * 60));
    let renewed = session(&identities, &role(APP)).await.unwrap();
    assert_ne!(first.access_key_id(), renewed.access_key_id());
    assert_eq!(aws.counts().of("AssumeRole"), 2);
}

#[tokio::test]
async fn a_failed_renewal_leaves_the_session_that_is_still_valid() {
    let aws = aws();
    let (identities, clock) = clocked(&aws);
    let first = session(&identities, &role(APP)).await.unwrap();
    aws.deny(keyhole_test_aws::Deny::role(APP));
    clock.advance(Duration::from_secs(56 * 60));
    let kept = session(&identities, &role(APP)).await.unwrap();
    assert_eq!(first.access_key_id(), kept.access_key_id());
    assert_eq!(aws.counts().of("AssumeRole"), 2);
    clock.advance(Duration::from_secs(5 * 60));
    assert!(
        session(&identities, &role(APP)).await.is_err(),
        "an expired session is no session"
    );
}

#[tokio::test]
async fn the_intermediate_role_is_assumed_first_and_once() {
    let aws = aws();
    aws.trust_only(APP, HUB);
    let identities = Identities::new(IdentityConfig {
        intermediate_role: Some(HUB.parse().unwrap()),
        ..config(&aws)
    });
    session(&identities, &role(APP)).await.unwrap();
    session(&identities, &role("arn:aws:iam::123456789012:role/other"))
        .await
        .unwrap();
    let asked: Vec<_> = aws
        .requests()
        .into_iter()
        .map(|request| (request.resources.concat(), request.principal))
        .collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0].0, HUB);
    assert!(asked[0].1.as_deref().unwrap().ends_with("user/base"));
    for (_, principal) in &asked[1..] {
        assert!(
            principal
                .as_deref()
                .unwrap()
                .ends_with("assumed-role/hub/k8s-external-secrets"),
            "{principal:?}"
        );
    }
    // An object without a role does not go through it.
    let own = session(&identities, &Identity::default()).await.unwrap();
    assert_eq!(own.access_key_id(), aws.base_credentials().access_key_id);
}

#[tokio::test]
async fn a_namespace_tag_makes_a_session_of_its_own() {
    let aws = aws();
    let identities = Identities::new(config(&aws));
    let tagged = |namespace: &str| Identity {
        namespace_tag: Some(namespace.into()),
        ..role(APP)
    };
    let a = session(&identities, &tagged("a")).await.unwrap();
    let b = session(&identities, &tagged("b")).await.unwrap();
    assert_ne!(a.access_key_id(), b.access_key_id());
    assert_eq!(
        session(&identities, &tagged("a")).await.unwrap().access_key_id(),
        a.access_key_id()
    );
    assert_eq!(aws.counts().of("AssumeRole"), 2);
}

/// What a caller sends to STS, from a server that refuses everybody.
async fn sent(identity: &Identity) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        // The body is one line of a form; it ends with the last parameter.
        while !String::from_utf8_lossy(&request).contains("RoleSessionName=k8s-external-secrets") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(request).unwrap()
    });
    let base = Credentials::new("AKIA", "secret", None, None, "test");
    let identities = Identities::new(IdentityConfig {
        endpoints: EndpointOverrides::default().with("sts", &endpoint).unwrap(),
        credentials: Some(SharedCredentialsProvider::new(base)),
        ..IdentityConfig::default()
    });
    assert!(session(&identities, identity).await.is_err());
    served.await.unwrap()
}

#[tokio::test]
async fn the_namespace_is_sent_as_a_session_tag_only_when_asked_for() {
    let tagged = sent(&Identity {
        namespace_tag: Some("team-a".into()),
        ..role(APP)
    })
    .await;
    assert!(
        tagged.contains("Tags.member.1.Key=namespace&Tags.member.1.Value=team-a"),
        "{tagged}"
    );
    assert!(!sent(&role(APP)).await.contains("Tags"));
}
