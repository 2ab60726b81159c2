//! Addresses: whatever led there, nothing is connected to that no plugin may reach.

use std::net::SocketAddr;

use keyhole_core::EgressError;
use keyhole_sandbox::PrivateAddresses;

use super::server::{Server, silent, text};
use super::setup::{Setup, get, ranges};

fn prohibited(error: EgressError) -> (String, &'static str) {
    match error {
        EgressError::AddressProhibited { address, why, .. } => (address.to_string(), why),
        other => panic!("{other:?}"),
    }
}

/// What each address is.
const FORBIDDEN: [(&str, &str); 16] = [
    ("127.0.0.1", "a loopback address"),
    ("::1", "a loopback address"),
    ("::ffff:127.0.0.1", "a loopback address"),
    ("169.254.169.254", "an instance metadata address"),
    ("::ffff:169.254.169.254", "an instance metadata address"),
    ("64:ff9b::a9fe:a9fe", "an instance metadata address"),
    ("2002:a9fe:a9fe::", "an instance metadata address"),
    ("fd00:ec2::254", "an instance metadata address"),
    ("fd00:ec2::23", "an instance metadata address"),
    ("169.254.1.2", "a link-local address"),
    ("fe80::1", "a link-local address"),
    ("0.0.0.0", "an unspecified address"),
    ("::", "an unspecified address"),
    ("224.0.0.1", "a multicast address"),
    ("10.0.0.1", "a private address"),
    ("fc00::1", "a unique-local address"),
];

#[tokio::test]
async fn a_granted_name_cannot_lead_to_an_address_that_is_not() {
    let setup = Setup::new(&["http://good.example"]).private(PrivateAddresses::None);
    for (number, (address, what)) in FORBIDDEN.into_iter().enumerate() {
        // A policy of its own each time: a connection that was allowed would be kept.
        setup
            .names
            .set("good.example", &[&[SocketAddr::new(address.parse().unwrap(), 80)]]);
        let error = setup
            .sandbox()
            .await
            .egress_error(get("http", "good.example", "/"))
            .await;
        assert_eq!(prohibited(error).1, what, "{address}");
        assert_eq!(setup.names.asked(), number + 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_granted() {
    let server = Server::start(|_| text("never")).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")])
        .private(PrivateAddresses::None)
        .name("good.example", server.address);
    let error = setup.sandbox().await.egress_error(get("http", &host, "/")).await;
    assert_eq!(prohibited(error), ("127.0.0.1".to_owned(), "a loopback address"));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_range_cannot_open_metadata_by_the_way() {
    let setup = Setup::new(&["http://good.example"]).private(ranges(&["0.0.0.0/0", "::/0"]));
    for address in ["169.254.169.254:80", "[fd00:ec2::254]:80", "[fd00:ec2::23]:80"] {
        setup.names.set("good.example", &[&[address.parse().unwrap()]]);
        let error = setup
            .sandbox()
            .await
            .egress_error(get("http", "good.example", "/"))
            .await;
        assert_eq!(prohibited(error).1, "an instance metadata address");
    }
}

#[tokio::test]
async fn a_literal_in_any_spelling_needs_a_range() {
    let server = Server::start(|_| text("reached")).await;
    let port = server.address.port();
    let hosts = [
        format!("http://127.0.0.1:{port}"),
        "http://169.254.169.254".to_owned(),
        "http://[::1]".to_owned(),
    ];
    let hosts = hosts.each_ref().map(String::as_str);
    let closed = Setup::new(&hosts).private(PrivateAddresses::None);
    let sandbox = closed.sandbox().await;
    let spellings = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7F.0.0.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ];
    for spelling in spellings {
        let error = sandbox
            .egress_error(get("http", &format!("{spelling}:{port}"), "/"))
            .await;
        assert_eq!(
            prohibited(error),
            ("127.0.0.1".to_owned(), "a loopback address"),
            "{spelling}"
        );
    }
    for spelling in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "[::ffff:a9fe:a9fe]",
    ] {
        let error = sandbox.egress_error(get("http", spelling, "/latest/meta-data/")).await;
        assert_eq!(
            prohibited(error),
            ("169.254.169.254".to_owned(), "an instance metadata address"),
            "{spelling}"
        );
    }
    assert_eq!(
        prohibited(sandbox.egress_error(get("http", "[::1]", "/")).await).1,
        "a loopback address"
    );
    assert_eq!(
        prohibited(sandbox.egress_error(get("https", "1.1.1.1", "/")).await).1,
        "written as an address and not as a name"
    );
    assert_eq!((server.connections(), closed.names.asked()), (0, 0));

    // With a range, all spellings are the one address that is granted by name.
    let open = Setup::new(&hosts).private(ranges(&["127.0.0.1/32"])).sandbox().await;
    for spelling in spellings {
        let answer = open.exchange(get("http", &format!("{spelling}:{port}"), "/")).await;
        assert_eq!(answer["body"], "reached", "{spelling}");
    }
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("host") == Some(&server.at("127.0.0.1")))
    );
    // A range alone grants no host.
    let error = open
        .egress_error(get("http", &format!("127.0.0.1:{}", port ^ 1), "/"))
        .await;
    assert!(matches!(error, EgressError::HostNotGranted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_connected_to_the_one_that_was_checked() {
    let listener = silent().unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let granted = Server::start_on(&format!("127.0.0.2:{port}"), |_| text("granted")).await;
    let victim = Server::start_on(&format!("127.0.0.3:{port}"), |_| text("victim")).await;
    let host = granted.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).private(ranges(&["127.0.0.2/32"]));
    // Whoever asks a second time is led to the victim.
    setup
        .names
        .set("good.example", &[&[granted.address], &[victim.address]]);
    let sandbox = setup.sandbox().await;
    assert_eq!(sandbox.exchange(get("http", &host, "/")).await["body"], "granted");
    assert_eq!(setup.names.asked(), 1, "one look-up for one connection");
    // The connection that was checked serves on; a new one is checked anew.
    assert_eq!(sandbox.exchange(get("http", &host, "/")).await["body"], "granted");
    let error = setup.sandbox().await.egress_error(get("http", &host, "/")).await;
    assert_eq!(prohibited(error).0, "127.0.0.3");
    assert_eq!((granted.connections(), victim.connections()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_the_granted_ones_are_used() {
    let listener = silent().unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let granted = Server::start_on(&format!("127.0.0.2:{port}"), |_| text("granted")).await;
    let victim = Server::start_on(&format!("127.0.0.3:{port}"), |_| text("victim")).await;
    let host = granted.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).private(ranges(&["127.0.0.2/32"]));
    setup.names.set("good.example", &[&[victim.address, granted.address]]);
    assert_eq!(
        setup.sandbox().await.exchange(get("http", &host, "/")).await["body"],
        "granted"
    );
    assert_eq!(victim.connections(), 0);
}

#[tokio::test]
async fn the_api_server_is_out_of_reach_whatever_is_granted() {
    let server = Server::start(|_| text("never")).await;
    let host = server.at("good.example");
    let literal = server.address.to_string();
    let setup = Setup::new(&[&format!("http://{host}"), &format!("http://{literal}")])
        .private(ranges(&["127.0.0.0/8", "127.0.0.1/32"]))
        .name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    // Found after the plugin was loaded, which is as good.
    setup.api_server.is_at([server.address]);
    for host in [&host, &literal] {
        assert_eq!(
            prohibited(sandbox.egress_error(get("http", host, "/")).await).1,
            "the Kubernetes API server"
        );
    }
    assert_eq!(server.connections(), 0);
}
