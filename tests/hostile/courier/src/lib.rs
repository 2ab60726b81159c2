//! A plugin that asks a store over plain HTTP: each key is the answer to `GET /KEY`. What the settings list under
//! `hand` it gets from the host and takes along as headers `x-handed-NAME`, as a plugin would whose store wants a
//! credential that the host cannot apply.
//!
//! The type that it serves is written into its file by tests: [`TYPE`] is a marker.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "plugin" });
}

use bindings::exports::keyhole::backend::backend::Guest;
use bindings::keyhole::backend::credentials;
use bindings::keyhole::backend::types::{
    BackendType, Call, Content, Description, Error, ErrorKind, Outcome, Problem, Request, Selector, Value,
};
use serde_json::{Value as Json, json};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

/// Overwritten by tests.
#[used]
static TYPE: [u8; 96] = {
    let mut marker = [b' '; 96];
    let text = b"courier-guest-type:courier";
    let mut at = 0;
    while at < text.len() {
        marker[at] = text[at];
        at += 1;
    }
    marker
};

struct Courier;

impl Guest for Courier {
    fn describe() -> Description {
        // Read as volatile: the compiler must not know what stands there.
        let marker = unsafe { std::ptr::read_volatile(&TYPE) };
        let text = String::from_utf8_lossy(&marker).into_owned();
        let name = text
            .split_once(':')
            .map(|(_, name)| name.trim_end())
            .unwrap_or_default();
        Description {
            name: "courier".to_owned(),
            version: "0.1.0".to_owned(),
            backend_types: vec![BackendType {
                name: name.to_owned(),
                aliases: Vec::new(),
            }],
            settings_schema: json!({
                "type": "object",
                "properties": {
                    "address": { "type": "string" },
                    "hand": { "type": "array", "items": { "type": "string" } },
                    "as": { "type": "string", "x-keyhole-scope": "object", "x-keyhole-claim": "role" },
                    "vaultRole": { "type": "string", "x-keyhole-scope": "object" },
                },
                "required": ["address"],
                "additionalProperties": false,
            })
            .to_string(),
            options_schema: "{}".to_owned(),
            hosts: Vec::new(),
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
        let mut headers = Vec::new();
        for name in settings["hand"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            let value = credentials::get(name).map_err(|error| failed(format!("{error:?}")))?;
            headers.push((format!("x-handed-{name}"), value));
        }
        let address = settings["address"].as_str().unwrap_or_default();
        let answer = |request: &Request| {
            let key = match &request.selector {
                Selector::Key(key) => key,
                Selector::Prefix(prefix) => &prefix.path,
            };
            match get(address, key, &headers) {
                Ok(text) => Outcome::Value(Value {
                    content: Content::Text(text),
                    version: None,
                }),
                Err(why) => Outcome::Failed(failed(why)),
            }
        };
        Ok(requests.iter().map(answer).collect())
    }
}

fn failed(message: String) -> Error {
    Error {
        kind: ErrorKind::Unavailable(None),
        message,
        store_code: None,
    }
}

fn get(address: &str, key: &str, headers: &[(String, Vec<u8>)]) -> Result<String, String> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value).map_err(|error| format!("{name}: {error}"))?;
    }
    let request = OutgoingRequest::new(fields);
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "scheme")?;
    request.set_authority(Some(address)).map_err(|()| "authority")?;
    request
        .set_path_with_query(Some(&format!("/{key}")))
        .map_err(|()| "path")?;
    let answer = outgoing_handler::handle(request, None).map_err(|error| format!("{error:?}"))?;
    answer.subscribe().block();
    let answer = answer
        .get()
        .ok_or("no answer")?
        .map_err(|()| "answer taken")?
        .map_err(|error| format!("{error:?}"))?;
    if answer.status() != 200 {
        return Err(format!("the store answered with status {}", answer.status()));
    }
    let body = answer.consume().map_err(|()| "body taken")?;
    let stream = body.stream().map_err(|()| "stream taken")?;
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => text.extend_from_slice(&part),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

bindings::export!(Courier with_types_in bindings);
