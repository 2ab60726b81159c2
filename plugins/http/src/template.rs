//! From a key to a request.
//!
//! Invariant: whatever a key holds, the request goes below the path that the administrator wrote before
//! `{key}`, and into the part of the URL where it stands. So a key never ends a path or a query, its parts are
//! never folders such as `..`, in any spelling that a server or a proxy before it might resolve, and a JSON
//! body keeps its structure. Without that, who may ask for one entry could ask for all of the store's API with
//! the operator's credential.

use keyhole_sdk::{Error, http};
use percent_encoding::percent_decode_str;

/// Where the key belongs.
pub const KEY: &str = "{key}";

/// A spelling is decoded so often at most; what is still escaped then, no server resolves.
const DECODINGS: usize = 3;

/// A URL with places for the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTemplate<'a> {
    /// Scheme and authority.
    base: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> UrlTemplate<'a> {
    /// # Errors
    /// What is wrong with the text.
    pub fn new(text: &'a str) -> Result<Self, &'static str> {
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let Some(rest) = rest else {
            return Err("the URL must begin with https:// (or http://, where that is granted)");
        };
        if text.contains('#') {
            return Err("the URL must not have a fragment");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("the URL must not hold blanks or backslashes");
        }
        if text.replace(KEY, "").contains(['{', '}']) {
            return Err("the URL knows the placeholder {key} alone");
        }
        let (before, query) = match text.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (text, None),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err("the URL names no host");
        }
        if authority.contains(KEY) {
            return Err("{key} must not stand in the host: an object could choose where the request goes");
        }
        if authority.contains('@') {
            return Err("the URL must not name a user; grant the credential as a header");
        }
        let base_length = text.len() - rest.len() + authority.len();
        let (Some(base), Some(path)) = (before.get(..base_length), before.get(base_length..)) else {
            return Err("the URL cannot be read");
        };
        Ok(Self { base, path, query })
    }

    /// Whether the URL depends on the key.
    pub fn has_key(&self) -> bool {
        self.path.contains(KEY) || self.query.is_some_and(|query| query.contains(KEY))
    }

    /// The URL of a key.
    ///
    /// # Errors
    /// `Invalid("/key")` when the key could lead out of the path.
    pub fn fill(&self, key: &str) -> Result<String, Error> {
        let mut url = self.base.to_owned();
        if self.path.contains(KEY) {
            url.push_str(&self.path.replace(KEY, &in_path(key)?));
        } else {
            url.push_str(self.path);
        }
        if let Some(query) = self.query {
            url.push('?');
            url.push_str(&query.replace(KEY, &http::encode(key)));
        }
        Ok(url)
    }
}

/// A key as a part of a path: its slashes stay.
fn in_path(key: &str) -> Result<String, Error> {
    let refused = |what: &str| {
        Err(Error::invalid(
            "/key",
            format!("{key:?} {what}; write the name of an entry, e.g. team/app"),
        ))
    };
    if key.split('/').any(|part| part.trim().is_empty()) {
        return refused("has an empty part");
    }
    let mut spelling = key.to_owned();
    for _ in 0..DECODINGS {
        if spelling.split(['/', '\\']).any(|part| part == "." || part == "..") {
            return refused("has a part that is a folder (\".\" or \"..\")");
        }
        spelling = percent_decode_str(&spelling).decode_utf8_lossy().into_owned();
    }
    http::encode_path(key)
}

/// A JSON body with the key in it; `None` when it is no JSON, or the key stands outside of a text.
pub fn json_body(template: &str, key: &str) -> Option<String> {
    let quoted = serde_json::to_string(key).ok()?;
    let inner = quoted.get(1..quoted.len().saturating_sub(1))?;
    let body = template.replace(KEY, inner);
    // A key that makes something else of the document than a text in it does not get through.
    let marked = serde_json::from_str::<serde_json::Value>(&template.replace(KEY, "\\u0000")).ok()?;
    let filled = serde_json::from_str::<serde_json::Value>(&body).ok()?;
    (shape(&marked) == shape(&filled)).then_some(body)
}

/// Numbers of values and members: what a key in a text cannot change.
fn shape(value: &serde_json::Value) -> (usize, usize) {
    match value {
        serde_json::Value::Array(items) => items.iter().map(shape).fold((1, items.len()), sum),
        serde_json::Value::Object(members) => members.values().map(shape).fold((1, members.len()), sum),
        _ => (1, 0),
    }
}

fn sum(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0 + other.0, one.1 + other.1)
}

/// The body of a form.
pub fn form_body(template: &str, key: &str) -> String {
    template.replace(KEY, &http::encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_sdk::ErrorKind;

    fn fill(template: &str, key: &str) -> Result<String, Error> {
        UrlTemplate::new(template).unwrap().fill(key)
    }

    #[test]
    fn a_key_stands_where_the_template_says() {
        for (template, key, url) in [
            ("https://s.example/v1/{key}", "app", "https://s.example/v1/app"),
            (
                "https://s.example/v1/{key}/value",
                "team/app",
                "https://s.example/v1/team/app/value",
            ),
            (
                "https://s.example:8443/{key}?raw=1",
                "a b",
                "https://s.example:8443/a%20b?raw=1",
            ),
            (
                "https://s.example/get?name={key}&v=1",
                "team/a&b=c",
                "https://s.example/get?name=team%2Fa%26b%3Dc&v=1",
            ),
            ("https://s.example?name={key}", "x", "https://s.example?name=x"),
            (
                "https://s.example/entry-{key}",
                "\u{e9}",
                "https://s.example/entry-%C3%A9",
            ),
        ] {
            assert_eq!(fill(template, key).unwrap(), url);
        }
    }

    #[test]
    fn a_key_cannot_lead_out_of_the_path_in_any_spelling() {
        for key in [
            "",
            "/",
            "/etc",
            "a//b",
            "a/",
            "..",
            "../admin",
            "a/../../admin",
            "a/./b",
            "..\\admin",
            "a\\..\\b",
            "%2e%2e/admin",
            "%2E./admin",
            "..%2fadmin",
            "..%5cadmin",
            "%252e%252e%252fadmin",
        ] {
            let error = fill("https://s.example/v1/{key}", key).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid("/key".to_owned()), "{key:?}");
        }
        // In a query nothing leads anywhere.
        assert_eq!(
            fill("https://s.example/?name={key}", "../x").unwrap(),
            "https://s.example/?name=..%2Fx"
        );
    }

    #[test]
    fn a_key_cannot_end_the_path_or_the_query() {
        for (key, path) in [
            ("a?admin=1", "a%3Fadmin%3D1"),
            ("a#b", "a%23b"),
            ("a%2fb", "a%252fb"),
            ("a;b", "a%3Bb"),
            ("a\r\nx: y", "a%0D%0Ax%3A%20y"),
            ("@evil.example", "%40evil.example"),
            ("...", "..."),
        ] {
            assert_eq!(
                fill("https://s.example/v1/{key}", key).unwrap(),
                format!("https://s.example/v1/{path}")
            );
        }
    }

    #[test]
    fn a_template_that_would_leave_the_destination_open_is_refused() {
        for (template, words) in [
            ("ftp://s.example/{key}", "https://"),
            ("https://{key}.example/x", "in the host"),
            ("https://s.example{key}", "in the host"),
            ("https://user@s.example/{key}", "a user"),
            ("https:///{key}", "no host"),
            ("https://s.example/{key}#x", "fragment"),
            ("https://s.example/{namespace}/{key}", "alone"),
            ("https://s.example/{key", "alone"),
            ("https://s.example\\@evil/{key}", "backslashes"),
        ] {
            let message = UrlTemplate::new(template).unwrap_err();
            assert!(message.contains(words), "{template}: {message}");
        }
    }

    #[test]
    fn a_key_stays_a_text_of_a_json_body() {
        let body = |key: &str| json_body(r#"{"query": {"name": "{key}"}}"#, key);
        assert_eq!(body("a").unwrap(), r#"{"query": {"name": "a"}}"#);
        assert_eq!(
            body("a\", \"admin\": \"1").unwrap(),
            r#"{"query": {"name": "a\", \"admin\": \"1"}}"#
        );
        assert_eq!(body("a\\").unwrap(), r#"{"query": {"name": "a\\"}}"#);
        for template in ["{\"name\": {key}}", "name={key}", "{key}"] {
            assert_eq!(json_body(template, "1"), None, "{template}");
        }
    }

    #[test]
    fn a_key_does_not_become_another_member_of_a_json_body() {
        let template = r#"{"{key}": "", "admin": false}"#;
        assert_eq!(json_body(template, "app").unwrap(), r#"{"app": "", "admin": false}"#);
        assert_eq!(json_body(template, "admin"), None);
    }

    #[test]
    fn a_key_stays_a_field_of_a_form() {
        assert_eq!(form_body("name={key}&raw=1", "a&admin=1"), "name=a%26admin%3D1&raw=1");
    }
}
