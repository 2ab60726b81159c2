//! Free ports.
//!
//! Taken from below the range that systems use for outgoing connections (32768 and up on Linux): a server
//! that is restarted on its port, as the API server is in tests, must not find a client's socket there.
//! Between looking and listening another process may take the port; starters retry with a new one.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::bail;

/// Ports given out by this process, so that no two servers of one test run get the same.
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port on 127.0.0.1 that nobody listens on.
pub fn free() -> anyhow::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1_000 {
        let port = fastrand::u16(10_000..32_000);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between 10000 and 32000")
}
