//! What the administrator says of the store.
//!
//! None of it is open to objects: who could set the URL could have the host send its credential anywhere among
//! the granted hosts, and who could set the pointer could read what stands beside a value.

use std::collections::BTreeMap;

use keyhole_sdk::{Error, ErrorKind, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::template::{self, UrlTemplate};

/// Settings of a call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// Where an entry is, with `{key}` where its key belongs, e.g. `https://store.example/v1/secrets/{key}`.
    /// In the path, slashes of a key stay and everything else is escaped; in the query, slashes are escaped too.
    pub url: String,
    /// GET, or POST for stores that are asked by a body.
    #[serde(default)]
    pub method: Method,
    /// Headers of every request. A credential does not belong here: grant it as a header.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body of a POST, with `{key}` inside a text of the JSON, or in a form when the header content-type
    /// says application/x-www-form-urlencoded.
    #[serde(default)]
    pub body: Option<String>,
    /// JSON Pointer to the value in the answer, e.g. `/data/value`. Absent: the value is the whole body as it
    /// is. A value that is no text becomes compact JSON.
    #[serde(default)]
    pub value: Option<String>,
    /// JSON Pointer to something that changes whenever the value does. Absent: the ETag of the answer, if it
    /// has a strong one.
    #[serde(default)]
    pub version: Option<String>,
    /// The value is base64 text of its bytes.
    #[serde(default)]
    pub base64: bool,
    /// What a status means, where it is not what HTTP says, e.g. `{"410": "notFound", "422": "notFound"}`.
    #[serde(default)]
    pub statuses: BTreeMap<String, Meaning>,
}

/// How entries are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Method {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Meaning {
    NotFound,
    Denied,
    Unauthenticated,
    Invalid,
    Throttled,
    Unavailable,
}

/// Headers that hold credentials, or that the host sets.
const NOT_HERE: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Settings {
    /// Whether the body is a form rather than JSON.
    pub fn is_form(&self) -> bool {
        self.header("content-type")
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"))
    }

    /// A header of the settings, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// What the schema cannot say.
pub fn validate(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |pointer: &str, message: String| problems.push(Problem::at(pointer, message));
    let in_url = match UrlTemplate::new(&settings.url) {
        Ok(template) => template.has_key(),
        Err(message) => {
            add("/url", message.to_owned());
            true
        }
    };
    let in_body = settings
        .body
        .as_deref()
        .is_some_and(|body| body.contains(template::KEY));
    if !in_url && !in_body {
        add(
            "/url",
            "neither url nor body holds {key}, so every key would get the same value".to_owned(),
        );
    }
    match (settings.method, &settings.body) {
        (Method::Get, Some(_)) => add("/body", "a GET has no body; set method to POST, or remove it".to_owned()),
        (Method::Post, Some(body)) if !settings.is_form() && template::json_body(body, "key").is_none() => add(
            "/body",
            "the body is no JSON, or {key} stands outside of a text in it; for a form set the header content-type to application/x-www-form-urlencoded".to_owned(),
        ),
        _ => {}
    }
    for (name, value) in &settings.headers {
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        if let Some(message) = header_problem(name, value) {
            add(&pointer, message.to_owned());
        }
    }
    for (pointer, given) in [("/value", &settings.value), ("/version", &settings.version)] {
        if given.as_deref().is_some_and(|given| !is_pointer(given)) {
            add(
                pointer,
                "no JSON Pointer; write it like /data/value, or an empty text for the whole answer".to_owned(),
            );
        }
    }
    if settings.version.is_some() && settings.value.is_none() {
        add(
            "/version",
            "a version in the answer needs an answer in JSON; set value too".to_owned(),
        );
    }
    for status in settings.statuses.keys() {
        if !status.parse::<u16>().is_ok_and(|status| (300..600).contains(&status)) {
            add(
                &format!("/statuses/{}", status.replace('~', "~0").replace('/', "~1")),
                "no status of a failure; write one from 300 to 599".to_owned(),
            );
        }
    }
    problems
}

fn header_problem(name: &str, value: &str) -> Option<&'static str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) || value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        Some("the name or the value has characters that no header may have")
    } else if NOT_HERE.contains(&name.to_ascii_lowercase().as_str()) {
        Some(
            "this header is not set here: the host sets it itself, and a credential belongs into a Secret, granted under grant.auth.headers",
        )
    } else {
        None
    }
}

/// RFC 6901.
fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && escapes
}

impl Meaning {
    /// The error of this meaning.
    pub fn error(self, message: String, after: Option<std::time::Duration>) -> Error {
        let kind = match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Denied => ErrorKind::Denied,
            Self::Unauthenticated => ErrorKind::Unauthenticated,
            Self::Invalid => ErrorKind::Invalid("/key".to_owned()),
            Self::Throttled => ErrorKind::Throttled(after),
            Self::Unavailable => ErrorKind::Unavailable(after),
        };
        Error::new(kind, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn problems(more: Json) -> Vec<String> {
        let mut settings = json!({"url": "https://store.example/v1/{key}"});
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let settings = serde_json::from_value(settings).unwrap();
        validate(&settings).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn ordinary_settings_have_no_problem() {
        for settings in [
            json!({}),
            json!({"value": "/data/value", "version": "/data/version", "base64": true}),
            json!({"value": "", "headers": {"accept": "application/json", "X-Tenant": "a"}}),
            json!({"url": "https://store.example/query", "method": "POST", "body": r#"{"name": "{key}"}"#}),
            json!({"url": "http://store.example:8080/?name={key}", "statuses": {"410": "notFound"}}),
            json!({"url": "https://store.example/", "method": "POST", "body": "name={key}",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
            json!({"value": "/a~1b/~0"}),
        ] {
            let found = problems(settings.clone());
            assert!(found.is_empty(), "{settings}: {found:?}");
        }
    }

    #[test]
    fn each_problem_says_where_it_is() {
        for (settings, paths) in [
            (json!({"url": "store.example/{key}"}), vec!["/url"]),
            (json!({"url": "https://store.example/all"}), vec!["/url"]),
            (json!({"body": "{}"}), vec!["/body"]),
            (json!({"method": "POST", "body": "name={key}"}), vec!["/body"]),
            (json!({"method": "POST", "body": r#"{"name": {key}}"#}), vec!["/body"]),
            (
                json!({"headers": {"Authorization": "Bearer x"}}),
                vec!["/headers/Authorization"],
            ),
            (json!({"headers": {"a/b": "x"}}), vec!["/headers/a~1b"]),
            (json!({"headers": {"a": "x\r\ny: z"}}), vec!["/headers/a"]),
            (json!({"value": "data.value"}), vec!["/value"]),
            (json!({"value": "/a~2"}), vec!["/value"]),
            (json!({"version": "/v"}), vec!["/version"]),
            (
                json!({"statuses": {"200": "notFound", "4xx": "denied"}}),
                vec!["/statuses/200", "/statuses/4xx"],
            ),
        ] {
            assert_eq!(problems(settings.clone()), paths, "{settings}");
        }
    }

    #[test]
    fn nothing_is_open_to_objects() {
        let schema = schemars::schema_for!(Settings).to_value().to_string();
        assert!(!schema.contains("x-keyhole-scope"), "{schema}");
    }
}
