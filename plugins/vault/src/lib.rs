//! HashiCorp Vault and OpenBao: `backendType: vault`.
//!
//! Keys and fields mean what they meant in kubernetes-external-secrets: a key is the path of Vault's API (with
//! `data/` after the mount, for version 2 of the key-value engine), the value is the whole entry as JSON, and
//! the plugin logs in through Vault's Kubernetes auth. What KES got wrong is mended: the login takes a bound
//! token of minutes, is shared by all calls of a role, is renewed, and is made anew at once when it was revoked.
//!
//! | module | what it is for |
//! |---|---|
//! | [`settings`], [`options`] | what an administrator and an object may say |
//! | [`entry`] | from a key to a path that cannot lead out of where it points |
//! | [`api`] | one server, one namespace: addresses, headers, and what an answer says |
//! | [`login`] | one token for all calls of a role |
//! | [`reader`] | questions under that token, and what a 403 means |
//! | [`kv`] | from an answer to a value; the two versions of the engine and how they are mixed up |
//! | [`tree`] | everything under a path |
//! | [`words`] | faults as errors that a user can act on |
//! | [`fetch`] | the road of a call |

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

mod api;
mod component;
mod entry;
#[cfg(test)]
mod fake;
mod fetch;
mod kv;
mod login;
mod options;
mod reader;
mod settings;
mod tree;
mod words;
