//! Plugins that are installed by a BackendPlugin.

mod roster;
