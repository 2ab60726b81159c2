//! Plugins that are installed by a BackendPlugin.

mod guide;
mod http;
mod languages;
mod stores;
mod vault;
