//! What one call of a plugin may take. The defaults suit the built-in plugins; a grant may raise them.

use std::time::Duration;

/// Limits of one plugin. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory: usize,
    /// CPU time of one call, waiting not counted.
    pub cpu: Duration,
    /// Wall-clock time of one call.
    pub wall: Duration,
    /// Body of one HTTP response.
    pub response_body: usize,
    /// Body of one HTTP request.
    pub request_body: usize,
    /// HTTP exchanges of one call.
    pub exchanges: u32,
    /// One value.
    pub value: usize,
    /// All values of one call.
    pub values: usize,
    /// Log lines of one call that are kept.
    pub log_lines: usize,
    /// Calls of this plugin that may run at once.
    pub concurrent_calls: u32,
}

const MIB: usize = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * MIB,
            cpu: Duration::from_secs(2),
            wall: Duration::from_secs(30),
            response_body: 4 * MIB,
            request_body: MIB,
            exchanges: 64,
            value: MIB,
            values: 8 * MIB,
            log_lines: 64,
            concurrent_calls: 16,
        }
    }
}
