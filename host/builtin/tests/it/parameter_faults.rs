//! What users of Parameter Store read when the store or the network says no.

use std::time::Duration;

use keyhole_core::{Failure, Outcome, Reason, StoreErrorKind};
use keyhole_test_aws::{Deny, Effect, Fault};
use serde_json::json;

use crate::world::{REGION, SHORT, World, failed, key, keys, path, text};

#[tokio::test]
async fn each_refusal_of_the_service_has_its_kind_and_is_met_once() {
    let world = World::parameters().await;
    world.aws.set_parameter(REGION, "/a", "value");
    let after = |seconds| Some(Duration::from_secs(seconds));
    use StoreErrorKind::{Denied, Invalid, Throttled, Unauthenticated, Unavailable};
    for (status, code, message, retry_after, kind, words) in [
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            Some(3),
            Throttled(after(3)),
            "fewer calls",
        ),
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            None,
            Throttled(None),
            "fewer calls",
        ),
        (500, "InternalServerError", "oops", None, Unavailable(None), "HTTP 500"),
        (
            503,
            "ServiceUnavailable",
            "busy",
            Some(9),
            Unavailable(after(9)),
            "HTTP 503",
        ),
        (400, "InvalidKeyId", "no", None, Denied, "cannot be decrypted"),
        (
            400,
            "AccessDeniedException",
            "perform: kms:Decrypt",
            None,
            Denied,
            "allow kms:Decrypt",
        ),
        (
            400,
            "UnrecognizedClientException",
            "no",
            None,
            Unauthenticated,
            "credentials",
        ),
        (
            400,
            "ValidationException",
            "no",
            None,
            Invalid("/key".to_owned()),
            "refuses",
        ),
    ] {
        world.aws.clear_faults();
        world.aws.reset_counts();
        let (code, message) = (code.to_owned(), message.to_owned());
        let effect = Effect::Error {
            status,
            code: code.clone(),
            message,
            retry_after,
        };
        world.aws.fault_on("GetParameter", effect);
        let outcome = world.one(key("/a")).await;
        let error = failed(&outcome);
        assert_eq!((&error.kind, error.store_code.as_deref()), (&kind, Some(code.as_str())));
        let message = &error.message;
        assert!(message.contains(words) && message.contains(REGION), "{message}");
        assert_eq!(world.parameter_calls(), (1, 0, 0), "{code}");
    }
}

#[tokio::test]
async fn a_throttled_batch_or_page_is_not_answered_with_more_calls() {
    let world = World::parameters().await;
    world.aws.fault(Fault::on("GetParameters").throttle());
    world.aws.fault(Fault::on("GetParametersByPath").throttle());
    let asked = [key("/a"), key("/b"), path("/p", true, json!({}))];
    let outcomes = world.fetch(&asked).await.unwrap();
    for outcome in &outcomes {
        assert_eq!(failed(outcome).kind, StoreErrorKind::Throttled(None));
        assert_eq!(Failure::from(failed(outcome)).reason, Reason::Throttled);
    }
    assert_eq!(world.parameter_calls(), (0, 1, 1));
}

#[tokio::test]
async fn a_batch_that_breaks_is_made_good_one_by_one() {
    let world = World::parameters().await;
    for name in ["/a", "/b"] {
        world.aws.set_parameter(REGION, name, name);
    }
    for effect in [Effect::Reset, Effect::Truncate, Effect::Html] {
        world.aws.clear_faults();
        let shown = format!("{effect:?}");
        world.aws.fault_on("GetParameters", effect);
        let outcomes = world.fetch(&keys(&["/a", "/b"])).await.unwrap();
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Outcome::Value(_))),
            "{shown}: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_page_that_breaks_fails_its_path_and_nothing_else() {
    let world = World::parameters().await;
    for number in 0..25 {
        world
            .aws
            .set_parameter(REGION, &format!("/app/p{number}"), "correct horse battery staple");
    }
    for name in ["/a", "/b/x"] {
        world.aws.set_parameter(REGION, name, name);
    }
    for effect in [Effect::Reset, Effect::Truncate, Effect::Html] {
        world.aws.clear_faults();
        world
            .aws
            .fault(Fault::on("GetParametersByPath").secret("/app").effect(effect));
        let asked = [path("/app", false, json!({})), key("/a"), path("/b", false, json!({}))];
        let outcomes = world.fetch(&asked).await.unwrap();
        assert_eq!(Failure::from(failed(&outcomes[0])).reason, Reason::Unavailable);
        assert!(!format!("{:?}", outcomes[0]).contains("horse"));
        assert_eq!(text(&outcomes[1]), "/a");
        assert!(matches!(&outcomes[2], Outcome::Values(values) if values.len() == 1));
    }
}

#[tokio::test]
async fn a_denied_path_names_its_permission() {
    let world = World::parameters().await;
    world.aws.deny(Deny::action("ssm:GetParametersByPath"));
    let outcome = world.one(path("/app", true, json!({}))).await;
    let message = &failed(&outcome).message;
    assert_eq!(failed(&outcome).kind, StoreErrorKind::Denied);
    assert!(
        message.starts_with(r#"not allowed to read path "/app" in eu-west-1; allow ssm:GetParametersByPath"#),
        "{message}"
    );
}

#[tokio::test]
async fn a_store_that_hangs_ends_within_the_time_of_the_call() {
    let world = World::parameters_with(|grant| grant.limits.wall = SHORT).await;
    for name in ["/a", "/b"] {
        world.aws.set_parameter(REGION, name, name);
    }
    world.aws.fault(Fault::on("GetParameters").effect(Effect::Hang));
    world
        .aws
        .fault(Fault::on("GetParameter").secret("/b").effect(Effect::Hang));
    let outcomes = world.fetch(&keys(&["/a", "/b"])).await.unwrap();
    assert_eq!(text(&outcomes[0]), "/a");
    assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::Unavailable(None));
}
