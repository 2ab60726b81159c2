//! Write a secret backend for Keyhole: implement [`Backend`], call [`export!`], build for
//! `wasm32-wasip2`.
//!
//! ```
//! use keyhole_sdk::{Backend, Call, Description, Error, Outcome, Request, Selector, Value};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// What an ExternalSecret or the administrator may set.
//! #[derive(Deserialize, JsonSchema)]
//! struct Settings {
//!     /// Put before every value.
//!     #[serde(default)]
//!     #[schemars(extend("x-keyhole-scope" = "object"))]
//!     greeting: String,
//! }
//!
//! struct Echo;
//!
//! impl Backend for Echo {
//!     type Settings = Settings;
//!     type Options = keyhole_sdk::NoOptions;
//!
//!     fn describe() -> Description {
//!         Description::new("echo", env!("CARGO_PKG_VERSION")).backend_type("echo", &[])
//!     }
//!
//!     fn fetch(settings: &Settings, _: &Call, requests: &[Request<Self::Options>]) -> Result<Vec<Outcome>, Error> {
//!         Ok(keyhole_sdk::each(requests, |request| match &request.selector {
//!             Selector::Key(key) if key.is_empty() => Err(Error::not_found("no entry \"\"")),
//!             Selector::Key(key) => Ok(Value::text(format!("{}{key}", settings.greeting)).into()),
//!             Selector::Prefix { .. } => Err(Error::unsupported("echo has no paths; use data[].key")),
//!         }))
//!     }
//! }
//!
//! keyhole_sdk::export!(Echo);
//!
//! // Nothing above needs a host, so it can be tried out in a plain unit test.
//! use keyhole_sdk::testing::{self, key};
//! let outcomes = testing::fetch::<Echo>(&serde_json::json!({ "greeting": "hello " }), &[key("x")]).unwrap();
//! assert_eq!(outcomes[0], Value::text("hello x").into());
//! ```
//!
//! What the host promises and expects is written in `wit/backend.wit`; the rules that most concern a
//! Rust author:
//!
//! * A fresh instance serves each call. Statics are always as they were at the start; what you earned
//!   by logging in goes into [`session`].
//! * Do not retry, cache or pace: the host does. Switch the retries of a vendor's SDK off.
//! * One request that fails must not take the others with it: answer [`Outcome::Failed`] for it.
//! * An [`Error`]'s message ends up on the user's object. It must hold no part of a secret.
//! * HTTP goes through `wasi:http`; [`http`] is a client for it. The host adds TLS and, where granted,
//!   credentials.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

mod backend;
pub mod bindings;
pub mod credentials;
mod description;
mod error;
#[doc(hidden)]
pub mod glue;
pub mod http;
pub mod log;
mod outcome;
mod request;
pub mod session;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use backend::{Backend, NoOptions, each};
pub use description::Description;
pub use error::{Error, ErrorKind, Problem};
pub use outcome::{Content, NamedValue, Outcome, Value};
pub use request::{Call, Request, Selector};

/// Makes a type that implements [`Backend`] the plugin. Call it once, anywhere in the crate.
///
/// Outside WebAssembly it only checks the type, so a plugin's unit tests run natively.
#[macro_export]
macro_rules! export {
    ($backend:ty) => {
        const _: fn() -> $crate::Description = <$backend as $crate::Backend>::describe;

        #[cfg(target_family = "wasm")]
        const _: () = {
            type KeyholeComponent = $crate::glue::Component<$backend>;
    $crate::bindings::__export_component!(KeyholeComponent with_types_in $crate::bindings);
        };
    };
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
