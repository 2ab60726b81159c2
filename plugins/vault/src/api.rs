//! One server: its addresses, the headers of every request, and what an answer says.
//!
//! Invariant: no body leaves this module but as data for [`crate::kv`] or as Vault's own `errors` and
//! `warnings`, which name paths and roles and never values. Anything else that answers is no Vault, and
//! whatever it said is not repeated to a user.

use std::cell::Cell;
use std::time::Duration;

use keyhole_sdk::http::{self, RequestBuilder, Response};
use keyhole_sdk::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::settings::Settings;
use crate::words;

/// The server of a call.
pub struct Server<'a> {
    pub settings: &'a Settings,
    sent: Cell<u32>,
}

/// The body of a success, or why there is none.
pub type Answer = Result<Json, Fault>;

/// Why there is no answer to work with.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nobody answered, or nobody who speaks Vault's language.
    NoAnswer(Error),
    /// Vault said no.
    Refused(Refusal),
}

/// What Vault says beside a status that is no success.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    pub status: u16,
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
    pub retry_after: Option<Duration>,
    /// Deleted versions of an entry come as 404 with their metadata.
    pub data: Json,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    errors: Option<Vec<String>>,
    warnings: Option<Vec<String>>,
    data: Json,
}

impl Fault {
    /// Vault's status, if it said no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::NoAnswer(_) => None,
        }
    }
}

impl Refusal {
    /// Whether one of Vault's lines contains these words, whatever the case.
    pub fn mentions(&self, words: &str) -> bool {
        let lines = self.errors.iter().chain(&self.warnings);
        lines
            .map(|line| line.to_ascii_lowercase())
            .any(|line| line.contains(words))
    }
}

impl<'a> Server<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            sent: Cell::new(0),
        }
    }

    /// A request to a path of the API that is escaped already.
    pub fn request(&self, method: &str, path: &str, token: Option<&str>) -> RequestBuilder {
        let base = self.settings.address.trim_end_matches('/');
        // What Vault calls protection against server-side request forgery asks for this header.
        let mut request = http::request(method, format!("{base}/v1/{path}")).header("x-vault-request", "true");
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("x-vault-namespace", namespace.trim_matches('/'));
        }
        if let Some(token) = token {
            request = request.header("x-vault-token", token);
        }
        request
    }

    /// Sends one request.
    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.sent.set(self.sent.get().saturating_add(1));
        read(request.send())
    }

    /// Sends all, several at a time; answers in the order of the requests.
    pub fn send_all(&self, requests: Vec<RequestBuilder>) -> Vec<Answer> {
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        self.sent.set(self.sent.get().saturating_add(count));
        http::send_all(requests).into_iter().map(read).collect()
    }

    /// How many more requests this call may make, with a reserve for a login in between.
    pub fn left(&self) -> usize {
        let left = self.settings.exchanges.saturating_sub(self.sent.get());
        usize::try_from(left.saturating_sub(RESERVE)).unwrap_or(usize::MAX)
    }
}

/// What a login that turns out to be needed takes: two look-ups and the login itself.
const RESERVE: u32 = 3;

fn read(answer: Result<Response, Error>) -> Answer {
    let response = answer.map_err(|error| Fault::NoAnswer(words::no_answer(error)))?;
    let status = response.status();
    if response.is_success() {
        if response.body().is_empty() {
            return Ok(Json::Null);
        }
        return response
            .peek()
            .filter(Json::is_object)
            .ok_or_else(|| Fault::NoAnswer(words::not_vault(status)));
    }
    let Body { errors, warnings, data } = response.peek().unwrap_or_default();
    Err(Fault::Refused(Refusal {
        status,
        errors: errors.unwrap_or_default(),
        warnings: warnings.unwrap_or_default(),
        retry_after: response.retry_after(),
        data,
    }))
}

/// Kinds of the SDK's own errors that are not about the server.
pub fn is_ours(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Invalid(_) | ErrorKind::TooLarge | ErrorKind::Internal
    )
}
