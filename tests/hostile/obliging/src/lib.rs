//! A plugin that is what a test writes into its file: [`WISHES`] is a marker, and what comes after the colon is
//! JSON with `version`, `types`, `hosts` and `says`. Each key is answered with `SAYS GREETING KEY`.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });
}

use bindings::exports::keyhole::backend::backend::Guest;
use bindings::keyhole::backend::types::{
    BackendType, Call, Content, Description, Error, Outcome, Problem, Request, Selector, Value,
};
use serde_json::{Value as Json, json};

/// Overwritten by tests.
#[used]
static WISHES: [u8; 512] = {
    let mut marker = [b' '; 512];
    let text = b"obliging-guest-wishes:{}";
    let mut at = 0;
    while at < text.len() {
        marker[at] = text[at];
        at += 1;
    }
    marker
};

fn wishes() -> Json {
    // Read as volatile: the compiler must not know what stands there.
    let marker = unsafe { std::ptr::read_volatile(&WISHES) };
    let text = String::from_utf8_lossy(&marker).into_owned();
    let json = text
        .split_once(':')
        .map(|(_, json)| json.trim_end())
        .unwrap_or_default();
    serde_json::from_str(json).unwrap_or_default()
}

fn texts(list: &Json) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

struct Obliging;

impl Guest for Obliging {
    fn describe() -> Description {
        let wishes = wishes();
        let types = texts(&wishes["types"]).into_iter();
        Description {
            name: "obliging".to_owned(),
            version: wishes["version"].as_str().unwrap_or("1.0.0").to_owned(),
            backend_types: types
                .map(|name| BackendType {
                    name,
                    aliases: Vec::new(),
                })
                .collect(),
            settings_schema: json!({
                "type": "object",
                "properties": {
                    "greeting": { "type": "string", "x-keyhole-scope": "object" },
                    "address": { "type": "string" },
                },
                "additionalProperties": false,
            })
            .to_string(),
            options_schema: "{}".to_owned(),
            hosts: texts(&wishes["hosts"]),
            credentials: Vec::new(),
            max_batch: 16,
            metadata: "{}".to_owned(),
        }
    }

    fn validate(_: String) -> Vec<Problem> {
        Vec::new()
    }

    fn fetch(call: Call, requests: Vec<Request>) -> Result<Vec<Outcome>, Error> {
        let settings: Json = serde_json::from_str(&call.settings).unwrap_or_default();
        let says = wishes()["says"].as_str().unwrap_or("hello").to_owned();
        let greeting = settings["greeting"].as_str().unwrap_or("plain");
        let answer = |request: &Request| {
            let key = match &request.selector {
                Selector::Key(key) => key,
                Selector::Prefix(prefix) => &prefix.path,
            };
            Outcome::Value(Value {
                content: Content::Text(format!("{says} {greeting} {key}")),
                version: None,
            })
        };
        Ok(requests.iter().map(answer).collect())
    }
}

bindings::export!(Obliging with_types_in bindings);
