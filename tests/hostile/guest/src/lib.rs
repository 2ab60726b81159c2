//! A plugin with every bad habit. `{"do": NAME}` in the settings chooses one; other members are its
//! parameters. Without settings it is well-behaved: each key is answered with `value of KEY`.
//!
//! What `describe` does cannot be chosen by settings, because it has none: [`DESCRIBE`] is a marker
//! that a test overwrites in the file.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });
}
mod answers;
mod blindness;
mod host_calls;
mod limits;
mod network;
mod sessions;
mod talk;

use bindings::exports::keyhole::backend::backend::Guest;
use bindings::keyhole::backend::types::{
    BackendType, Call, Content, Description, Error, ErrorKind, Outcome, Problem, Request, Selector, Value,
};
use serde_json::Value as Json;

/// Overwritten by tests: what comes after the colon, up to the first space, is what `describe` does.
#[used]
static DESCRIBE: [u8; 64] = *b"hostile-guest-describe:normal                                   ";

type Outcomes = Result<Vec<Outcome>, Error>;

struct Hostile;

impl Guest for Hostile {
    fn describe() -> Description {
        // Read as volatile: the compiler must not know what stands there.
        let marker = unsafe { std::ptr::read_volatile(&DESCRIBE) };
        let marker = String::from_utf8_lossy(&marker).into_owned();
        let habit = marker.split(':').nth(1).unwrap_or_default().trim_end();
        limits::describe(habit);
        let mut description = description();
        match habit {
            "huge" => description.metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(70 << 10)),
            "giant" => description.metadata = "x".repeat(2 << 20),
            "schema" => description.settings_schema = "[]".to_owned(),
            "batch" => description.max_batch = 0,
            "host" => description.hosts = vec!["*.example.com".to_owned()],
            _ => {}
        }
        description
    }

    fn validate(settings: String) -> Vec<Problem> {
        let settings: Json = serde_json::from_str(&settings).unwrap_or_default();
        match settings["validate"].as_str() {
            Some("loop") => limits::spin(),
            Some("trap") => std::process::abort(),
            Some("many") => (0..200)
                .map(|number| Problem {
                    path: format!("/{number}"),
                    message: "wrong\n\u{1b}[31mand red".to_owned(),
                })
                .collect(),
            Some("credential") => vec![Problem {
                path: String::new(),
                message: format!("{:?}", bindings::keyhole::backend::credentials::get("password")),
            }],
            Some("bodies") => vec![Problem {
                path: String::new(),
                message: host_calls::bodies(number(&settings, "requests", 1)).to_string(),
            }],
            Some("session") => vec![Problem {
                path: String::new(),
                message: sessions::keep(settings["token"].as_str().unwrap_or_default()),
            }],
            Some("network") => {
                let request = Request {
                    selector: Selector::Key(String::new()),
                    options: String::new(),
                    known_version: None,
                };
                let ended = network::fetch("http", &settings, &[request]);
                vec![Problem {
                    path: String::new(),
                    message: format!("{ended:?}"),
                }]
            }
            _ => Vec::new(),
        }
    }

    fn fetch(call: Call, requests: Vec<Request>) -> Outcomes {
        let settings: Json = serde_json::from_str(&call.settings).unwrap_or_default();
        let habit = settings["do"].as_str().unwrap_or_default();
        None.or_else(|| limits::fetch(habit, &settings, &requests))
            .or_else(|| answers::fetch(habit, &settings, &requests))
            .or_else(|| talk::fetch(habit, &settings, &requests))
            .or_else(|| host_calls::fetch(habit, &settings, &requests))
            .or_else(|| network::fetch(habit, &settings, &requests))
            .or_else(|| sessions::fetch(habit, &settings, &requests))
            .or_else(|| blindness::fetch(habit, &call, &requests))
            .unwrap_or_else(|| Ok(requests.iter().map(well_behaved).collect()))
    }
}

fn description() -> Description {
    Description {
        name: "hostile".to_owned(),
        version: "0.1.0".to_owned(),
        backend_types: vec![BackendType {
            name: "hostile".to_owned(),
            aliases: Vec::new(),
        }],
        settings_schema: "{}".to_owned(),
        options_schema: "{}".to_owned(),
        hosts: Vec::new(),
        credentials: Vec::new(),
        max_batch: 64,
        metadata: "{}".to_owned(),
    }
}

fn name_of(request: &Request) -> &str {
    match &request.selector {
        Selector::Key(key) => key,
        Selector::Prefix(prefix) => &prefix.path,
    }
}

/// What a good plugin would say.
fn well_behaved(request: &Request) -> Outcome {
    match &request.selector {
        Selector::Key(key) => text(format!("value of {key}")),
        Selector::Prefix(_) => Outcome::Values(Vec::new()),
    }
}

fn text(content: String) -> Outcome {
    Outcome::Value(Value {
        content: Content::Text(content),
        version: Some("1".to_owned()),
    })
}

fn failed(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error {
        kind,
        message: message.into(),
        store_code: None,
    }
}

fn number(settings: &Json, name: &str, default: u64) -> u64 {
    settings[name].as_u64().unwrap_or(default)
}

/// The same text for each request.
fn to_all(requests: &[Request], content: &str) -> Option<Outcomes> {
    Some(Ok(requests.iter().map(|_| text(content.to_owned())).collect()))
}

bindings::export!(Hostile with_types_in bindings);
