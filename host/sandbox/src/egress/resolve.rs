//! Name resolution as a port, so that tests can give a name another address between two look-ups.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;

/// Turns a host name into socket addresses. Called once per connection, never for address literals.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, each with `port`, best first.
    ///
    /// # Errors
    ///
    /// When the name does not resolve. The caller sets the time-out.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
