//! Plugins that are installed by a BackendPlugin.

mod http;
mod stores;
mod vault;
