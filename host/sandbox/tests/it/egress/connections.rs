//! Connections: kept between calls of one plugin, never lent to another, encrypted as the grant says.

use std::time::Duration;

use http::Version;
use keyhole_core::EgressError;
use keyhole_sandbox::PrivateAddresses;
use keyhole_sandbox::egress::Timeouts;
use serde_json::json;

use super::server::{Server, Then, silent, text};
use super::setup::{Setup, get, with};

fn why(error: EgressError) -> String {
    match error {
        EgressError::Unreachable { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn calls_of_one_plugin_share_its_connections() {
    let server = Server::start(|_| text("hello")).await;
    let host = server.at("good.example");
    let sandbox = Setup::new(&[&format!("http://{host}")])
        .name("good.example", server.address)
        .sandbox()
        .await;
    for _ in 0..5 {
        sandbox.exchange(get("http", &host, "/")).await;
    }
    assert_eq!((server.connections(), server.seen().len()), (1, 5));
}

#[tokio::test]
async fn a_connection_is_never_lent_to_another_plugin() {
    let server = Server::start(|_| text("hello")).await;
    let host = server.at("good.example");
    let open = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let sandbox = open.sandbox().await;
    sandbox.exchange(get("http", &host, "/")).await;
    let closed = Setup::new(&[&format!("http://{host}")])
        .private(PrivateAddresses::None)
        .name("good.example", server.address);
    let error = closed.sandbox().await.egress_error(get("http", &host, "/")).await;
    assert!(matches!(error, EgressError::AddressProhibited { .. }), "{error:?}");
    assert_eq!((server.connections(), server.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_plugin_that_is_unloaded_leaves_no_connection() {
    let server = Server::start(|_| text("hello")).await;
    let host = server.at("good.example");
    let sandbox = Setup::new(&[&format!("http://{host}")])
        .name("good.example", server.address)
        .sandbox()
        .await;
    sandbox.exchange(get("http", &host, "/")).await;
    assert_eq!(server.open(), 1);
    drop(sandbox);
    crate::guest::until("the connection's end", || server.open() == 0).await;
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced() {
    let server = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Then::Close).await;
    let host = server.at("good.example");
    let sandbox = Setup::new(&[&format!("http://{host}")])
        .name("good.example", server.address)
        .sandbox()
        .await;
    for number in 1..=5 {
        assert_eq!(sandbox.exchange(get("http", &host, "/")).await["body"], "ok");
        assert_eq!(server.connections(), number);
    }
}

#[tokio::test]
async fn tls_is_trusted_by_the_grants_own_authority_alone() {
    let (server, certificate) = Server::tls(&["good.example"], &[b"http/1.1"], |_| text("secret")).await;
    let host = server.at("good.example");
    let mut setup = Setup::new(&[&host]).name("good.example", server.address);
    let untrusted = why(setup.sandbox().await.egress_error(get("https", &host, "/")).await);
    assert!(
        untrusted.contains("not trusted") && untrusted.contains("caBundle"),
        "{untrusted}"
    );
    setup.grant.ca_bundle = certificate;
    let sandbox = setup.sandbox().await;
    assert_eq!(sandbox.exchange(get("https", &host, "/")).await["body"], "secret");
    assert_eq!(server.seen()[0].version, Version::HTTP_11);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let (server, certificate) = Server::tls(&["other.example"], &[], |_| text("never")).await;
    let host = server.at("good.example");
    let mut setup = Setup::new(&[&host]).name("good.example", server.address);
    setup.grant.ca_bundle = certificate;
    assert!(why(setup.sandbox().await.egress_error(get("https", &host, "/")).await).contains("not trusted"));
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_http2_needs_one_connection() {
    let (server, certificate) = Server::tls(&["good.example"], &[b"h2", b"http/1.1"], |_| text("hello")).await;
    let host = server.at("good.example");
    let mut setup = Setup::new(&[&host]).name("good.example", server.address);
    setup.grant.ca_bundle = certificate;
    let sandbox = setup.sandbox().await;
    sandbox.exchange(get("https", &host, "/")).await;
    let crowd = with(get("https", &host, "/x"), json!({"times": 30}));
    let results = sandbox
        .exchanges(json!({"at-once": true, "exchanges": [crowd]}))
        .await
        .unwrap();
    assert!(results.len() == 30 && results.iter().all(|result| result["body"] == "hello"));
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.version == Version::HTTP_2 && seen.header("host").is_none())
    );
    assert_eq!(seen[0].uri.to_string(), format!("https://{host}/"));
    assert_eq!(server.connections(), 1);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn answers_left_unread_do_not_stop_others_on_the_same_connection() {
    const SIZE: usize = 1 << 20;
    let (server, certificate) = Server::tls(&["good.example"], &[b"h2"], |_| text(vec![b'x'; SIZE])).await;
    let host = server.at("good.example");
    let mut setup = Setup::new(&[&host]).name("good.example", server.address);
    setup.grant.ca_bundle = certificate;
    let timeouts = Timeouts {
        between_bytes: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let sandbox = setup.timeouts(timeouts).sandbox().await;
    let hoard = with(
        get("https", &host, "/"),
        json!({"times": 15, "unread": true, "hoard": true}),
    );
    let results = sandbox
        .exchanges(json!({"exchanges": [hoard, get("https", &host, "/")]}))
        .await
        .unwrap();
    assert!(
        results[15]["body"]
            .as_str()
            .unwrap()
            .ends_with(&format!("{SIZE} bytes"))
    );
    assert_eq!(server.connections(), 1);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_and_a_closed_port_are_network_failures() {
    let sandbox = Setup::new(&["good.example"]).sandbox().await;
    let error = sandbox.egress_error(get("https", "good.example", "/")).await;
    assert!(!error.is_refusal() && why(error).contains("cannot be resolved"));

    let closed = silent().unwrap().local_addr().unwrap();
    let host = format!("good.example:{}", closed.port());
    let sandbox = Setup::new(&[&host]).name("good.example", closed).sandbox().await;
    assert_eq!(
        why(sandbox.egress_error(get("https", &host, "/")).await),
        "connection refused"
    );
}

#[tokio::test]
async fn an_address_that_swallows_packets_leaves_time_for_the_next() {
    // A full backlog: the kernel drops what comes after.
    let deaf = socket_with_full_backlog();
    let server = Server::start(|_| text("second")).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]);
    setup.names.set("good.example", &[&[deaf.address, server.address]]);
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        ..Default::default()
    };
    let sandbox = setup.timeouts(timeouts).sandbox().await;
    assert_eq!(sandbox.exchange(get("http", &host, "/")).await["body"], "second");
}

struct Deaf {
    address: std::net::SocketAddr,
    _listener: tokio::net::TcpListener,
    _pending: Vec<std::net::TcpStream>,
}

fn socket_with_full_backlog() -> Deaf {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut pending = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        pending.push(stream);
    }
    Deaf {
        address,
        _listener: listener,
        _pending: pending,
    }
}
