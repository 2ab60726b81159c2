//! The author's kit: what somebody who writes a plugin needs, with the real host around it.
//!
//! Everything in here runs a plugin in the operator's own sandbox, over the operator's own egress; only the
//! other end of a connection may be a recording. So a plugin that passes here behaves the same in a
//! cluster, and one that fails is told what is wrong and what to do. There is no Kubernetes in this crate:
//! a grant comes from a file, a credential from the command line.

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

pub mod case;
pub mod fetch;
pub mod guest;
pub mod inspect;
pub mod kit_error;
pub mod outside;
pub mod project;
pub mod recording;
pub mod replay;
pub mod skeleton;
pub mod suite;
pub mod template;
pub mod words;

pub use case::Case;
pub use guest::Guest;
pub use inspect::Inspection;
pub use kit_error::KitError;
