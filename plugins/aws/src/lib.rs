//! What the plugins for AWS services have in common.
//!
//! Every one of them speaks through an official SDK that holds nothing worth stealing (it signs with a
//! placeholder, the host signs anew), makes each call once (the host retries, for all objects
//! together), and tells the same kinds of fault apart. Written once, a code of AWS means the same in
//! every plugin, and none of them can come to retry by itself or to sign with anything real.
//!
//! | module | what it is for |
//! |---|---|
//! | [`settings`] | region and kind of endpoint; the region is one DNS label |
//! | [`sdk`] | the configuration of an SDK client, and the time that a call has left |
//! | [`hosts`] | the names of a service's endpoints in all partitions |
//! | [`fault`] | what went wrong, and which kind of fault it is |
//! | [`words`] | the same as an error that a user can act on |
//! | [`batch`] | what a failed batch says about its members, and the memory that batches are denied |
//! | [`single`] | questions put one by one, several at a time |

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

pub mod batch;
#[cfg(feature = "test-kit")]
pub mod canned;
pub mod fault;
pub mod hosts;
#[cfg(target_family = "wasm")]
pub mod runtime;
pub mod sdk;
pub mod settings;
pub mod single;
pub mod words;

pub use fault::{Cause, Class, Fault};
pub use sdk::Sdk;
pub use settings::Settings;
