//! Where the Kubernetes API server is, as far as that is known.
//!
//! No plugin gets there, whatever its grant says. The server's name may not resolve when the process starts, or
//! lead elsewhere later on, while plugins are loaded once: so what is known is shared, and what is found later
//! holds for plugins that are loaded already.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// The addresses of the API server. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ApiServer(Arc<RwLock<Vec<SocketAddr>>>);

impl ApiServer {
    /// These are its addresses from now on, in place of those that were named before.
    pub fn is_at(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let addresses: Vec<_> = addresses.into_iter().map(canonical).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Whether this is one of its addresses, in whichever spelling.
    #[must_use]
    pub fn has(&self, address: SocketAddr) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(&canonical(address))
    }
}

/// An IPv4 address that is written as an IPv6 one is the same address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
