//! Plugins that are installed by a BackendPlugin.

mod guide;
mod http;
mod roster;
mod sources;
mod stores;
mod vault;
