//! Tests of a plugin without a host and without WebAssembly: a scripted store behind [`http`](crate::http),
//! granted credentials, and calls through the same glue as in the sandbox. Only outside WebAssembly.
//!
//! Everything here belongs to the thread, so to the test, that set it up.
//!
//! ```
//! use keyhole_sdk::testing::{self, Answer, Http, key};
//! use keyhole_sdk::{Backend, Call, Description, Error, NoOptions, Outcome, Request, Selector, Value, each, http};
//! use serde_json::json;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Settings { address: String }
//!
//! struct Store;
//! impl Backend for Store {
//!     type Settings = Settings;
//!     type Options = NoOptions;
//!     fn describe() -> Description {
//!         Description::new("store", "1.0.0").backend_type("store", &[])
//!     }
//!     fn fetch(settings: &Settings, _: &Call, requests: &[Request<NoOptions>]) -> Result<Vec<Outcome>, Error> {
//!         Ok(each(requests, |request| match &request.selector {
//!             Selector::Key(key) => {
//!                 let text = http::get(format!("{}/{key}", settings.address)).send()?.text()?;
//!                 Ok(Value::text(text).into())
//!             }
//!             Selector::Prefix { .. } => Err(Error::unsupported("no paths")),
//!         }))
//!     }
//! }
//!
//! let store = Http::serve(|request| match request.path() {
//!     "/db" => Answer::text(200, "hunter2"),
//!     _ => Answer::status(404),
//! });
//! let settings = json!({ "address": "https://store.example" });
//! let outcomes = testing::fetch::<Store>(&settings, &[key("db"), key("x")])?;
//! assert_eq!(outcomes[0], Value::text("hunter2").into());
//! assert!(matches!(&outcomes[1], Outcome::Failed(error) if error.message.contains("404")));
//! assert_eq!(store.requests()[0].method, "GET");
//! # Ok::<(), Error>(())
//! ```

mod http;
pub(crate) mod transport;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{Backend, Call, Error, Outcome, Problem, Request, Selector, glue, session};

pub use self::http::{Answer, Http};

/// A request for one entry, with no options.
pub fn key(name: impl Into<String>) -> Request<Json> {
    of(Selector::Key(name.into()))
}

/// A request for everything directly under a path.
pub fn prefix(path: impl Into<String>) -> Request<Json> {
    of(Selector::Prefix {
        path: path.into(),
        recursive: false,
    })
}

/// A request for everything under a path, however deep.
pub fn tree(path: impl Into<String>) -> Request<Json> {
    of(Selector::Prefix {
        path: path.into(),
        recursive: true,
    })
}

fn of(selector: Selector) -> Request<Json> {
    Request {
        selector,
        options: Json::Object(serde_json::Map::new()),
        known_version: None,
    }
}

impl Request<Json> {
    /// The same with these options, a JSON object.
    #[must_use]
    pub fn options(mut self, options: Json) -> Self {
        self.options = options;
        self
    }

    /// The same from a host that already has this version.
    #[must_use]
    pub fn known(mut self, version: impl Into<String>) -> Self {
        self.known_version = Some(version.into());
        self
    }
}

/// One call, as the host makes it: settings and options go through JSON, and what must not outlive an instance
/// does not. Entries of the session store stay.
///
/// # Errors
/// What the backend says, and what the SDK says of unreadable settings or a wrong number of outcomes.
pub fn fetch<B: Backend>(settings: &Json, requests: &[Request<Json>]) -> Result<Vec<Outcome>, Error> {
    fetch_with::<B>(settings, &Call::default(), requests)
}

/// The same with a deadline, an attempt and a context.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_with<B: Backend>(settings: &Json, call: &Call, requests: &[Request<Json>]) -> Result<Vec<Outcome>, Error> {
    session::begin_instance();
    glue::fetch_json::<B>(settings, call, requests)
}

/// What the backend says of these settings.
#[must_use]
pub fn validate<B: Backend>(settings: &Json) -> Vec<Problem> {
    glue::validate::<B>(&settings.to_string())
}

/// Grants a credential: from now on [`credentials::get`](crate::credentials::get) returns it in this thread.
pub fn grant(name: impl Into<String>, value: impl Into<Vec<u8>>) {
    CREDENTIALS.with_borrow_mut(|credentials| credentials.insert(name.into(), value.into()));
}

pub(crate) fn granted(name: &str) -> Option<Vec<u8>> {
    CREDENTIALS.with_borrow(|credentials| credentials.get(name).cloned())
}

thread_local! {
    static CREDENTIALS: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

#[cfg(test)]
mod tests;
