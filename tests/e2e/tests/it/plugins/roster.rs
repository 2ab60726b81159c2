//! Plugins come and go with their BackendPlugins, while the host runs.
//!
//! The cases share a cluster and a host with a plugin folder. Each has plugins and backend types of its own; what
//! restarts the host or takes something away from the cluster has its own cluster.

pub mod bench;

mod builtin;
mod changes;
mod claims;
mod grants;
mod namespaces;
mod narrowing;
mod refusals;
mod rights;
mod settings;
mod start;
