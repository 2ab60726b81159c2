//! AWS Secrets Manager: `backendType: secretsManager`.
//!
//! Several current secrets asked by name travel in one BatchGetSecretValue; everything else, and
//! whatever the batch did not answer, is asked by GetSecretValue. Answers are matched by name, never
//! by position: a batch lists its errors apart from its values.
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
mod settings;

#[cfg(test)]
mod fake;
