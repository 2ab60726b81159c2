//! An HTTP client that speaks JSON, through `wasi:http`. Calls block, as a plugin's functions do; while
//! one waits for the network, the host does other work.
//!
//! Invariant: an [`Error`] made here fits the contract, so that `?` is all a plugin needs, and its message
//! holds method, host, path and status, never a body or a query. Written by hand in each plugin, one of them
//! would sooner or later show a user what a store said about a token.
//!
//! ```
//! use keyhole_sdk::{Error, http};
//!
//! #[derive(serde::Deserialize)]
//! struct Entry { value: String }
//!
//! fn entry(address: &str, key: &str) -> Result<Entry, Error> {
//!     http::get(address).path("v1/secrets").path(key).send()?.json()
//! }
//!
//! // In a unit test the store is a closure.
//! use keyhole_sdk::testing::{Answer, Http};
//! let store = Http::serve(|request| match request.path() {
//!     "/v1/secrets/db" => Answer::json(200, &serde_json::json!({ "value": "hunter2" })),
//!     _ => Answer::status(404),
//! });
//! assert_eq!(entry("https://store.example", "db")?.value, "hunter2");
//! assert_eq!(entry("https://store.example", "x").err().unwrap().kind, keyhole_sdk::ErrorKind::NotFound);
//! assert_eq!(store.requests().len(), 2);
//! # Ok::<(), Error>(())
//! ```
//!
//! | what happened | error |
//! |---|---|
//! | 401 | `Unauthenticated` |
//! | 403 | `Denied` |
//! | 404 | `NotFound` |
//! | 429 | `Throttled`, with the seconds of `Retry-After` |
//! | 5xx | `Unavailable`, with the seconds of `Retry-After` |
//! | any other status that is no success | `Other("http-STATUS")` |
//! | no answer, or one that breaks off | `Unavailable` |
//! | an answer over the [limit](RequestBuilder::limit) | `TooLarge` |
//! | no JSON, or not what the type wants | `Other("unreadable-answer")` |
//! | a URL or header that cannot be sent | `Invalid("/settings")` |
//!
//! The host sends to granted hosts only, follows no redirect, and sets the headers that were granted as
//! credentials; a plugin that sets one of those itself is refused.

mod encode;
mod request;
mod response;
mod transport;

pub use encode::{encode, encode_path};
pub use request::{RequestBuilder, Sent};
pub use response::Response;
pub(crate) use transport::{Failure, Received};

use crate::Error;

/// The largest body that is read unless [`RequestBuilder::limit`] says otherwise: what the host lets
/// through of one exchange.
pub const BODY_LIMIT: usize = 4 << 20;

/// Exchanges of [`send_all`] that are under way at once.
pub const CONCURRENCY: usize = 8;

/// A request with any method.
pub fn request(method: impl Into<String>, url: impl AsRef<str>) -> RequestBuilder {
    RequestBuilder::new(method.into(), url.as_ref())
}

/// A GET.
pub fn get(url: impl AsRef<str>) -> RequestBuilder {
    request("GET", url)
}

/// A POST.
pub fn post(url: impl AsRef<str>) -> RequestBuilder {
    request("POST", url)
}

/// A PUT.
pub fn put(url: impl AsRef<str>) -> RequestBuilder {
    request("PUT", url)
}

/// Sends all, at most [`CONCURRENCY`] at a time, and returns the answers in the order of the requests. For a
/// batch against a store that has no batch call: the answers take the time of the slowest rather than of all.
///
/// ```
/// # use keyhole_sdk::{http, testing::{Answer, Http}};
/// # let _store = Http::serve(|request| Answer::json(200, request.path()));
/// let answers = http::send_all(["a", "b"].map(|key| http::get(format!("https://store.example/{key}"))));
/// let paths: Vec<String> = answers.into_iter().map(|answer| answer?.json()).collect::<Result<_, _>>()?;
/// assert_eq!(paths, ["/a", "/b"]);
/// # Ok::<(), keyhole_sdk::Error>(())
/// ```
pub fn send_all(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<Result<Response, Error>> {
    let mut requests = requests.into_iter();
    let mut under_way: std::collections::VecDeque<_> =
        requests.by_ref().take(CONCURRENCY).map(RequestBuilder::start).collect();
    let mut answers = Vec::new();
    while let Some(first) = under_way.pop_front() {
        answers.push(first.and_then(request::Started::finish));
        under_way.extend(requests.next().map(RequestBuilder::start));
    }
    answers
}

#[cfg(test)]
mod tests;
