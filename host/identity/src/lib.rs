//! As whom the host speaks to AWS.
//!
//! Plugins never hold credentials: the sandbox asks [`Identities`] for the session of a call's
//! identity at the moment when a request leaves, and signs with it. So this crate is the only place
//! where credentials are found (the standard chain), exchanged (STS) and kept (in memory, until shortly
//! before they expire).

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

mod base;
mod explain;
mod http_client;
mod identities;
mod region;
mod session_cache;
mod sts;

pub use identities::{Identities, IdentityConfig};
pub use region::profile_region;
pub use sts::StsEndpointType;
