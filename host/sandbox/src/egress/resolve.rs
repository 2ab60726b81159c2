//! Name resolution as a port, so that tests can give a name another address between two look-ups.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// Look-ups of one plugin at a time.
const AT_ONCE: usize = 4;

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

/// The look-ups of one plugin, few at a time. A look-up cannot be cancelled: one that nobody waits for any more keeps
/// a thread of the process until the system gives it up, and so keeps its turn here. Names whose servers do not
/// answer then cost this plugin its look-ups, and the others nothing.
pub(super) struct Bounded {
    inner: Arc<dyn Resolve>,
    turns: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(inner: Arc<dyn Resolve>) -> Self {
        Self {
            inner,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Resolve for Bounded {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let turn = Arc::clone(&self.turns)
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let (inner, host) = (Arc::clone(&self.inner), host.to_owned());
            let look_up = tokio::spawn(async move {
                let _turn = turn;
                inner.resolve(&host, port).await
            });
            look_up.await.map_err(io::Error::other)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Never answers.
    #[derive(Default)]
    struct Silent {
        asked: AtomicUsize,
    }

    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn look_ups_that_were_given_up_keep_their_turn_until_they_end() {
        let silent = Arc::new(Silent::default());
        let bounded = Bounded::new(Arc::clone(&silent) as Arc<dyn Resolve>);
        for _ in 0..3 * AT_ONCE {
            let given_up = tokio::time::timeout(Duration::from_secs(5), bounded.resolve("silent.example", 443)).await;
            assert!(given_up.is_err());
        }
        assert_eq!(silent.asked.load(Ordering::SeqCst), AT_ONCE);
    }

    #[tokio::test]
    async fn look_ups_that_end_give_their_turn_back() {
        let bounded = Bounded::new(Arc::new(SystemResolver));
        for _ in 0..3 * AT_ONCE {
            assert!(!bounded.resolve("localhost", 443).await.unwrap().is_empty());
        }
    }
}
