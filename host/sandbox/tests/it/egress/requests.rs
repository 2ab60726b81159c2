//! Requests that try to step around the checks by method or header.

use keyhole_core::EgressError;
use serde_json::json;

use super::server::{Server, Then, text};
use super::setup::{Setup, get, with};

#[tokio::test]
async fn a_smuggled_host_or_hop_by_hop_header_is_forbidden() {
    let server = Server::start(|_| text("never")).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    for (name, value) in [
        ("Host", "evil.example"),
        ("hOsT", "good.example"),
        ("Connection", "keep-alive"),
        ("Connection", "x-amz-date"),
        ("Upgrade", "websocket"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Keep-Alive", "timeout=1"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("HTTP2-Settings", "x"),
    ] {
        let error = sandbox
            .egress_error(with(get("http", &host, "/"), json!({ "headers": [[name, value]] })))
            .await;
        assert_eq!(
            error,
            EgressError::Forbidden(format!("header {}", name.to_ascii_lowercase()))
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn connect_and_trace_are_forbidden() {
    let server = Server::start(|_| text("never")).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    for method in ["CONNECT", "TRACE"] {
        let error = sandbox
            .egress_error(with(get("http", &host, "/"), json!({ "method": method })))
            .await;
        assert_eq!(error, EgressError::Forbidden(format!("method {method}")));
    }
    assert_eq!(server.connections(), 0);
    let list = with(get("http", &host, "/v1/secret"), json!({"method": "LIST"}));
    assert_eq!(sandbox.exchange(list).await["status"], 200);
    assert_eq!(server.seen()[0].method.as_str(), "LIST");
}

#[tokio::test]
async fn a_server_cannot_switch_protocols() {
    let server = Server::raw(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        Then::Stay,
    )
    .await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let error = setup.sandbox().await.egress_error(get("http", &host, "/")).await;
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn hop_by_hop_headers_of_an_answer_stay_with_the_host() {
    let reply = "HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\nok";
    let server = Server::raw(reply, Then::Close).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    let answer = sandbox.exchange(get("http", &host, "/")).await;
    let mut names: Vec<_> = answer["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|header| header[0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "x-kept"]);
    sandbox.assert_unharmed().await;
}
