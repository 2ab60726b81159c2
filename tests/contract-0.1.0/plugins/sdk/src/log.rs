//! The host's log. Lines appear beside the plugin's name; the host holds them until the call ends,
//! replaces in them each value that the call returned, cuts them to 1 KiB and keeps 64 of a call.
//!
//! Use it sparingly: what concerns a user belongs into an [`Error`](crate::Error).
//!
//! ```
//! keyhole_sdk::log::warn("no batch permission, asking one by one", &[("region", "eu-west-1")]);
//! ```

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the author of the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Works, but not as it should.
    Warn,
    /// Does not work.
    Error,
}

/// Writes one line with name and text pairs.
pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    host::write(level, message, fields);
}

/// For the author of the plugin.
pub fn debug(message: &str, fields: &[(&str, &str)]) {
    write(Level::Debug, message, fields);
}

/// Worth knowing.
pub fn info(message: &str, fields: &[(&str, &str)]) {
    write(Level::Info, message, fields);
}

/// Works, but not as it should.
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    write(Level::Warn, message, fields);
}

/// Does not work.
pub fn error(message: &str, fields: &[(&str, &str)]) {
    write(Level::Error, message, fields);
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Level;
    use crate::bindings::keyhole::backend::log;

    pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        log::write(level, message, &fields);
    }
}

/// Outside WebAssembly there is no host: lines are kept for the test that asks for them.
#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;

    use super::Level;

    thread_local! {
        static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    }

    pub fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
        let mut line = message.to_owned();
        for (name, text) in fields {
            line.push_str(&format!(" {name}={text}"));
        }
        LINES.with_borrow_mut(|lines| lines.push((level, line)));
    }

    /// The lines that this thread wrote since it last asked. Only outside WebAssembly, for tests.
    #[must_use]
    pub fn take() -> Vec<(Level, String)> {
        LINES.take()
    }
}

#[cfg(not(target_family = "wasm"))]
pub use host::take;
