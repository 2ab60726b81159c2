//! Facts about the network that hold for all plugins of a process.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::RootCertStore;
use wasmtime_wasi_http::RequestOptions;

use super::proxy::Proxy;
use super::resolve::{Resolve, SystemResolver};
use super::tap::Tap;
use super::tls;

/// Resolver, proxy, trusted roots and time-outs. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) proxy: Option<Arc<Matcher>>,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) timeouts: Timeouts,
    pub(super) tap: Option<Arc<dyn Tap>>,
    pub(super) detour: Option<SocketAddr>,
}

/// How long each part of an exchange may take. A guest can ask for less, never for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up, connection, proxy and TLS together.
    pub connect: Duration,
    /// From the first byte that the guest may write of a body that is signed to its last.
    pub request_body: Duration,
    /// From handing over the request, connected or not, to the head of the answer.
    pub first_byte: Duration,
    /// Between two parts of the answer's body.
    pub between_bytes: Duration,
    /// The whole exchange, waiting for its turn included.
    pub total: Duration,
}

impl Default for Timeouts {
    /// `connect` is well above three retransmissions of a SYN (1 + 2 s); `total` is below the 30 s of a
    /// whole call, so that a slow store gives its own error and not the sandbox's.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request_body: Duration::from_secs(5),
            first_byte: Duration::from_secs(15),
            between_bytes: Duration::from_secs(10),
            total: Duration::from_secs(25),
        }
    }
}

impl Network {
    /// The process's own network: system resolver, system roots, and this proxy for `https`. Plain `http`
    /// always goes straight.
    #[must_use]
    pub fn through(proxy: Option<&Proxy>) -> Self {
        let matcher = |proxy: &Proxy| Matcher::builder().https(proxy.url()).no(proxy.exempt()).build();
        Self {
            proxy: proxy.map(matcher).map(Arc::new),
            ..Self::direct()
        }
    }

    /// System resolver and roots, no proxy.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            proxy: None,
            roots: tls::system_roots(),
            timeouts: Timeouts::default(),
            tap: None,
            detour: None,
        }
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// The same with other time-outs.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The same, heard by `tap`.
    #[must_use]
    pub fn with_tap(self, tap: Arc<dyn Tap>) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// The same with every connection made to `address`, after name and address were checked as ever: for
    /// answering from recordings. There is no proxy then.
    #[must_use]
    pub fn with_detour(self, address: SocketAddr) -> Self {
        Self {
            detour: Some(address),
            proxy: None,
            ..self
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::direct()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("timeouts", &self.timeouts)
            .field("proxied", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

impl Timeouts {
    /// These, shortened where the guest asks for less. Connections are shared by exchanges, so their
    /// time-out is the host's alone.
    pub(super) fn at_most(self, options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        let least = |ours: Duration, theirs: Option<Duration>| theirs.map_or(ours, |theirs| ours.min(theirs));
        Self {
            first_byte: least(self.first_byte, options.first_byte_timeout),
            between_bytes: least(self.between_bytes, options.between_bytes_timeout),
            ..self
        }
    }
}
