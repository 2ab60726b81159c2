//! What is asked.

use std::fmt;
use std::time::Duration;

use http::Uri;
use serde::Serialize;

use super::response::{Response, Target};
use super::transport::{self, Pending};
use super::{BODY_LIMIT, encode, encode_path};
use crate::Error;

/// A request that is being put together. A mistake on the way is told by [`send`](Self::send).
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    limit: usize,
    mistake: Option<Error>,
}

/// A request as it leaves the plugin.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// The method, in capitals.
    pub method: String,
    /// Where to.
    pub url: Uri,
    /// Names in lower case, in the order in which they were set.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, if the request has one.
    pub body: Option<Vec<u8>>,
    /// How long to wait for the answer to begin, and then for each further piece of it.
    pub timeout: Option<Duration>,
}

/// A request under way.
pub(super) struct Started {
    target: Target,
    pending: Pending,
    limit: usize,
}

impl RequestBuilder {
    pub(super) fn new(method: String, url: &str) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            limit: BODY_LIMIT,
            mistake: None,
        }
    }

    /// Adds to the path, with one slash between: each part of `text` is escaped, as [`encode_path`] does, and
    /// nothing is added when it is empty. Before [`query`](Self::query).
    ///
    /// ```
    /// # use keyhole_sdk::http;
    /// // GET https://store.example/v1/secrets/team%20a/db
    /// http::get("https://store.example/").path("v1/secrets").path("team a").path("/db");
    /// ```
    pub fn path(mut self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().trim_start_matches('/');
        if text.is_empty() {
            return self;
        }
        match encode_path(text) {
            Ok(path) => {
                self.url.truncate(self.url.trim_end_matches('/').len());
                self.url.push('/');
                self.url.push_str(&path);
            }
            Err(mistake) => _ = self.mistake.get_or_insert(mistake),
        }
        self
    }

    /// Sets a header; one of this name that is there already goes.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<Vec<u8>>) -> Self {
        let name = name.as_ref().to_ascii_lowercase();
        let value = value.into();
        // The value may be a credential, so it is not shown.
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() || http::HeaderValue::from_bytes(&value).is_err() {
            let message =
                format!("header {name:?} cannot be sent: its name or value has characters that no header may have");
            self.mistake.get_or_insert(Error::invalid("/settings", message));
        }
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    /// Sets `authorization: Bearer TOKEN`, for a token that the plugin earned. A token that the administrator
    /// granted as a header is set by the host.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// Adds a pair to the query, both sides escaped.
    pub fn query(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        self.url.push(mark);
        self.url.push_str(&encode(name.as_ref()));
        self.url.push('=');
        self.url.push_str(&encode(value.as_ref()));
        self
    }

    /// Sends these bytes. Set `content-type` yourself.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends this as JSON.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body(body).header("content-type", "application/json"),
            Err(error) => {
                let message = format!("the body of a request cannot be written as JSON: {error}");
                self.mistake.get_or_insert(Error::internal(message));
                self
            }
        }
    }

    /// How long to wait for the answer to begin, and then for each further piece of it. The host has bounds of
    /// its own, and ends the whole call at its deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest body that is read, in bytes; [`BODY_LIMIT`] when not set.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sends, and reads the whole answer. Any status is an answer; [`Response::json`] and
    /// [`Response::success`] make errors of those that are no success.
    ///
    /// # Errors
    /// As the table in [`http`](crate::http) says: when there is no answer, or the request cannot be sent.
    pub fn send(self) -> Result<Response, Error> {
        self.start()?.finish()
    }

    pub(super) fn start(self) -> Result<Started, Error> {
        let limit = self.limit;
        let sent = self.sent()?;
        let target = Target::of(&sent);
        let pending = transport::start(sent).map_err(|failure| target.failed(&failure))?;
        Ok(Started { target, pending, limit })
    }

    fn sent(mut self) -> Result<Sent, Error> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if http::Method::from_bytes(self.method.as_bytes()).is_err() {
            return Err(Error::invalid(
                "/settings",
                format!("{:?} is no HTTP method", self.method),
            ));
        }
        let url = parse(&self.url)?;
        if !self.headers.iter().any(|(name, _)| name == "user-agent") {
            let agent = concat!("keyhole-sdk/", env!("CARGO_PKG_VERSION"));
            self.headers.push(("user-agent".to_owned(), agent.into()));
        }
        // Without a length the body would go out in chunks, which not every server takes.
        if let Some(body) = &self.body {
            self.headers.retain(|(name, _)| name != "content-length");
            self.headers
                .push(("content-length".to_owned(), body.len().to_string().into_bytes()));
        }
        Ok(Sent {
            method: self.method,
            url,
            headers: self.headers,
            body: self.body,
            timeout: self.timeout,
        })
    }
}

impl Started {
    pub(super) fn finish(self) -> Result<Response, Error> {
        match transport::finish(self.pending, self.limit) {
            Ok(received) => Ok(Response::new(self.target, received)),
            Err(failure) => Err(self.target.failed(&failure)),
        }
    }
}

impl Sent {
    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The query, without its question mark; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.url.query().unwrap_or_default()
    }

    /// The value of a header, if it is there and is text. `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Values of headers and bodies are for the store alone.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, super::response::shown(&self.url))
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The text itself is not shown: a mistaken URL may be a token in the wrong place.
fn parse(url: &str) -> Result<Uri, Error> {
    let invalid = |why: &str| Error::invalid("/settings", format!("the store's URL {why}"));
    let uri: Uri = url
        .parse()
        .map_err(|error| invalid(&format!("cannot be read: {error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(invalid("must begin with https:// (or http://, where that is granted)")),
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => Err(invalid("must not name a user")),
        Some(_) => Ok(uri),
        None => Err(invalid("names no host")),
    }
}
