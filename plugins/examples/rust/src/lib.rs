//! A secret store that speaks JSON over HTTP, as a backend of Keyhole: `backendType: exampleRust`.
//!
//! ```text
//! GET ADDRESS/v1/secrets/KEY                          {"value": "...", "version": "3"}    ETag: "3"
//! GET ADDRESS/v1/secrets?prefix=PATH&recursive=BOOL   {"secrets": [{"key": "...", "value": "...", "version": "3"}]}
//! ```
//!
//! The store wants a bearer token. The host adds it on the way out; this plugin never sees it.

use keyhole_sdk::http::{self, RequestBuilder, Response};
use keyhole_sdk::{
    Backend, Call, Description, Error, NamedValue, NoOptions, Outcome, Problem, Request, Selector, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the administrator sets, and what an ExternalSecret may set besides.
#[derive(Deserialize, JsonSchema)]
struct Settings {
    /// Where the store is, e.g. `https://store.example.com`.
    address: String,
    /// Put before every key and path, e.g. `team-a`.
    #[serde(default)]
    #[schemars(extend("x-keyhole-scope" = "object"))]
    prefix: String,
}

/// One secret, as the store says it.
#[derive(Deserialize)]
struct Entry {
    value: String,
    version: String,
}

/// Everything under a path.
#[derive(Deserialize)]
struct Listing {
    secrets: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    key: String,
    #[serde(flatten)]
    entry: Entry,
}

struct JsonStore;

impl Backend for JsonStore {
    type Settings = Settings;
    type Options = NoOptions;

    fn describe() -> Description {
        Description::new("example-rust", env!("CARGO_PKG_VERSION"))
            .backend_type("exampleRust", &[])
            .header("authorization")
            .max_batch(50)
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !settings.address.starts_with("https://") && !settings.address.starts_with("http://") {
            problems.push(Problem::at(
                "/address",
                "must be a URL such as https://store.example.com",
            ));
        }
        if http::encode_path(&settings.prefix).is_err() {
            problems.push(Problem::at("/prefix", "must not lead out of its folder by `.` or `..`"));
        }
        problems
    }

    /// The requests go out side by side, and each has an outcome of its own.
    fn fetch(settings: &Settings, _: &Call, requests: &[Request<NoOptions>]) -> Result<Vec<Outcome>, Error> {
        let answers = http::send_all(requests.iter().map(|request| question(settings, request)));
        let outcomes = requests.iter().zip(answers);
        Ok(outcomes
            .map(|(request, answer)| answer.and_then(|answer| outcome(request, answer)).into())
            .collect())
    }
}

/// What to ask of the store.
fn question(settings: &Settings, request: &Request<NoOptions>) -> RequestBuilder {
    let secrets = http::get(&settings.address).path("v1/secrets");
    match &request.selector {
        Selector::Key(key) => {
            let entry = secrets.path(&settings.prefix).path(key);
            match &request.known_version {
                Some(version) => entry.header("if-none-match", format!("\"{version}\"")),
                None => entry,
            }
        }
        Selector::Prefix { path, recursive } => secrets
            .query("prefix", join(&[&settings.prefix, path]))
            .query("recursive", recursive.to_string()),
    }
}

fn join(parts: &[&str]) -> String {
    let parts = parts.iter().map(|part| part.trim_matches('/'));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// What the answer means. `json` makes an error of every status that is no success.
fn outcome(request: &Request<NoOptions>, answer: Response) -> Result<Outcome, Error> {
    if request.known_version.is_some() && answer.status() == 304 {
        return Ok(Outcome::Unchanged);
    }
    match &request.selector {
        Selector::Key(key) if answer.status() == 404 => {
            Err(Error::not_found(format!("no secret {key:?} in the store")))
        }
        Selector::Key(_) => Ok(value(answer.json()?).into()),
        Selector::Prefix { .. } => {
            let listing: Listing = answer.json()?;
            Ok(listing.secrets.into_iter().map(named).collect::<Vec<_>>().into())
        }
    }
}

fn value(entry: Entry) -> Value {
    Value::text(entry.value).version(entry.version)
}

/// The last part of the key is the name that the value gets in the Secret.
fn named(listed: Listed) -> NamedValue {
    let name = listed.key.rsplit('/').next().unwrap_or_default().to_owned();
    NamedValue {
        name,
        full_name: listed.key,
        value: value(listed.entry),
    }
}

keyhole_sdk::export!(JsonStore);

#[cfg(test)]
mod tests;
