//! Plugins that are installed by a BackendPlugin.

mod guide;
mod http;
mod languages;
mod roster;
mod stores;
mod vault;
