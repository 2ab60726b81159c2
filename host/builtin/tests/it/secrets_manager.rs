//! What is asked of the store, and what becomes of its answers.

use keyhole_core::{Outcome, Request, Selector, StoreErrorKind};
use keyhole_sandbox::PlannedRequest;
use keyhole_test_aws::{Deny, FakeConfig};
use serde_json::json;

use crate::world::{REGION, ROLE_USER, World, bytes, failed, key, keys, knowing, role, text, with_options};

const BATCH: &str = "secretsmanager:BatchGetSecretValue";

#[tokio::test]
async fn one_secret_takes_one_call_and_no_further_permission() {
    let world = World::new().await;
    world.aws.deny(Deny::action(BATCH));
    world.aws.set_secret(REGION, "prod/db", r#"{"user":"u"}"#);
    assert_eq!(text(&world.one(key("prod/db")).await), r#"{"user":"u"}"#);
    assert_eq!(world.calls(), (1, 0));
}

#[tokio::test]
async fn many_secrets_take_one_call_and_failures_stay_alone() {
    let world = World::new().await;
    let names: Vec<String> = (0..18).map(|n| format!("app/s{n}")).collect();
    for name in &names {
        world.aws.set_secret(REGION, name, format!("value of {name}"));
    }
    world.aws.set_secret(REGION, "gone", "x");
    world.aws.schedule_deletion(REGION, "gone");
    let mut requests = keys(&names);
    requests.insert(5, key("missing"));
    requests.push(key("gone"));
    let outcomes = world.fetch(&requests).await.unwrap();
    assert_eq!(world.calls(), (0, 1));
    assert_eq!(outcomes.len(), 20);
    let missing = failed(&outcomes[5]);
    assert_eq!(
        (&missing.kind, missing.message.as_str()),
        (&StoreErrorKind::NotFound, r#"no secret "missing" in eu-west-1"#)
    );
    assert_eq!(missing.store_code.as_deref(), Some("ResourceNotFoundException"));
    assert!(
        failed(&outcomes[19]).message.contains("marked for deletion"),
        "{:?}",
        outcomes[19]
    );
    for (request, outcome) in requests
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Outcome::Value(_)))
    {
        assert_eq!(text(outcome), format!("value of {}", request.request.selector.name()));
    }
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::Value(_)))
            .count(),
        18
    );
}

#[tokio::test]
async fn pages_of_a_batch_are_followed() {
    let world = World::with(
        FakeConfig {
            batch_page: 6,
            ..FakeConfig::default()
        },
        |_| {},
    )
    .await;
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.aws.set_secret(REGION, name, name.as_str());
    }
    let outcomes = world.fetch(&keys(&names)).await.unwrap();
    assert_eq!(world.calls(), (0, 4));
    assert!(names.iter().zip(&outcomes).all(|(name, outcome)| text(outcome) == name));
}

#[tokio::test]
async fn bytes_stay_bytes_alone_and_in_a_batch() {
    let world = World::new().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    world.aws.set_secret(REGION, "bin", every_byte.clone());
    world.aws.set_secret(REGION, "text", "grün");
    assert_eq!(bytes(&world.one(key("bin")).await), every_byte);
    let outcomes = world.fetch(&keys(&["text", "bin"])).await.unwrap();
    assert_eq!(
        (text(&outcomes[0]), bytes(&outcomes[1])),
        ("grün", every_byte.as_slice())
    );
    let [Outcome::Value(text), Outcome::Value(bin)] = &outcomes[..] else {
        panic!()
    };
    assert!(text.is_text && !bin.is_text);
}

#[tokio::test]
async fn stages_ids_and_arns_name_their_version() {
    let world = World::new().await;
    let old = world.aws.set_secret(REGION, "s", "old");
    let new = world.aws.set_secret(REGION, "s", "new");
    world
        .aws
        .set_secret_stage(REGION, "s", "pending", "AWSPENDING")
        .unwrap();
    let requests = [
        key("s"),
        with_options("s", json!({"versionStage": "AWSPREVIOUS"})),
        with_options("s", json!({"versionStage": "AWSPENDING"})),
        with_options("s", json!({"versionId": old})),
        with_options("s", json!({"versionId": old, "versionStage": "AWSCURRENT"})),
        key(&world.aws.arn(REGION, "s")),
        with_options("s", json!({"versionStage": "AWSNONE"})),
        with_options("s", json!({"versionId": "00000000-0000-0000-0000-000000000000"})),
    ];
    let outcomes = world.fetch(&requests).await.unwrap();
    let values: Vec<_> = outcomes[..6].iter().map(text).collect();
    assert_eq!(values, ["new", "old", "pending", "old", "old", "new"]);
    assert!(
        failed(&outcomes[6])
            .message
            .contains(r#"no version with stage "AWSNONE""#),
        "{:?}",
        outcomes[6]
    );
    assert!(
        failed(&outcomes[7]).message.contains("no version \"0000"),
        "{:?}",
        outcomes[7]
    );
    assert_eq!(
        world.calls(),
        (7, 0),
        "a version asked twice travels once, and a lone current one needs no batch"
    );
    let Outcome::Value(current) = &outcomes[0] else {
        panic!()
    };
    assert_eq!(current.version.as_deref(), Some(new.as_str()));
}

#[tokio::test]
async fn a_version_that_the_host_has_is_not_sent_again() {
    let world = World::new().await;
    let version = world.aws.set_secret(REGION, "s", "value");
    world.aws.set_secret(REGION, "t", "other");
    let outcomes = world
        .fetch(&[knowing(key("s"), &version), knowing(key("t"), "older")])
        .await
        .unwrap();
    assert!(matches!(outcomes[0], Outcome::Unchanged));
    assert_eq!(text(&outcomes[1]), "other");
    assert_eq!(world.calls(), (0, 1));

    let pinned = with_options("s", json!({"versionId": version}));
    assert!(matches!(world.one(knowing(pinned, &version)).await, Outcome::Unchanged));
    assert_eq!(world.calls(), (0, 1), "a version never changes, so nobody is asked");
}

#[tokio::test]
async fn an_identity_that_may_not_batch_is_remembered_and_others_are_not_held_to_it() {
    let world = World::new().await;
    world.aws.deny(Deny::action(BATCH).to(ROLE_USER));
    for name in ["a", "b"] {
        world.aws.set_secret(REGION, name, name);
    }
    let ask = keys(&["a", "b"]);
    for calls in [(2, 1), (4, 1)] {
        assert_eq!(text(&world.fetch_as(role(), &ask).await.unwrap()[1]), "b");
        assert_eq!(
            world
                .aws
                .requests()
                .iter()
                .filter(|request| request.operation == "BatchGetSecretValue")
                .count(),
            1
        );
        let counts = world.aws.counts();
        assert_eq!((counts.of("GetSecretValue"), counts.of("BatchGetSecretValue")), calls);
    }
    world.fetch(&ask).await.unwrap();
    assert_eq!(world.calls(), (4, 2), "the operator's own identity still batches");
}

#[tokio::test]
async fn without_the_grant_to_batch_secrets_are_asked_one_by_one() {
    let config = FakeConfig::default();
    let world = World::with(config, |grant| {
        grant.aws[0].actions.retain(|action| action == "GetSecretValue")
    })
    .await;
    for name in ["a", "b", "c"] {
        world.aws.set_secret(REGION, name, name);
    }
    let outcomes = world.fetch(&keys(&["a", "b", "c"])).await.unwrap();
    assert_eq!(outcomes.iter().map(text).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(world.calls(), (3, 0));
}

#[tokio::test]
async fn the_region_of_the_settings_is_asked_and_signed_for() {
    let mut world = World::new().await;
    world.aws.set_secret("us-east-1", "s", "there");
    world.settings["region"] = json!("us-east-1");
    assert_eq!(text(&world.one(key("s")).await), "there");
    assert_eq!(world.aws.counts().in_region("GetSecretValue", "us-east-1"), 1);
}

#[tokio::test]
async fn paths_are_refused_in_the_words_of_kes() {
    let world = World::new().await;
    let selector = Selector::Prefix {
        path: "/x".into(),
        recursive: true,
    };
    let request = Request {
        selector,
        options: Default::default(),
    };
    let outcome = world
        .one(PlannedRequest {
            request,
            known_version: None,
        })
        .await;
    assert_eq!(failed(&outcome).kind, StoreErrorKind::Unsupported);
    assert!(failed(&outcome).message.starts_with("_getByPath not implemented"));
    assert_eq!(world.calls(), (0, 0));
}

/// The largest value that the service holds, in the largest batch.
#[tokio::test]
async fn a_full_batch_of_the_largest_values_stays_within_the_default_limits() {
    let world = World::new().await;
    let value = "x".repeat(64 << 10);
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.aws.set_secret(REGION, name, value.as_str());
    }
    let outcomes = world.fetch(&keys(&names)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| bytes(outcome).len() == 64 << 10));
    let stats = world.stats.last();
    assert_eq!(stats.exchanges, 1);
    assert!(stats.peak_memory < 32 << 20, "{} bytes of memory", stats.peak_memory);
}
