//! The pure domain of Keyhole: what is asked of a store, what comes back, and what a Secret's data
//! becomes. Nothing in here knows Kubernetes, WebAssembly or a network, so every rule can be tested
//! as a function, and `keyhole render` can use all of it without a cluster.

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

mod base64_text;
mod json;
mod property;

pub mod call_error;
pub mod digest;
pub mod failure;
pub mod group;
pub mod host_pattern;
pub mod identity;
pub mod item;
pub mod limits;
pub mod mask;
pub mod outcome;
pub mod permission;
pub mod request;
pub mod schedule;
pub mod secret;
pub mod shape;
pub mod store_error;

pub use call_error::{CallError, EgressError};
pub use digest::{ContentDigest, ContentKey};
pub use failure::{Failure, Reason, Retry};
pub use group::{GroupKey, PluginId};
pub use host_pattern::HostPattern;
pub use identity::{Identity, RoleArn, ServiceAccount};
pub use item::{Item, Mapping};
pub use mask::Mask;
pub use outcome::{NamedValue, Outcome, Value};
pub use request::{Request, Selector};
pub use secret::SecretBytes;
pub use shape::{Answer, Leniency, Shaped, shape};
pub use store_error::{StoreError, StoreErrorKind};
