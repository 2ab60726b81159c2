//! Bodies that are too large or too slow, in both directions, streamed and signed.

use std::time::{Duration, Instant};

use keyhole_core::EgressError;
use keyhole_core::limits::Limits;
use keyhole_sandbox::egress::Timeouts;
use serde_json::{Value as Json, json};

use super::server::{Server, Then, parts, silent, text};
use super::setup::{Setup, get, with};
use super::signing;

const KIB: usize = 1 << 10;
const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(20);

fn limits() -> Limits {
    Limits {
        response_body: 64 * KIB,
        request_body: 32 * KIB,
        ..Limits::default()
    }
}

fn patient() -> Timeouts {
    Timeouts {
        connect: LONG,
        request_body: LONG,
        first_byte: LONG,
        between_bytes: LONG,
        total: LONG,
    }
}

fn granted(server: &Server) -> Setup {
    Setup::new(&[&format!("http://{}", server.at("good.example"))])
        .name("good.example", server.address)
        .limits(limits())
}

fn to(server: &Server, more: Json) -> Json {
    with(get("http", &server.at("good.example"), "/"), more)
}

fn too_large(direction: &'static str, host: &str, limit: usize) -> EgressError {
    EgressError::BodyTooLarge {
        direction,
        host: host.to_owned(),
        limit,
    }
}

fn timed_out(host: &str, what: &'static str) -> EgressError {
    EgressError::TimedOut {
        host: host.to_owned(),
        what,
        after: SHORT,
    }
}

#[tokio::test]
async fn an_answer_over_its_limit_is_broken_off() {
    let at_limit = Server::start(|_| parts(64, KIB, Duration::ZERO)).await;
    let sandbox = granted(&at_limit).sandbox().await;
    let body = sandbox.exchange(to(&at_limit, json!({}))).await["body"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(body.ends_with(&format!("{} bytes", 64 * KIB)), "{body}");

    let endless = Server::start(|_| parts(usize::MAX, 16 * KIB, Duration::ZERO)).await;
    let sandbox = granted(&endless).sandbox().await;
    let error = sandbox.egress_error(to(&endless, json!({}))).await;
    assert_eq!(error, too_large("response", &endless.at("good.example"), 64 * KIB));
    crate::guest::until("the connection's end", || endless.open() == 0).await;
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_begun() {
    // The body never comes: only its announcement can be the reason.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * KIB + 1);
    let server = Server::raw(head, Then::Stay).await;
    let sandbox = granted(&server).timeouts(patient()).sandbox().await;
    let began = Instant::now();
    let error = sandbox.egress_error(to(&server, json!({"unread": true}))).await;
    assert_eq!(error, too_large("response", &server.at("good.example"), 64 * KIB));
    assert!(began.elapsed() < LONG / 2);
}

#[tokio::test]
async fn a_request_over_its_limit_never_arrives_whole() {
    let server = Server::start(|_| text("whole")).await;
    let sandbox = granted(&server).sandbox().await;
    assert_eq!(
        sandbox.exchange(to(&server, json!({"body-size": 32 * KIB}))).await["body"],
        "whole"
    );
    assert_eq!(server.seen()[0].body.len(), 32 * KIB);

    let error = sandbox
        .egress_error(to(&server, json!({"body-size": 32 * KIB + 1})))
        .await;
    assert_eq!(error, too_large("request", &server.at("good.example"), 32 * KIB));
    let announced = json!({"body-size": 1, "headers": [["content-length", (32 * KIB + 1).to_string()]]});
    let error = sandbox.egress_error(to(&server, announced)).await;
    assert_eq!(error, too_large("request", &server.at("good.example"), 32 * KIB));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_signed_request_over_its_limit_is_not_sent() {
    let (aws, setup) = signing::aws();
    let sandbox = setup.limits(limits()).sandbox().await;
    let request = with(
        signing::get_secret_value("db"),
        json!({"body": null, "body-size": 32 * KIB + 1}),
    );
    let error = sandbox.egress_error(request).await;
    assert_eq!(error, too_large("request", &signing::host_of(&aws), 32 * KIB));
    assert_eq!(aws.requests().len(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let hangs = Server::raw("", Then::Stay).await;
    let sandbox = granted(&hangs)
        .timeouts(Timeouts {
            first_byte: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    assert_eq!(
        sandbox.egress_error(to(&hangs, json!({}))).await,
        timed_out(&hangs.at("good.example"), "answer")
    );

    // A guest may be less patient than the host, never more.
    let sandbox = granted(&hangs).timeouts(patient()).sandbox().await;
    let error = sandbox.egress_error(to(&hangs, json!({"patience-ms": 500}))).await;
    assert_eq!(error, timed_out(&hangs.at("good.example"), "answer"));
    let sandbox = granted(&hangs)
        .timeouts(Timeouts {
            first_byte: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    let error = sandbox
        .egress_error(to(&hangs, json!({"patience-ms": 3_600_000})))
        .await;
    assert_eq!(error, timed_out(&hangs.at("good.example"), "answer"));
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_not_waited_for() {
    let server = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Then::Stay).await;
    let sandbox = granted(&server)
        .timeouts(Timeouts {
            between_bytes: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    let error = sandbox.egress_error(to(&server, json!({}))).await;
    assert_eq!(
        error,
        timed_out(&server.at("good.example"), "send the next part of its answer")
    );
    crate::guest::until("the connection's end", || server.open() == 0).await;
}

#[tokio::test]
async fn an_answer_that_drips_is_bounded_as_a_whole() {
    let server = Server::start(|_| parts(usize::MAX, 1, Duration::from_millis(20))).await;
    let sandbox = granted(&server)
        .timeouts(Timeouts {
            total: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    let error = sandbox.egress_error(to(&server, json!({}))).await;
    assert_eq!(error, timed_out(&server.at("good.example"), "finish its answer"));
    crate::guest::until("the connection's end", || server.open() == 0).await;
}

#[tokio::test]
async fn a_torn_answer_is_a_network_failure() {
    let server = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Then::Close).await;
    let sandbox = granted(&server).sandbox().await;
    let error = sandbox.egress_error(to(&server, json!({}))).await;
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_that_drips_is_not_waited_for() {
    let server = Server::start(|_| text("never")).await;
    let sandbox = granted(&server)
        .timeouts(Timeouts {
            first_byte: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    let error = sandbox.egress_error(to(&server, json!({"drip-ms": 20}))).await;
    assert_eq!(error, timed_out(&server.at("good.example"), "get the whole request"));
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_signed_request_that_drips_is_not_sent() {
    let (aws, setup) = signing::aws();
    let sandbox = setup
        .timeouts(Timeouts {
            request_body: SHORT,
            ..patient()
        })
        .sandbox()
        .await;
    let request = with(signing::get_secret_value("db"), json!({"drip-ms": 20}));
    assert_eq!(
        sandbox.egress_error(request).await,
        timed_out(&signing::host_of(&aws), "get the whole request")
    );
    assert_eq!(aws.requests().len(), 0);
}

#[tokio::test]
async fn a_request_that_the_guest_breaks_off_is_the_guests_failure() {
    let server = Server::start(|_| text("never")).await;
    let sandbox = granted(&server).sandbox().await;
    let error = sandbox
        .egress_error(to(
            &server,
            json!({"body": "half", "headers": [["content-length", "8"]]}),
        ))
        .await;
    let why = "the plugin broke its request off".to_owned();
    assert_eq!(
        error,
        EgressError::Unreachable {
            host: server.at("good.example"),
            why
        }
    );
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_not_waited_for() {
    let listener = silent().unwrap();
    let address = listener.local_addr().unwrap();
    let host = format!("good.example:{}", address.port());
    let setup = Setup::new(&[&host]).name("good.example", address).timeouts(Timeouts {
        connect: SHORT,
        ..patient()
    });
    let error = setup.sandbox().await.egress_error(get("https", &host, "/")).await;
    assert_eq!(error, timed_out(&host, "accept a connection"));
}
