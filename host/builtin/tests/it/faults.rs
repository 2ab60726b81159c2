//! What users read when the store, the network or an administrator says no.

use std::time::Duration;

use keyhole_core::{CallError, EgressError, Failure, Outcome, Reason, StoreErrorKind};
use keyhole_test_aws::{Deny, Effect, FakeConfig, Fault};

use crate::world::{REGION, SHORT, World, failed, key, keys, text};

#[tokio::test]
async fn each_refusal_of_the_service_has_its_kind_and_is_met_once() {
    let world = World::new().await;
    world.aws.set_secret(REGION, "s", "value");
    let after = |seconds| Some(Duration::from_secs(seconds));
    for (status, code, message, retry_after, kind, words) in [
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            Some(3),
            StoreErrorKind::Throttled(after(3)),
            "fewer calls",
        ),
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            None,
            StoreErrorKind::Throttled(None),
            "fewer calls",
        ),
        (
            500,
            "InternalServiceError",
            "oops",
            None,
            StoreErrorKind::Unavailable(None),
            "HTTP 500",
        ),
        (
            503,
            "ServiceUnavailable",
            "busy",
            Some(9),
            StoreErrorKind::Unavailable(after(9)),
            "HTTP 503",
        ),
        (
            400,
            "DecryptionFailure",
            "no",
            None,
            StoreErrorKind::Denied,
            "cannot be decrypted",
        ),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            None,
            StoreErrorKind::Denied,
            "allow kms:Decrypt",
        ),
        (
            400,
            "UnrecognizedClientException",
            "no",
            None,
            StoreErrorKind::Unauthenticated,
            "credentials",
        ),
        (
            400,
            "InvalidParameterException",
            "no",
            None,
            StoreErrorKind::Invalid("/key".to_owned()),
            "refuses",
        ),
    ] {
        world.aws.clear_faults();
        world.aws.reset_counts();
        let (code, message) = (code.to_owned(), message.to_owned());
        world.aws.fault_on(
            "GetSecretValue",
            Effect::Error {
                status,
                code: code.clone(),
                message,
                retry_after,
            },
        );
        let outcome = world.one(key("s")).await;
        let error = failed(&outcome);
        assert_eq!((&error.kind, error.store_code.as_deref()), (&kind, Some(code.as_str())));
        assert!(
            error.message.contains(words) && error.message.contains(REGION),
            "{}",
            error.message
        );
        assert_eq!(world.calls(), (1, 0), "{code}");
    }
}

#[tokio::test]
async fn a_denied_secret_names_the_permission_and_leaves_the_others() {
    let world = World::new().await;
    for name in ["a", "b"] {
        world.aws.set_secret(REGION, name, name);
    }
    world.aws.deny(Deny::action("secretsmanager:GetSecretValue").on("a"));
    let outcomes = world.fetch(&keys(&["a", "b"])).await.unwrap();
    assert_eq!(failed(&outcomes[0]).kind, StoreErrorKind::Denied);
    let message = &failed(&outcomes[0]).message;
    assert!(
        message.starts_with(r#"not allowed to read secret "a" in eu-west-1; allow secretsmanager:GetSecretValue"#),
        "{message}"
    );
    assert_eq!(text(&outcomes[1]), "b");
    assert_eq!(world.calls(), (0, 1));
}

#[tokio::test]
async fn one_broken_secret_of_a_batch_leaves_the_others() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.aws.set_secret(REGION, name, name);
    }
    world.aws.fault(
        Fault::on("BatchGetSecretValue")
            .secret("b")
            .error(500, "InternalServiceError", "oops"),
    );
    let outcomes = world.fetch(&keys(&["a", "b", "c"])).await.unwrap();
    assert_eq!((text(&outcomes[0]), text(&outcomes[2])), ("a", "c"));
    assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::Unavailable(None));
}

#[tokio::test]
async fn a_batch_that_breaks_is_made_good_one_by_one() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.aws.set_secret(REGION, name, name);
    }
    for effect in [
        Effect::Reset,
        Effect::Truncate,
        Effect::Html,
        Effect::Error {
            status: 500,
            code: "InternalServiceError".into(),
            message: String::new(),
            retry_after: None,
        },
        Effect::Error {
            status: 400,
            code: "UnknownOperationException".into(),
            message: String::new(),
            retry_after: None,
        },
    ] {
        world.aws.clear_faults();
        let shown = format!("{effect:?}");
        world.aws.fault_on("BatchGetSecretValue", effect);
        let outcomes = world.fetch(&keys(&["a", "b", "c"])).await.unwrap();
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::Value(_))),
            "{shown}: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_throttled_batch_is_not_answered_with_more_calls() {
    let world = World::new().await;
    world.aws.fault(Fault::on("BatchGetSecretValue").throttle());
    let outcomes = world.fetch(&keys(&["a", "b", "c"])).await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| failed(outcome).kind == StoreErrorKind::Throttled(None)),
        "{outcomes:?}"
    );
    assert_eq!(world.calls(), (0, 1));
}

#[tokio::test]
async fn answers_that_cannot_be_read_give_nothing_away() {
    let world = World::new().await;
    world.aws.set_secret(REGION, "s", "correct horse battery staple");
    for effect in [Effect::Truncate, Effect::Html] {
        world.aws.clear_faults();
        world.aws.fault_on("GetSecretValue", effect);
        let outcome = world.one(key("s")).await;
        let error = failed(&outcome);
        let reason = Failure::from(error).reason;
        assert_eq!(reason, Reason::Unavailable, "{error:?}");
        assert!(!format!("{error:?}").contains("horse"), "{error:?}");
    }
}

#[tokio::test]
async fn a_secret_that_hangs_does_not_take_the_others_with_it() {
    let world = World::with(FakeConfig::default(), |grant| grant.limits.wall = SHORT).await;
    for name in ["a", "b", "c"] {
        world.aws.set_secret(REGION, name, name);
    }
    world.aws.fault(Fault::on("BatchGetSecretValue").effect(Effect::Hang));
    world
        .aws
        .fault(Fault::on("GetSecretValue").secret("b").effect(Effect::Hang));
    let outcomes = world.fetch(&keys(&["a", "b", "c"])).await.unwrap();
    assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::Unavailable(None));
    assert_eq!((text(&outcomes[0]), text(&outcomes[2])), ("a", "c"));
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_named() {
    let world = World::with(FakeConfig::default(), |grant| {
        grant.aws.clear();
        grant.hosts.retain(|pattern| pattern.to_string().ends_with(".cn"));
    })
    .await;
    let answer = world.fetch(&keys(&["a", "b", "c", "d"])).await;
    let told = match &answer {
        Err(CallError::Egress(EgressError::HostNotGranted { host })) => host.clone(),
        Ok(outcomes) => failed(&outcomes[0]).message.clone(),
        Err(other) => panic!("{other:?}"),
    };
    assert!(told.contains("secretsmanager.eu-west-1.amazonaws.com"), "{told}");
}
