//! The operator's proxy is on the way to registries as it is to stores.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyhole_sandbox::egress::Proxy;
use keyhole_test_harness::RegistryConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{World, at, component, reason};

/// A proxy that knows CONNECT, counts tunnels and leads all of them to one server.
async fn start(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(tunnel(client, to));
        }
    });
    (address, tunnels)
}

async fn tunnel(client: TcpStream, to: SocketAddr) {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    while client.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        line.clear();
    }
    let Ok(mut server) = TcpStream::connect(to).await else {
        return;
    };
    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

fn through(proxy: SocketAddr, exempt: &str) -> Option<Proxy> {
    Proxy::from_env(|name| match name {
        "HTTPS_PROXY" => Some(format!("http://{proxy}")),
        "NO_PROXY" => Some(exempt.to_owned()),
        _ => None,
    })
}

#[tokio::test]
async fn a_registry_is_reached_through_the_proxy_unless_it_is_exempt() {
    let mut world = World::start(RegistryConfig {
        tls: true,
        login: false,
    })
    .await;
    let digest = world.push("1", &component("proxied")).await;
    world.sources.cache = None;
    let (proxy, tunnels) = start(world.registry.host().parse().unwrap()).await;
    world.sources.proxy = through(proxy, "");
    world.pull(&at(&digest)).await.unwrap();
    assert!(tunnels.load(Ordering::SeqCst) > 0);
    tunnels.store(0, Ordering::SeqCst);
    world.sources.proxy = through(proxy, "127.0.0.1");
    world.pull(&at(&digest)).await.unwrap();
    assert_eq!(tunnels.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_proxy_that_is_away_is_a_transient_failure() {
    let mut world = World::start(RegistryConfig {
        tls: true,
        login: false,
    })
    .await;
    let digest = world.push("1", &component("x")).await;
    let nobody = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap()
    };
    world.sources.proxy = through(nobody, "");
    assert_eq!(reason(world.pull(&at(&digest)).await), "SourceUnreachable");
}
