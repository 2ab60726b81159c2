//! Plugins that are installed by a BackendPlugin.

mod credentials;
mod guide;
mod http;
mod languages;
mod roster;
mod sources;
mod stores;
mod vault;
