//! The connection to the cluster.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use kube::{Client, Config};

/// For a connection to the API server. Requests and watches have bounds of their own.
const CONNECT: Duration = Duration::from_secs(10);
/// For sending a request.
const WRITE: Duration = Duration::from_secs(30);
/// For finding the API server's address.
const LOOK_UP: Duration = Duration::from_secs(5);

/// A connection to the cluster.
pub struct Cluster {
    pub client: Client,
    /// Where the API server is, so that no plugin gets there.
    pub addresses: Vec<SocketAddr>,
}

/// Takes `KUBECONFIG`, or the service account of the pod.
pub async fn connect() -> anyhow::Result<Cluster> {
    let mut config = Config::infer()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    let addresses = addresses(&config).await;
    let client = Client::try_from(config).context("the connection to the cluster cannot be set up")?;
    Ok(Cluster { client, addresses })
}

/// Addresses of the URL and of the variables that every pod has.
async fn addresses(config: &Config) -> Vec<SocketAddr> {
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
    let mut found = Vec::new();
    for (host, port) in from_url.into_iter().chain(from_pod) {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(addresses)) => found.extend(addresses),
            _ => tracing::warn!(
                host,
                "the API server's address could not be found; plugins are not kept from it by address"
            ),
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_api_servers_port_is_that_of_its_url() {
        for (url, address) in [
            ("https://127.0.0.1:6443", "127.0.0.1:6443"),
            ("https://127.0.0.1", "127.0.0.1:443"),
            ("https://[::1]:7000/path", "[::1]:7000"),
        ] {
            let found = addresses(&Config::new(url.parse().unwrap())).await;
            assert!(found.contains(&address.parse().unwrap()), "{url}: {found:?}");
        }
    }
}
