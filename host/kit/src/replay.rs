//! Answers from recordings: a server on loopback that stands in for every store.
//!
//! A plugin under test takes the operator's road in full: its grant is checked, names are resolved, TLS is
//! spoken with a certificate that is verified. Only the last step differs: each connection ends here, by
//! [`keyhole_sandbox::egress::Network::with_detour`].

mod authority;
mod matching;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use keyhole_sandbox::egress::{Network, Resolve};
use keyhole_sandbox::{Grant, PrivateAddresses};
use tokio::task::JoinHandle;

use crate::kit_error::KitError;
use crate::recording::{Exchange, RecordedResponse};
use authority::Authority;

/// A request that arrived. Two equal ones within one call are a repetition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Heard {
    /// E.g. `GET`.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether a recording answered it.
    pub answered: bool,
}

/// What is answered.
#[derive(Debug, Default)]
pub(crate) enum Script {
    /// Nothing.
    #[default]
    Silent,
    /// What was recorded.
    Recorded(Vec<Exchange>),
    /// The same to everything.
    Always(RecordedResponse),
}

#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) script: Script,
    /// How often each exchange has answered.
    pub(crate) used: Vec<usize>,
    pub(crate) heard: Vec<Heard>,
}

/// The server. Stops when dropped.
#[derive(Debug)]
pub struct Stage {
    address: SocketAddr,
    authority: String,
    played: Arc<Mutex<Played>>,
    task: JoinHandle<()>,
}

impl Stage {
    /// Starts it on a free port of loopback.
    ///
    /// # Errors
    ///
    /// When there is no port, or no certificate can be made.
    pub async fn start() -> Result<Self, KitError> {
        let authority = Authority::new().map_err(|error| KitError::Stage(error.to_string()))?;
        let pem = authority.pem();
        let played = Arc::new(Mutex::new(Played::default()));
        let (address, task) = server::start(authority, Arc::clone(&played))
            .await
            .map_err(|error| KitError::Stage(error.to_string()))?;
        Ok(Self {
            address,
            authority: pem,
            played,
            task,
        })
    }

    /// Answers with these from now on, each in turn; what was heard so far is forgotten.
    pub fn play(&self, exchanges: Vec<Exchange>) {
        let used = vec![0; exchanges.len()];
        self.set(Script::Recorded(exchanges), used);
    }

    /// Answers everything with this.
    pub fn always(&self, answer: RecordedResponse) {
        self.set(Script::Always(answer), Vec::new());
    }

    fn set(&self, script: Script, used: Vec<usize>) {
        *self.lock() = Played {
            script,
            used,
            heard: Vec::new(),
        };
    }

    /// Begins the recordings anew and returns what was heard.
    pub fn rewind(&self) -> Vec<Heard> {
        let mut played = self.lock();
        played.used.iter_mut().for_each(|used| *used = 0);
        std::mem::take(&mut played.heard)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Played> {
        self.played.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A network in which every name and address is this server.
    #[must_use]
    pub fn network(&self) -> Network {
        Network::direct()
            .with_resolver(Arc::new(Everything(self.address)))
            .with_detour(self.address)
    }

    /// The same grant, with this server's address and certificates allowed.
    #[must_use]
    pub fn admit(&self, mut grant: Grant) -> Grant {
        let mut ranges = match grant.private_addresses {
            PrivateAddresses::Cidrs(ranges) => ranges,
            PrivateAddresses::None | PrivateAddresses::AwsVpc => Vec::new(),
        };
        ranges.push(self.address.ip().into());
        grant.private_addresses = PrivateAddresses::Cidrs(ranges);
        grant.ca_bundle.push(b'\n');
        grant.ca_bundle.extend_from_slice(self.authority.as_bytes());
        grant
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every name leads to one address.
struct Everything(SocketAddr);

impl Resolve for Everything {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Ok(vec![self.0])))
    }
}
