//! Parameter Store through the whole stack: component, sandbox, signing, HTTP.

use keyhole_core::item::{Item, Mapping};
use keyhole_core::{Failure, Leniency, NamedValue, Outcome, Reason, StoreErrorKind, shape};
use keyhole_test_aws::{Deny, ParameterType};
use serde_json::json;

use crate::world::{REGION, ROLE_USER, World, failed, key, keys, knowing, path, role, text, with_options};

/// Proposed names of the values under a path.
fn named(outcome: &Outcome) -> &[NamedValue] {
    match outcome {
        Outcome::Values(values) => values,
        other => panic!("{other:?}"),
    }
}

fn names(outcome: &Outcome) -> Vec<&str> {
    named(outcome).iter().map(|named| named.name.as_str()).collect()
}

#[tokio::test]
async fn ten_parameters_are_one_call_and_one_is_the_smaller_permission() {
    let world = World::parameters().await;
    let all: Vec<String> = (0..10).map(|n| format!("/app/p{n}")).collect();
    for name in &all {
        world.aws.set_parameter(REGION, name, format!("value of {name}"));
    }
    let outcomes = world.fetch(&keys(&all)).await.unwrap();
    assert!(
        all.iter()
            .zip(&outcomes)
            .all(|(name, outcome)| text(outcome) == format!("value of {name}"))
    );
    assert_eq!(world.parameter_calls(), (0, 1, 0));
    assert_eq!(world.stats.last().exchanges, 1);
    assert_eq!(text(&world.one(key("/app/p3")).await), "value of /app/p3");
    assert_eq!(world.parameter_calls(), (1, 1, 0));
}

#[tokio::test]
async fn selectors_and_arns_name_their_version() {
    let world = World::parameters().await;
    let first = world.aws.set_parameter(REGION, "/a", "one");
    world.aws.set_parameter(REGION, "/a", "two");
    world.aws.label_parameter(REGION, "/a", first, "prod").unwrap();
    let shared = "arn:aws:ssm:eu-west-1:999999999999:parameter/shared";
    world.aws.set_parameter(REGION, shared, "theirs");
    let arn = world.aws.parameter_arn(REGION, "/a");
    let asked = ["/a", "/a:1", "/a:prod", &arn, &format!("{arn}:prod"), shared];
    let outcomes = world.fetch(&keys(&asked)).await.unwrap();
    let found: Vec<_> = outcomes.iter().map(text).collect();
    assert_eq!(found, ["two", "one", "one", "two", "one", "theirs"]);
    assert_eq!(world.parameter_calls(), (6, 0, 0), "a lone plain name needs no batch");
    let absent = world.one(key("/a:7")).await;
    assert_eq!(failed(&absent).kind, StoreErrorKind::NotFound);
    assert!(
        failed(&absent).message.ends_with(r#"has no version or label "7""#),
        "{absent:?}"
    );
}

#[tokio::test]
async fn a_missing_parameter_reads_as_in_kes() {
    let world = World::parameters().await;
    world.aws.set_parameter(REGION, "/a", "x");
    for asked in [keys(&["/none"]), keys(&["/a", "/none"])] {
        let outcomes = world.fetch(&asked).await.unwrap();
        let failure = Failure::from(failed(outcomes.last().unwrap()))
            .by("systemManager")
            .at("data[0]");
        assert_eq!(failure.reason, Reason::NotFound);
        assert_eq!(
            failure.status_line(),
            "ERROR, ParameterNotFound: /none could not be found."
        );
    }
}

#[tokio::test]
async fn a_path_of_twenty_five_is_three_calls() {
    let world = World::parameters().await;
    let all: Vec<String> = (0..25).map(|n| format!("p{n:02}")).collect();
    for name in &all {
        world.aws.set_parameter(REGION, &format!("/app/{name}"), name);
    }
    world.aws.set_parameter(REGION, "/app/deep/x", "deep");
    let outcome = world.one(path("/app", false, json!({}))).await;
    assert_eq!(names(&outcome), all);
    assert!(
        named(&outcome)
            .iter()
            .all(|named| named.value.bytes.expose() == named.name.as_bytes())
    );
    assert_eq!(world.parameter_calls(), (0, 0, 3));
    let outcome = world.one(path("/app/", true, json!({}))).await;
    assert_eq!(named(&outcome).len(), 26);
    assert_eq!(
        names(&world.one(path("/none", true, json!({}))).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn more_pages_than_other_plugins_have_exchanges_are_read() {
    let world = World::parameters().await;
    for number in 0..700 {
        world.aws.set_parameter(REGION, &format!("/many/p{number:03}"), "x");
    }
    let outcome = world.one(path("/many", false, json!({}))).await;
    assert_eq!(named(&outcome).len(), 700);
    let stats = world.stats.last();
    assert_eq!(stats.exchanges, 70);
    assert!(stats.peak_memory < 32 << 20, "{} bytes of memory", stats.peak_memory);
}

#[tokio::test]
async fn a_path_that_no_call_can_read_is_told_before_the_sandbox_ends_it() {
    let world = World::parameters().await;
    for number in 0..4_001 {
        world.aws.set_parameter(REGION, &format!("/long/p{number:04}"), "x");
    }
    world.aws.set_parameter(REGION, "/a", "short");
    let outcomes = world
        .fetch(&[path("/long", false, json!({})), key("/a")])
        .await
        .unwrap();
    assert_eq!(failed(&outcomes[0]).kind, StoreErrorKind::TooLarge);
    assert!(failed(&outcomes[0]).message.contains("4000 parameters"), "{outcomes:?}");
    assert_eq!(text(&outcomes[1]), "short");
}

#[tokio::test]
async fn two_parameters_that_give_one_key_are_both_named_unless_whole_paths_are_wanted() {
    let world = World::parameters().await;
    for name in ["/app/name", "/app/db/name"] {
        world.aws.set_parameter(REGION, name, "x");
    }
    let shaped = async |options| {
        let planned = path("/app", true, options);
        let item = Item {
            place: "data[0]".to_owned(),
            request: planned.request.clone(),
            mapping: Mapping::Path,
        };
        let outcome = world.one(planned).await;
        shape(&[item], &[shape::Answer::Values(named(&outcome))], Leniency::default())
    };
    let failures = shaped(json!({})).await.unwrap_err();
    assert_eq!(failures[0].reason, Reason::InvalidValue);
    assert_eq!(
        failures[0].message,
        r#""/app/db/name" and "/app/name" both give key "name""#
    );
    let data = shaped(json!({"joinPathWith": "."})).await.unwrap().data;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["db.name", "name"]);
}

#[tokio::test]
async fn a_string_list_is_text_or_an_object_of_pairs() {
    let world = World::parameters().await;
    for (name, value) in [("/list", "a=1,b=x=y"), ("/odd", "a=1,hunter2")] {
        world
            .aws
            .set_parameter_as(REGION, name, ParameterType::StringList, value);
    }
    let pairs = |name| with_options(name, json!({"stringList": "pairs"}));
    let outcomes = world
        .fetch(&[key("/list"), pairs("/list"), pairs("/odd")])
        .await
        .unwrap();
    assert_eq!(text(&outcomes[0]), "a=1,b=x=y");
    assert_eq!(text(&outcomes[1]), r#"{"a":"1","b":"x=y"}"#);
    let failure = Failure::from(failed(&outcomes[2]));
    assert_eq!(failure.reason, Reason::InvalidValue);
    assert!(failure.message.contains("entry 2") && !failure.message.contains("hunter2"));
}

#[tokio::test]
async fn a_version_that_the_host_has_is_not_sent_again_and_numbers_that_come_again_are_not_believed() {
    let world = World::parameters().await;
    world.aws.set_parameter(REGION, "/a", "one");
    let Outcome::Value(first) = world.one(key("/a")).await else {
        panic!()
    };
    let version = first.version.unwrap();
    let again = world.one(knowing(key("/a"), &version)).await;
    assert!(matches!(again, Outcome::Unchanged));
    world.aws.remove_parameter(REGION, "/a");
    world.aws.set_parameter(REGION, "/a", "another, and number 1 again");
    let again = world.one(knowing(key("/a"), &version)).await;
    assert_eq!(text(&again), "another, and number 1 again");
}

#[tokio::test]
async fn an_identity_that_may_not_batch_is_remembered_and_others_are_not_held_to_it() {
    let world = World::parameters().await;
    world.aws.deny(Deny::action("ssm:GetParameters").to(ROLE_USER));
    for name in ["/a", "/b"] {
        world.aws.set_parameter(REGION, name, name);
    }
    let ask = keys(&["/a", "/b"]);
    for calls in [(2, 1, 0), (4, 1, 0)] {
        assert_eq!(text(&world.fetch_as(role(), &ask).await.unwrap()[1]), "/b");
        assert_eq!(world.parameter_calls(), calls);
    }
    world.fetch(&ask).await.unwrap();
    assert_eq!(
        world.parameter_calls(),
        (4, 2, 0),
        "the operator's own identity still batches"
    );
}

#[tokio::test]
async fn one_forbidden_parameter_leaves_the_others_and_their_batches() {
    let world = World::parameters().await;
    for name in ["/a", "/b", "/forbidden"] {
        world.aws.set_parameter(REGION, name, name);
    }
    for action in ["ssm:GetParameter", "ssm:GetParameters"] {
        world.aws.deny(Deny::action(action).on("/forbidden"));
    }
    let outcomes = world.fetch(&keys(&["/a", "/forbidden", "/b"])).await.unwrap();
    assert_eq!((text(&outcomes[0]), text(&outcomes[2])), ("/a", "/b"));
    assert_eq!(failed(&outcomes[1]).kind, StoreErrorKind::Denied);
    assert_eq!(world.parameter_calls(), (3, 1, 0));
    world.fetch(&keys(&["/a", "/b"])).await.unwrap();
    assert_eq!(world.parameter_calls(), (3, 2, 0));
}

#[tokio::test]
async fn without_the_grant_to_batch_parameters_are_asked_one_by_one() {
    let world = World::parameters_with(|grant| grant.aws[0].actions.retain(|action| action == "GetParameter")).await;
    for name in ["/a", "/b"] {
        world.aws.set_parameter(REGION, name, name);
    }
    let outcomes = world.fetch(&keys(&["/a", "/b"])).await.unwrap();
    assert_eq!(outcomes.iter().map(text).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(world.parameter_calls(), (2, 0, 0));
}

#[tokio::test]
async fn the_region_of_the_settings_is_asked_and_signed_for() {
    let mut world = World::parameters().await;
    world.aws.set_parameter("us-east-1", "/a", "there");
    world.settings["region"] = json!("us-east-1");
    assert_eq!(text(&world.one(key("/a")).await), "there");
    assert_eq!(world.aws.counts().in_region("GetParameter", "us-east-1"), 1);
}
