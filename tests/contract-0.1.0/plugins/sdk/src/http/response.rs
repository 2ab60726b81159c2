//! What is answered.

use std::fmt;
use std::time::Duration;

use http::{StatusCode, Uri};
use serde::de::DeserializeOwned;

use super::{Failure, Received, Sent};
use crate::Error;

/// An answer, read to its end. `Debug` shows where it came from and its status, no header and no body.
pub struct Response {
    target: Target,
    received: Received,
}

/// What an error says of a request.
#[derive(Clone)]
pub(super) struct Target {
    method: String,
    url: String,
}

impl Response {
    pub(super) fn new(target: Target, received: Received) -> Self {
        Self { target, received }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.received.status
    }

    /// Whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.received.status)
    }

    /// The value of a header, if it is there and is text. `name` in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .received
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body, whatever the status.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.received.body
    }

    /// The body as JSON, whatever the status: for what a store says about an error. `None` when it is no JSON,
    /// or not what the type wants. Keep it out of messages unless you know that it can hold no secret.
    #[must_use]
    pub fn peek<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.received.body).ok()
    }

    /// The answer, if its status is a success.
    ///
    /// # Errors
    /// The status in the contract's terms, as the table in [`http`](crate::http) says.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() { Ok(self) } else { Err(self.error()) }
    }

    /// The body of a success as JSON.
    ///
    /// # Errors
    /// As [`success`](Self::success); `Other("unreadable-answer")` when it is no JSON or not what the type wants.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let answer = self.success()?;
        // serde's message may quote what it read, so only the place is told.
        serde_json::from_slice(&answer.received.body).map_err(|error| {
            answer.unreadable(&format!(
                "is not the JSON that was expected (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// The body of a success as text.
    ///
    /// # Errors
    /// As [`success`](Self::success); `Other("unreadable-answer")` when it is no UTF-8.
    pub fn text(self) -> Result<String, Error> {
        let Self { target, received } = self.success()?;
        String::from_utf8(received.body).map_err(|_| target.unreadable("is no UTF-8 text"))
    }

    /// The body of a success.
    ///
    /// # Errors
    /// As [`success`](Self::success).
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.success()?.received.body)
    }

    /// The status as an error, for a plugin that makes its own words of some of them. Method, host, path and
    /// status are in the message.
    #[must_use]
    pub fn error(&self) -> Error {
        let status = self.received.status;
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let mut message = format!("the store answered {status}{reason} to {}", self.target);
        if (300..400).contains(&status) {
            message.push_str("; redirects are not followed");
        }
        match status {
            401 => Error::unauthenticated(message),
            403 => Error::denied(message),
            404 => Error::not_found(message),
            429 => Error::throttled(self.retry_after(), message),
            500..=599 => Error::unavailable(self.retry_after(), message),
            _ => Error::other(format!("http-{status}"), message),
        }
    }

    /// `Retry-After` in seconds. The other form, a date, is rare; the host's own back-off holds then.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    fn unreadable(&self, why: &str) -> Error {
        self.target.unreadable(why)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.received.status, self.target)
    }
}

impl Target {
    pub(super) fn of(sent: &Sent) -> Self {
        Self {
            method: sent.method.clone(),
            url: shown(&sent.url),
        }
    }

    pub(super) fn failed(&self, failure: &Failure) -> Error {
        match failure {
            Failure::NoAnswer(why) => Error::unavailable(None, format!("no answer to {self}: {why}")),
            Failure::TooLarge(limit) => Error::too_large(format!("the answer to {self} is larger than {limit} bytes")),
        }
    }

    fn unreadable(&self, why: &str) -> Error {
        Error::other("unreadable-answer", format!("the answer to {self} {why}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A URL without its query, which may hold a token.
pub(super) fn shown(url: &Uri) -> String {
    let (scheme, authority) = (url.scheme_str().unwrap_or_default(), url.authority());
    let authority = authority.map(http::uri::Authority::as_str).unwrap_or_default();
    format!("{scheme}://{authority}{}", url.path())
}
