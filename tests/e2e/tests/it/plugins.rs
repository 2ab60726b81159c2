//! Plugins that are installed by an object, from outside.

mod guide;
