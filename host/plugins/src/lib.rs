//! Plugins as the rest of the host sees them: what a BackendPlugin says of them, where their files come
//! from, how they are compiled once and kept, what settings an object may give them, and which one serves a backend type now.
//!
//! A plugin is loaded, described and instantiated before it goes live; until then its predecessor
//! serves. Whoever plans or fetches holds a [`LivePlugin`] by reference count, so a call in flight
//! finishes on the plugin that it was planned for.

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

pub mod compile_cache;
pub mod compile_child;
pub mod cosign;
pub mod from_object;
pub mod live_plugin;
pub mod live_set;
pub mod loader;
pub mod oci;
mod private_file;
pub mod schema;
pub mod script;
pub mod settings;
pub mod source;
mod validated;

pub use compile_cache::{CacheError, CompileCache};
pub use compile_child::Compiler;
pub use from_object::{BuiltIn, InvalidPlugin, Mistake, Surroundings, plugin_spec};
pub use live_plugin::{Backend, LivePlugin, Rules, Wants};
pub use live_set::{Absent, Conflict, LiveSet, Precedence};
pub use loader::{Loader, PluginCode, PluginError};
pub use script::LazyScript;
pub use settings::Defaults;
pub use source::{
    ClusterFileError, ClusterFiles, Demands, Digest, Obtained, PluginFile, PluginSpec, Policy, Source, SourceError,
    Sources,
};

pub use keyhole_sandbox::{AwsGrant, Call, Grant, PlannedRequest, PrivateAddresses};
