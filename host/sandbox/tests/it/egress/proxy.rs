//! The operator's proxy: names are still checked here, and the proxy sees only tunnels.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use keyhole_core::EgressError;
use keyhole_sandbox::PrivateAddresses;
use keyhole_sandbox::egress::{self, Network, Resolve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::server::{Server, text};
use super::setup::{Setup, get};

/// An HTTP proxy that leads every tunnel to one place and keeps the heads that it was sent.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(to: SocketAddr, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let heads = Arc::clone(&shared);
                tunnels.spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    let mut there = TcpStream::connect(to).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut there).await;
                });
            }
        });
        Self { address, heads, task }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn through(setup: &Setup, proxy: String, exempt: &'static str) -> Network {
    let env = move |name: &str| match name {
        "HTTPS_PROXY" => Some(proxy.clone()),
        "NO_PROXY" => Some(exempt.to_owned()),
        _ => None,
    };
    Network::through(egress::Proxy::from_env(env).as_ref()).with_resolver(Arc::clone(&setup.names) as Arc<dyn Resolve>)
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_names_are_checked_all_the_same() {
    let (server, certificate) = Server::tls(&["good.example", "exempt.example"], &[], |_| text("secret")).await;
    let proxy = Proxy::start(server.address, "HTTP/1.1 200 OK\r\n\r\n").await;
    let (good, exempt) = (server.at("good.example"), server.at("exempt.example"));
    // The proxy resolves good.example; here it has no address at all.
    let mut setup = Setup::new(&[&good, &exempt])
        .private(PrivateAddresses::None)
        .name("proxy.example", proxy.address);
    setup.grant.ca_bundle = certificate;
    setup.network = through(
        &setup,
        format!("http://user:word@proxy.example:{}", proxy.address.port()),
        "exempt.example",
    );
    let sandbox = setup.sandbox().await;
    assert_eq!(sandbox.exchange(get("https", &good, "/")).await["body"], "secret");
    let heads = proxy.heads();
    assert!(
        heads[0].starts_with(&format!("CONNECT {good} HTTP/1.1\r\n")),
        "{heads:?}"
    );
    assert!(
        heads[0].contains("Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n"),
        "{heads:?}"
    );
    assert!(server.seen()[0].header("proxy-authorization").is_none());

    let error = sandbox.egress_error(get("https", "evil.example", "/")).await;
    assert!(matches!(error, EgressError::HostNotGranted { .. }), "{error:?}");
    let error = sandbox.egress_error(get("https", "169.254.169.254", "/")).await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
    // NO_PROXY goes straight, where the address rules hold.
    setup.names.set("exempt.example", &[&[server.address]]);
    let error = sandbox.egress_error(get("https", &exempt, "/")).await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
    assert_eq!((proxy.heads().len(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_proxy_on_a_metadata_address_is_not_connected_to() {
    let mut setup = Setup::new(&["good.example"]);
    setup
        .names
        .set("proxy.example", &[&["169.254.169.254:3128".parse().unwrap()]]);
    setup.network = through(&setup, "http://proxy.example:3128".to_owned(), "");
    let error = setup
        .sandbox()
        .await
        .egress_error(get("https", "good.example", "/"))
        .await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_network_failure() {
    let server = Server::start(|_| text("never")).await;
    let proxy = Proxy::start(server.address, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let mut setup = Setup::new(&["good.example"]);
    setup.network = through(&setup, format!("http://{}", proxy.address), "");
    match setup
        .sandbox()
        .await
        .egress_error(get("https", "good.example", "/"))
        .await
    {
        EgressError::Unreachable { why, .. } => assert!(why.contains("proxy authorization required"), "{why}"),
        other => panic!("{other:?}"),
    }
}
