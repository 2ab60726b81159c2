//! Plugins that are installed by a BackendPlugin.

mod guide;
mod http;
mod stores;
mod vault;
