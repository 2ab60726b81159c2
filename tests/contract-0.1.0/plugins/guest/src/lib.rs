//! Every answer that contract 0.1.0 has words for, chosen by the key.

use std::time::Duration;

use keyhole_sdk::{
    Backend, Call, Description, Error, ErrorKind, NamedValue, Outcome, Problem, Request, Selector, Value, credentials,
    each, http, log, session,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Settings {
    /// Put before every text.
    #[serde(default)]
    #[schemars(extend("x-keyhole-scope" = "object"))]
    greeting: String,
    /// Fails the whole call.
    #[serde(default)]
    down: bool,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
struct Options {
    suffix: String,
}

struct Every;

impl Backend for Every {
    type Settings = Settings;
    type Options = Options;

    fn describe() -> Description {
        Description::new("contract-0-1-0", "0.1.0")
            .backend_type("every", &["everything"])
            .host("{place}.example.com")
            .aws("secretsmanager", &["GetSecretValue"])
            .header("authorization")
            .service_account_token("vault")
            .exposed_credential("password")
            .max_batch(100)
            .metadata("title", "Every answer")
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        match settings.greeting.as_str() {
            "bad" => vec![Problem::at("/greeting", "must not be bad")],
            _ => Vec::new(),
        }
    }

    fn fetch(settings: &Settings, call: &Call, requests: &[Request<Options>]) -> Result<Vec<Outcome>, Error> {
        if settings.down {
            return Err(Error::unavailable(Some(Duration::from_secs(3)), "down").code("Down"));
        }
        log::info("fetching", &[("attempt", &call.attempt.to_string())]);
        Ok(each(requests, |request| match &request.selector {
            Selector::Key(key) => answer(settings, call, request, key),
            Selector::Prefix { path, recursive } => Ok(values(path, *recursive).into()),
        }))
    }
}

fn answer(settings: &Settings, call: &Call, request: &Request<Options>, key: &str) -> Result<Outcome, Error> {
    let second = Some(Duration::from_secs(1));
    let kind = match key {
        "text" => {
            let text = format!("{}text{}", settings.greeting, request.options.suffix);
            return Ok(Value::text(text).version("7").into());
        }
        "bytes" => return Ok(Value::bytes([0, 159, 255]).into()),
        "unchanged" if request.knows(Some("7")) => return Ok(Outcome::Unchanged),
        "namespace" => return Ok(Value::text(call.namespace().unwrap_or("none")).into()),
        "login" => {
            let token: String = session::get_or_login("login", || Ok(("earned".to_owned(), Duration::from_secs(60))))?;
            return Ok(Value::text(token).into());
        }
        "credential" => return Ok(Value::bytes(credentials::get("password")?).into()),
        "not-found" => ErrorKind::NotFound,
        "denied" => ErrorKind::Denied,
        "unauthenticated" => ErrorKind::Unauthenticated,
        "invalid" => ErrorKind::Invalid("/key".to_owned()),
        "throttled" => ErrorKind::Throttled(second),
        "throttled-at-will" => ErrorKind::Throttled(None),
        "unavailable" => ErrorKind::Unavailable(second),
        "too-large" => ErrorKind::TooLarge,
        "unsupported" => ErrorKind::Unsupported,
        "ambiguous" => ErrorKind::Ambiguous,
        "internal" => ErrorKind::Internal,
        "other" => ErrorKind::Other("a-code".to_owned()),
        url => return Ok(Value::text(http::get(url).send()?.text()?).into()),
    };
    Err(Error::new(kind, format!("this is {key}")).code("Code"))
}

fn values(path: &str, recursive: bool) -> Vec<NamedValue> {
    let value = |name: &str| NamedValue {
        name: name.to_owned(),
        full_name: format!("{path}/{name}"),
        value: Value::text(format!("value of {name}")).version("1"),
    };
    match recursive {
        false => vec![value("a")],
        true => vec![value("a"), value("b")],
    }
}

keyhole_sdk::export!(Every);
