//! Any store that answers over HTTP, by settings alone: `backendType: http`.
//!
//! The administrator describes in the settings of the BackendPlugin how one entry is asked for and where in the
//! answer its value stands; the credential is a header that the host sets, so the plugin never sees it. An
//! object says the key and nothing else.
//!
//! | module | what it is for |
//! |---|---|
//! | [`settings`] | what the administrator says, and what is wrong with it |
//! | [`template`] | from a key to a request that cannot leave the template's path |
//! | [`answer`] | from an answer to a value, or to an error that a user can act on |

#![cfg(any(test, target_family = "wasm"))]
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

mod answer;
mod component;
mod settings;
mod template;
