use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{Description, ErrorKind, Value, credentials};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Settings {
    address: String,
}

#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
struct Options {
    field: Option<String>,
}

/// Logs in with a granted credential, and says what it was asked.
struct Store;

impl Backend for Store {
    type Settings = Settings;
    type Options = Options;

    fn describe() -> Description {
        Description::new("store", "1.0.0").backend_type("store", &[])
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        match settings.address.as_str() {
            "" => vec![Problem::at("/address", "empty")],
            _ => Vec::new(),
        }
    }

    fn fetch(settings: &Settings, call: &Call, requests: &[Request<Options>]) -> Result<Vec<Outcome>, Error> {
        let token = session::get_or_login("login", || {
            let secret = credentials::text("secret")?;
            let login = crate::http::post(format!("{}/login", settings.address)).body(secret);
            Ok((login.send()?.text()?, Duration::from_secs(60)))
        })?;
        Ok(crate::each(requests, |request| {
            if request.knows(Some("7")) {
                return Ok(Outcome::Unchanged);
            }
            let text = format!(
                "{token} {:?} {:?} {}",
                request.selector, request.options.field, call.attempt
            );
            Ok(Value::text(text).into())
        }))
    }
}

#[test]
fn a_call_goes_the_way_of_the_host() {
    let _store = Http::serve(|request| match (request.path(), request.body.as_deref()) {
        ("/login", Some(b"granted")) => Answer::text(200, "token"),
        _ => Answer::status(401),
    });
    let settings = json!({ "address": "https://store.example" });

    let error = fetch::<Store>(&settings, &[key("a")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "nothing is granted: {error}");

    grant("secret", "granted");
    let call = Call {
        attempt: 2,
        ..Call::default()
    };
    let asked = [
        key("a").options(json!({ "field": "f" })),
        key("b").known("7"),
        tree("p"),
        prefix("p").options(json!({ "field": 1 })),
    ];
    let outcomes = fetch_with::<Store>(&settings, &call, &asked).unwrap();
    assert_eq!(outcomes[0], Value::text("token Key(\"a\") Some(\"f\") 2").into());
    assert_eq!(outcomes[1], Outcome::Unchanged);
    let tree = "token Prefix { path: \"p\", recursive: true } None 2";
    assert_eq!(outcomes[2], Value::text(tree).into());
    assert!(matches!(&outcomes[3], Outcome::Failed(error) if error.kind == ErrorKind::Invalid("/options".into())));
}

#[test]
fn settings_are_read_as_the_host_sends_them() {
    assert_eq!(validate::<Store>(&json!({ "address": "" }))[0].path, "/address");
    assert!(validate::<Store>(&json!({}))[0].message.contains("address"));
    let error = fetch::<Store>(&json!({}), &[key("a")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid("/settings".to_owned()));
}
