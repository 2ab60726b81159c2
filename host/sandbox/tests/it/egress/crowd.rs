//! Many exchanges at once.

use std::time::Duration;

use keyhole_core::EgressError;
use keyhole_core::limits::Limits;
use keyhole_sandbox::egress::Timeouts;
use serde_json::json;

use super::server::{Server, Then, parts};
use super::setup::{Setup, get, with};
use crate::guest::{call, keys};

fn granted(server: &Server, exchanges: u32) -> Setup {
    Setup::new(&[&format!("http://{}", server.at("good.example"))])
        .name("good.example", server.address)
        .limits(Limits {
            exchanges,
            ..Limits::default()
        })
}

#[tokio::test]
async fn more_exchanges_than_allowed_are_refused() {
    let server = Server::start(|_| parts(1, 1, Duration::ZERO)).await;
    let sandbox = granted(&server, 5).sandbox().await;
    let exchange = |times: u32| json!({"exchanges": [with(get("http", &server.at("good.example"), "/"), json!({ "times": times }))]});
    assert_eq!(sandbox.exchanges(exchange(5)).await.unwrap().len(), 5);
    assert_eq!(
        sandbox.egress_error_of(exchange(6)).await,
        EgressError::TooManyExchanges(5)
    );
    assert_eq!(server.seen().len(), 10);
}

#[tokio::test]
async fn refused_exchanges_count_as_well() {
    let sandbox = Setup::new(&[])
        .limits(Limits {
            exchanges: 5,
            ..Limits::default()
        })
        .sandbox()
        .await;
    let denied = with(get("https", "evil.example", "/"), json!({"times": 6}));
    let results = sandbox
        .exchanges(json!({"exchanges": [denied], "ignore": true}))
        .await
        .unwrap();
    assert!(results.iter().all(|result| result["error"].is_string()));
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn whoever_makes_a_call_sees_its_exchanges_while_it_runs_and_when_it_was_given_up() {
    let server = Server::start(|_| parts(1, 1, Duration::from_secs(60))).await;
    let sandbox = granted(&server, 64).sandbox().await;
    let crowd = with(get("http", &server.at("good.example"), "/"), json!({"times": 3}));
    let (call, requests) = (
        call(json!({"do": "http", "at-once": true, "exchanges": [crowd]})),
        keys(&["k"]),
    );
    let all_begun = tokio::time::timeout(Duration::from_secs(20), async {
        while call.exchanges.succeeded() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    tokio::select! {
        outcomes = sandbox.plugin.fetch(&call, &requests) => panic!("nobody answers: {outcomes:?}"),
        begun = all_begun => begun.expect("three exchanges"),
    }
    assert_eq!(call.exchanges.count(), 3);
    assert_eq!(call.exchanges.succeeded(), 3, "their heads say so");
}

#[tokio::test]
async fn a_thousand_at_once_meet_the_limit() {
    let server = Server::start(|_| parts(1, 1, Duration::from_millis(5))).await;
    let sandbox = granted(&server, 64).sandbox().await;
    let crowd = with(
        get("http", &server.at("good.example"), "/"),
        json!({"times": 1000, "unread": true}),
    );
    let error = sandbox
        .egress_error_of(json!({"at-once": true, "exchanges": [crowd]}))
        .await;
    assert_eq!(error, EgressError::TooManyExchanges(64));
    assert!(server.connections() <= 64, "{}", server.connections());
}

#[tokio::test]
async fn however_many_are_begun_few_are_under_way() {
    let server = Server::start(|_| parts(2, 1, Duration::from_millis(2))).await;
    let sandbox = granted(&server, 1000).sandbox().await;
    let crowd = with(get("http", &server.at("good.example"), "/"), json!({"times": 1000}));
    let results = sandbox
        .exchanges(json!({"at-once": true, "exchanges": [crowd]}))
        .await
        .unwrap();
    assert_eq!((results.len(), server.seen().len()), (1000, 1000));
    assert!(results.iter().all(|result| result["body"] == "yy"));
    assert!(server.most_open() <= 16, "{} sockets", server.most_open());
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_only_their_own_call() {
    let server = Server::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Then::Stay).await;
    let total = Duration::from_secs(1);
    let sandbox = granted(&server, 1000)
        .timeouts(Timeouts {
            total,
            ..Timeouts::default()
        })
        .sandbox()
        .await;
    let crowd = with(get("http", &server.at("good.example"), "/"), json!({"times": 20}));
    let hoard = json!({"at-once": true, "exchanges": [with(crowd, json!({"unread": true, "hoard": true}))]});
    let error = sandbox.egress_error_of(hoard).await;
    let what = "become free of this call's other exchanges";
    assert_eq!(
        error,
        EgressError::TimedOut {
            host: server.at("good.example"),
            what,
            after: total
        }
    );
    assert!(server.most_open() <= 16, "{} sockets", server.most_open());
    crate::guest::until("the connections' end", || server.open() == 0).await;
}
