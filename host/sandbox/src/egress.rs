//! The one way out of the sandbox: every HTTP exchange of a plugin is checked, signed, sent and
//! limited here.
//!
//! A [`Policy`] belongs to one loaded plugin and holds what its grant allows, with a connection pool
//! of its own: a shared pool would lend one plugin's checked connection to another. A [`CallEgress`]
//! belongs to one call and is what wasi:http talks to; it counts exchanges and keeps the [`Record`]
//! of the first refusal and the first network failure. What a guest reports about a failed exchange is
//! racy and its own choice of words, so the record wins over it.
//!
//! The order of the checks of an exchange: count, method and headers, host name (or the range of an
//! address literal), AWS endpoint, region and action, all before anything is waited for, so that a
//! refusal takes microseconds; then the body is collected and signed; then the connector resolves the
//! name, checks each address and connects to one that passed, with no second look-up in between.
//! Credentials are put on a request last, when it is decided where it goes.

mod address;
mod aws;
mod body;
mod call;
mod cause;
mod connect;
mod destination;
pub mod endpoints;
mod exchange;
pub(crate) mod headers;
mod network;
mod policy;
mod proxy;
mod record;
mod request;
mod resolve;
mod sign;
mod tap;
mod tls;

pub(crate) use body::{WRITES_QUEUED, WRITTEN_AT_ONCE};
pub use call::CallEgress;
pub use endpoints::{EndpointOverrides, InvalidEndpoint};
pub use network::{Network, Timeouts};
pub use policy::{GrantError, Policy};
pub use proxy::Proxy;
pub use record::Record;
pub use resolve::{Resolve, SystemResolver};
pub use tap::{Observed, Tap};
pub use tls::client_tls;
