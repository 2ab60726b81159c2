//! The connection to the cluster, and where the API server is.
//!
//! No plugin may get to the API server, whatever its grant says, so its addresses have to be known. Its name may
//! not resolve when the operator starts, and a managed API server moves: the look-up is repeated until it
//! succeeds, and from then on now and then, for as long as the operator runs.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keyhole_sandbox::ApiServer;
use keyhole_sandbox::egress::{Resolve, SystemResolver};
use kube::{Client, Config};

/// For a connection to the API server.
const CONNECT: Duration = Duration::from_secs(10);
/// For sending a request.
const WRITE: Duration = Duration::from_secs(30);
/// For hearing anything on a connection. Above the 290 s after which the API server ends a watch that has nothing to say: a
/// list or watch that was never answered would otherwise wait for ever, without an error. Other requests have a shorter
/// bound of their own.
const READ: Duration = Duration::from_secs(300);
/// For finding the API server's address.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Before an address that could not be found is looked up again.
const MISSING: Duration = Duration::from_secs(2);
/// Before a name that was found is looked up again.
const FOUND: Duration = Duration::from_secs(60);

/// Addresses of one name that are remembered.
const KEPT: usize = 64;

/// A connection to the cluster.
pub struct Cluster {
    pub client: Client,
    /// Where the API server is, so that no plugin gets there.
    pub api_server: ApiServer,
    /// Keeps that up to date, while it is polled.
    pub search: Search,
}

/// Takes `KUBECONFIG`, or the service account of the pod.
pub async fn connect() -> anyhow::Result<Cluster> {
    let mut config = Config::infer()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    bound(&mut config, READ);
    let mut search = Search::new(&config, Arc::new(SystemResolver));
    search.look_up().await;
    let client = Client::try_from(config).context("the connection to the cluster cannot be set up")?;
    Ok(Cluster {
        client,
        api_server: search.api_server.clone(),
        search,
    })
}

/// Sets the bounds of a connection.
fn bound(config: &mut Config, read: Duration) {
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    config.read_timeout = Some(read);
    // The time counts from the last request: a connection that waited for one has done no wrong.
    config.reset_reader_on_write = true;
}

/// Looks for the API server.
pub struct Search {
    resolver: Arc<dyn Resolve>,
    hosts: Vec<Wanted>,
    api_server: ApiServer,
    /// Before what is missing is looked up again.
    again: Duration,
}

/// One way in which the API server is called.
struct Wanted {
    host: String,
    port: u16,
    /// Where it has led, the latest last.
    at: Vec<SocketAddr>,
    /// Whether it was said that it cannot be found.
    told: bool,
}

impl Search {
    /// For the host of the URL and that of the variables that every pod has.
    fn new(config: &Config, resolver: Arc<dyn Resolve>) -> Self {
        let url = &config.cluster_url;
        let default = if url.scheme_str() == Some("http") { 80 } else { 443 };
        let from_url = url
            .host()
            .map(|host| (host.to_owned(), url.port_u16().unwrap_or(default)));
        let env = |name: &str| std::env::var(name).ok();
        let from_pod = env("KUBERNETES_SERVICE_HOST").zip(
            env("KUBERNETES_SERVICE_PORT")
                .and_then(|port| port.parse().ok())
                .or(Some(443)),
        );
        let wanted = |(host, port): (String, u16)| Wanted {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            at: Vec::new(),
            told: false,
        };
        Self {
            resolver,
            hosts: from_url.into_iter().chain(from_pod).map(wanted).collect(),
            api_server: ApiServer::default(),
            again: MISSING,
        }
    }

    /// Never returns; what is found holds from then on for every plugin.
    pub async fn follow(mut self) -> Infallible {
        loop {
            if self.hosts.iter().any(|wanted| wanted.at.is_empty()) {
                tokio::time::sleep(self.again).await;
            } else if self.hosts.iter().any(|wanted| wanted.host.parse::<IpAddr>().is_err()) {
                tokio::time::sleep(FOUND).await;
            } else {
                return std::future::pending().await;
            }
            self.look_up().await;
        }
    }

    /// Looks everything up once. What cannot be found stays where it was.
    async fn look_up(&mut self) {
        for wanted in &mut self.hosts {
            let Wanted { host, port, at, told } = wanted;
            let found = match host.parse::<IpAddr>() {
                Ok(address) => vec![SocketAddr::new(address, *port)],
                Err(_) => match tokio::time::timeout(LOOK_UP, self.resolver.resolve(host, *port)).await {
                    Ok(Ok(found)) => found,
                    _ => Vec::new(),
                },
            };
            if !found.is_empty() {
                // What was found before stays: a name may answer with some of its addresses at a time, and what it led to
                // yesterday may serve on.
                at.retain(|known| !found.contains(known));
                at.extend(found);
                at.drain(..at.len().saturating_sub(KEPT));
                if std::mem::take(told) {
                    tracing::info!(host, "the API server's address was found; no plugin gets there");
                }
            } else if at.is_empty() && !std::mem::replace(told, true) {
                tracing::warn!(
                    host,
                    "the API server's address could not be found; looking on, and until then plugins are not kept from it \
                     by address"
                );
            }
        }
        self.api_server
            .is_at(self.hosts.iter().flat_map(|wanted| wanted.at.iter().copied()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn an_api_server_that_takes_a_request_and_never_answers_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = Config::new(url.parse().unwrap());
        bound(&mut config, Duration::from_millis(50));
        let client = Client::try_from(config).unwrap();
        let request = http::Request::get("/api/v1/secrets?watch=true")
            .body(Vec::new())
            .unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(30), client.request_text(request));
        let (answer, connection) = tokio::join!(asked, listener.accept());
        answer.expect("it waits for ever").unwrap_err();
        drop(connection.unwrap());
    }

    /// Fails so many times, and then says where the API server is.
    struct Late {
        failures: usize,
        asked: AtomicUsize,
    }

    const AT: &str = "203.0.113.7:6443";

    impl Resolve for Late {
        fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            assert_eq!(port, 6443);
            let known = self.asked.fetch_add(1, Ordering::SeqCst) >= self.failures;
            let found = known.then(|| vec![AT.parse().unwrap()]);
            Box::pin(std::future::ready(found.ok_or_else(|| io::Error::other("no answer"))))
        }
    }

    fn search(url: &str, failures: usize) -> Search {
        let asked = AtomicUsize::new(0);
        let mut search = Search::new(&Config::new(url.parse().unwrap()), Arc::new(Late { failures, asked }));
        search.again = Duration::from_millis(1);
        search
    }

    #[tokio::test]
    async fn the_api_servers_port_is_that_of_its_url() {
        for (url, address) in [
            ("https://127.0.0.1:6443", "127.0.0.1:6443"),
            ("https://127.0.0.1", "127.0.0.1:443"),
            ("https://[::1]:7000/path", "[::1]:7000"),
        ] {
            let mut search = search(url, usize::MAX);
            search.look_up().await;
            assert!(search.api_server.has(address.parse().unwrap()), "{url}");
        }
    }

    #[tokio::test]
    async fn an_api_server_that_cannot_be_found_at_the_start_is_looked_for_until_it_is() {
        let mut search = search("https://api.example.com:6443", 3);
        search.look_up().await;
        let (api_server, address) = (search.api_server.clone(), AT.parse().unwrap());
        assert!(!api_server.has(address));
        let found = async {
            while !api_server.has(address) {
                tokio::task::yield_now().await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(10), async {
            tokio::select! {
                never = search.follow() => match never {},
                () = found => {}
            }
        });
        within.await.expect("found");
    }

    /// Another address each time.
    struct Moving(AtomicUsize);

    impl Resolve for Moving {
        fn resolve<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let last = u8::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap();
            Box::pin(std::future::ready(Ok(vec![SocketAddr::from((
                [203, 0, 113, last],
                port,
            ))])))
        }
    }

    #[tokio::test]
    async fn an_address_that_the_api_server_had_stays_out_of_reach() {
        let mut search = search("https://api.example.com:6443", 0);
        search.resolver = Arc::new(Moving(AtomicUsize::new(0)));
        for _ in 0..=KEPT {
            search.look_up().await;
        }
        let has = |last| search.api_server.has(SocketAddr::from(([203, 0, 113, last], 6443)));
        assert!(has(1) && has(64) && !has(0), "the latest of them");
    }

    #[tokio::test]
    async fn an_api_server_stays_where_it_was_while_its_name_cannot_be_looked_up() {
        let mut search = search("https://api.example.com:6443", 0);
        search.look_up().await;
        let asked = AtomicUsize::new(0);
        let failures = usize::MAX;
        search.resolver = Arc::new(Late { failures, asked });
        search.look_up().await;
        assert!(search.api_server.has(AT.parse().unwrap()));
    }
}
