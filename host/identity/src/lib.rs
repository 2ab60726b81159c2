//! As whom the host speaks to AWS and to other stores.
//!
//! Plugins never hold credentials that the host can apply for them: the sandbox asks [`Identities`] for the AWS
//! session of a call's identity at the moment when a request leaves, and [`ClusterCredentials`] for what a
//! grant names (entries of Secrets, tokens of service accounts). So this crate is the only place where
//! credentials are found, exchanged and kept (in memory, until shortly before they expire).
//!
//! [`aws`] and [`cluster`] know nothing of each other but [`Accounts`]: what AWS takes for a service account.

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

mod accounts;
mod aws;
mod cluster;
mod session_cache;

pub use accounts::Accounts;
pub use aws::{Identities, IdentityConfig, StsEndpointType, profile_region};
pub use cluster::ClusterCredentials;
