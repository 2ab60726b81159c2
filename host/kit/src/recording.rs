//! One HTTP exchange as it is written down.
//!
//! A recording is committed beside a plugin's source and read by everybody, so the one thing that it must
//! not hold is a secret: [`Secrets`] replaces them, and nothing is written while one is left. What it
//! must keep is its shape, so that the plugin parses it as it parsed the real answer.

mod recorder;
mod secrets;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use url::Url;

pub use recorder::{Asking, Recorder};
pub use secrets::Secrets;

/// One exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What the plugin asked.
    pub request: RecordedRequest,
    /// What the store answered.
    pub response: RecordedResponse,
}

/// What the plugin asked. Method, URL and body must be the same for the answer to be given; a request without
/// a body here answers one with any body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedRequest {
    /// E.g. `GET`.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// For people; they are not compared. Never one with a credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, if it is text. JSON is compared by its content, lists in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// What the store answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedResponse {
    /// E.g. 200.
    pub status: u16,
    /// All that matter to a plugin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

impl Exchange {
    /// Whether it can be served.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Ok(url) = Url::parse(&self.request.url) else {
            return Err(format!("request.url {:?} is no URL", self.request.url));
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("request.url {:?} is no http or https URL", self.request.url));
        }
        if http::StatusCode::from_u16(self.response.status).is_err() {
            return Err(format!("response.status {} is no HTTP status", self.response.status));
        }
        for (field, text, base64) in [
            ("request", &self.request.body, &self.request.body_base64),
            ("response", &self.response.body, &self.response.body_base64),
        ] {
            if text.is_some() && base64.is_some() {
                return Err(format!("{field}: say one of body and bodyBase64"));
            }
            if base64.as_ref().is_some_and(|base64| STANDARD.decode(base64).is_err()) {
                return Err(format!("{field}.bodyBase64 is no base64"));
            }
        }
        Ok(())
    }
}

impl RecordedRequest {
    /// Its body; nothing when it does not matter.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        bytes(self.body.as_ref(), self.body_base64.as_ref())
    }
}

impl RecordedResponse {
    /// Its body.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        bytes(self.body.as_ref(), self.body_base64.as_ref()).unwrap_or_default()
    }
}

fn bytes(text: Option<&String>, base64: Option<&String>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(base64)) => STANDARD.decode(base64).ok(),
        (None, None) => None,
    }
}

/// A body as text if it is text, in base64 otherwise; an empty one as neither.
fn written(body: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(body) {
        Ok(text) if text.is_empty() => (None, None),
        Ok(text) => (Some(text), None),
        Err(other) => (None, Some(STANDARD.encode(other.as_bytes()))),
    }
}
