//! AWS Systems Manager Parameter Store: `backendType: systemManager`.
//!
//! Several parameters asked by plain name travel in one GetParameters; selectors, ARNs and whatever the
//! batch did not answer are asked by GetParameter; a path is read page by page with
//! GetParametersByPath. Answers are matched by name, never by position.
//!
//! The plugin holds no credentials: the official SDK signs with a placeholder and the host signs anew.
//! It neither retries nor caches; the one thing that it remembers is that an identity may not batch.

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
mod ask;
mod aws;
mod batch;
#[cfg(target_family = "wasm")]
mod component;
mod describe;
mod errors;
mod fetch;
mod naming;
mod options;
mod pairs;
mod path;

#[cfg(test)]
mod fake;
