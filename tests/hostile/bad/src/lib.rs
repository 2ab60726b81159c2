//! A backend that does everything right, or exactly one thing wrong: what the conformance suite of the author's
//! kit is tested with. `GET ADDRESS/v1/KEY` answers `{"value": TEXT}`.
//!
//! [`HABIT`] is a marker that a test overwrites in the file, since `describe` and `validate` have no settings
//! that could choose.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });
}
mod http;

use bindings::exports::keyhole::backend::backend::Guest;
use bindings::keyhole::backend::log::{Level, write};
use bindings::keyhole::backend::session_store;
use bindings::keyhole::backend::types::{
    BackendType, Call, Content, Description, Error, ErrorKind, Outcome, Problem, Request, Selector, Value,
};
use http::Answer;
use serde_json::Value as Json;
use wasip2::random::random::{get_random_bytes, get_random_u64};

/// Overwritten by tests: what comes after the colon, up to the first space.
#[used]
static HABIT: [u8; 64] = *b"bad-guest-habit:good                                            ";

const SETTINGS: &str = r#"{
    "type": "object",
    "properties": {"address": {"type": "string", "description": "Where the store is."}},
    "required": ["address"],
    "additionalProperties": false
}"#;

fn habit() -> String {
    // Read as volatile: the compiler must not know what stands there.
    let marker = unsafe { std::ptr::read_volatile(&HABIT) };
    let marker = String::from_utf8_lossy(&marker).into_owned();
    marker.split(':').nth(1).unwrap_or_default().trim_end().to_owned()
}

struct Bad;

impl Guest for Bad {
    fn describe() -> Description {
        let mut said = Description {
            name: "bad".to_owned(),
            version: "0.1.0".to_owned(),
            backend_types: vec![BackendType {
                name: "bad".to_owned(),
                aliases: Vec::new(),
            }],
            settings_schema: SETTINGS.to_owned(),
            options_schema: r#"{"type": "object"}"#.to_owned(),
            hosts: vec!["store.example.com".to_owned()],
            credentials: Vec::new(),
            max_batch: 20,
            metadata: "{}".to_owned(),
        };
        match habit().as_str() {
            "describe-random" => said.version = format!("0.1.{}", get_random_u64() % 1_000_000),
            "describe-network" => drop(http::get("https://store.example.com/version")),
            "describe-huge" => said.metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(70 << 10)),
            "describe-name" => said.name = "Bad Plugin".to_owned(),
            "describe-version" => said.version = "one".to_owned(),
            "describe-host" => said.hosts = vec!["*.example.com".to_owned()],
            "describe-schema" => said.settings_schema = r#"{"type": "string"}"#.to_owned(),
            "describe-ref" => said.options_schema = r#"{"$ref": "https://example.com/schema"}"#.to_owned(),
            "describe-batch" => said.max_batch = 0,
            "describe-traps" => std::process::abort(),
            "greedy" => said.max_batch = 100,
            _ => {}
        }
        said
    }

    fn validate(settings: String) -> Vec<Problem> {
        let settings: Json = serde_json::from_str(&settings).unwrap_or_default();
        let address = settings["address"].as_str();
        let path = match habit().as_str() {
            "validate-silent" => return Vec::new(),
            "validate-path" => "address",
            "validate-traps" if address.is_none_or(|address| !address.starts_with("http")) => std::process::abort(),
            "validate-complains" => return vec![problem("/address", "I do not like it")],
            _ => "/address",
        };
        match address {
            Some(address) if address.starts_with("http") => Vec::new(),
            _ => vec![problem(path, "no address; write https://HOST")],
        }
    }

    fn fetch(call: Call, requests: Vec<Request>) -> Result<Vec<Outcome>, Error> {
        let settings: Json = serde_json::from_str(&call.settings).unwrap_or_default();
        let address = settings["address"].as_str().unwrap_or_default();
        let habit = habit();
        let mut outcomes = Vec::new();
        for request in &requests {
            match one(&habit, address, request) {
                Ok(value) => outcomes.push(Outcome::Value(value)),
                Err(error) if habit == "all-or-nothing" => return Err(error),
                Err(error) => outcomes.push(Outcome::Failed(error)),
            }
        }
        if habit == "reversed" {
            outcomes.reverse();
        }
        Ok(outcomes)
    }
}

fn one(habit: &str, address: &str, request: &Request) -> Result<Value, Error> {
    let Selector::Key(key) = &request.selector else {
        return Err(failed(ErrorKind::Unsupported, "there are no paths; use key and name"));
    };
    let url = format!("{address}/v1/{key}");
    let attempts = if habit == "retries" { 3 } else { 1 };
    let mut answer = http::get(&url);
    for _ in 1..attempts {
        match &answer {
            Ok(Answer {
                status: 429 | 500.., ..
            }) => answer = http::get(&url),
            _ => break,
        }
    }
    let answer = answer.map_err(|error| refused(habit, error))?;
    match (answer.status, habit) {
        (200, _) => Ok(value(habit, &answer)),
        (404, "missing-unavailable") => Err(failed(ErrorKind::Unavailable(None), "something is wrong")),
        (404, _) => Err(failed(ErrorKind::NotFound, format!("no entry {key:?}"))),
        (429, "throttle-unavailable") => Err(failed(ErrorKind::Unavailable(None), "too many requests")),
        (429, "throttle-forgets") => Err(failed(ErrorKind::Throttled(None), "too many requests")),
        (429, _) => Err(failed(ErrorKind::Throttled(answer.retry_after_ms), "too many requests")),
        (_, "error-internal") => Err(failed(ErrorKind::Internal, "what is this")),
        (status, _) => Err(failed(
            ErrorKind::Unavailable(None),
            format!("the store answered {status}"),
        )),
    }
}

fn value(habit: &str, answer: &Answer) -> Value {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut text = body["value"].as_str().unwrap_or_default().to_owned();
    match habit {
        "talks" => write(Level::Info, &format!("got {text}"), &[]),
        "embellishes" => text.push('!'),
        "hoards" => {
            let name = format!("seen-{}", get_random_u64());
            let _ = session_store::set(&name, &get_random_bytes(16), 3_600_000);
        }
        _ => {}
    }
    Value {
        content: Content::Text(text),
        version: None,
    }
}

/// The host did not let a request out.
fn refused(habit: &str, error: String) -> Error {
    match habit {
        "refusal-slow" => std::thread::sleep(std::time::Duration::from_secs(1)),
        "refusal-traps" => std::process::abort(),
        "refusal-not-found" => return failed(ErrorKind::NotFound, "no such entry"),
        _ => {}
    }
    failed(ErrorKind::Unavailable(None), error)
}

fn problem(path: &str, message: &str) -> Problem {
    Problem {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error {
        kind,
        message: message.into(),
        store_code: None,
    }
}

bindings::export!(Bad with_types_in bindings);
