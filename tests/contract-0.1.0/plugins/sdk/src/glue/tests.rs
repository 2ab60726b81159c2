use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;

#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Where the store is.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    region: String,
}

#[derive(Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Options {
    count: Option<u32>,
}

/// Answers each key with itself, and drops the answer to `lost`.
struct Echo;

impl Backend for Echo {
    type Settings = Settings;
    type Options = Options;

    fn describe() -> Description {
        Description::new("echo", "1.0.0")
            .backend_type("echo", &["Echo"])
            .max_batch(0)
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        if settings.region.is_empty() {
            vec![Problem::at("/region", "empty")]
        } else {
            Vec::new()
        }
    }

    fn fetch(settings: &Settings, _: &Call, requests: &[Request<Options>]) -> Result<Vec<Outcome>, Error> {
        let asked = requests
            .iter()
            .filter(|request| request.selector != Selector::key("lost"));
        Ok(asked
            .map(|request| match &request.selector {
                Selector::Key(key) => {
                    let count = request.options.count.unwrap_or_default();
                    Value::text(format!("{key} {count} {}", settings.region)).into()
                }
                Selector::Prefix { .. } => Error::unsupported("no paths").into(),
            })
            .collect())
    }
}

fn ask(key: &str, options: &str) -> wit::Request {
    wit::Request {
        selector: wit::Selector::Key(key.to_owned()),
        options: options.to_owned(),
        known_version: None,
    }
}

fn answer(settings: &str, requests: Vec<wit::Request>) -> Result<Vec<wit::Outcome>, wit::Error> {
    let call = wit::Call {
        settings: settings.to_owned(),
        deadline_ms: 1,
        attempt: 1,
        context: "{}".to_owned(),
    };
    Component::<Echo>::fetch(call, requests)
}

fn text(outcome: &wit::Outcome) -> &str {
    match outcome {
        wit::Outcome::Value(wit::Value {
            content: wit::Content::Text(text),
            ..
        }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_with_unreadable_options_fails_alone_and_in_its_place() {
    let bad = r#"{"count":"many"}"#;
    let requests = vec![
        ask("a", bad),
        ask("b", "{}"),
        ask("c", bad),
        ask("d", r#"{"count":2}"#),
        ask("e", bad),
    ];
    let outcomes = answer(r#"{"region":"r"}"#, requests).unwrap();
    assert_eq!((text(&outcomes[1]), text(&outcomes[3])), ("b 0 r", "d 2 r"));
    for failed in [0, 2, 4] {
        let wit::Outcome::Failed(error) = &outcomes[failed] else {
            panic!("{:?}", outcomes[failed])
        };
        assert!(
            matches!(&error.kind, wit::ErrorKind::Invalid(path) if path == "/options"),
            "{error:?}"
        );
    }
}

#[test]
fn a_lost_answer_fails_the_call_rather_than_shifting_values() {
    let error = answer(r#"{"region":"r"}"#, vec![ask("lost", ""), ask("b", "")]).unwrap_err();
    assert!(matches!(error.kind, wit::ErrorKind::Internal));
    assert_eq!(error.message, "the plugin answered 1 of 2 requests");
}

#[test]
fn unreadable_settings_name_the_settings() {
    let error = answer("{}", vec![ask("a", "")]).unwrap_err();
    assert!(matches!(&error.kind, wit::ErrorKind::Invalid(path) if path == "/settings"));
    assert!(error.message.contains("region"), "{}", error.message);
    let problems = Component::<Echo>::validate("{}".to_owned());
    assert_eq!(problems.len(), 1);
    assert_eq!(
        Component::<Echo>::validate(r#"{"region":""}"#.to_owned())[0].path,
        "/region"
    );
}

#[test]
fn the_description_holds_the_schemas_of_the_types() {
    let said = Component::<Echo>::describe();
    let settings: Json = serde_json::from_str(&said.settings_schema).unwrap();
    assert_eq!(settings["properties"]["region"]["x-keyhole-scope"], "object");
    assert_eq!(settings["properties"]["region"]["description"], "Where the store is.");
    assert_eq!(settings["required"], json!(["region"]));
    let options: Json = serde_json::from_str(&said.options_schema).unwrap();
    assert_eq!(options["additionalProperties"], false);
    assert_eq!(said.max_batch, 1, "a batch holds at least one request");
    assert_eq!(said.metadata, "{}");
}
