//! Names: only granted ones, only with the granted scheme and port, and refused at once.

use std::time::{Duration, Instant};

use keyhole_core::{CallError, EgressError, Outcome, StoreErrorKind};
use serde_json::json;

use super::server::{Server, text};
use super::setup::{Setup, get, with};
use crate::guest::{call, keys};

fn not_granted(host: &str) -> EgressError {
    EgressError::HostNotGranted { host: host.to_owned() }
}

fn scheme_not_granted(scheme: &str, host: &str) -> EgressError {
    EgressError::SchemeNotGranted {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
    }
}

#[tokio::test]
async fn a_granted_host_is_reached() {
    let server = Server::start(|_| text("hello")).await;
    let setup = Setup::new(&[&format!("http://{}", server.at("good.example"))]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    let answer = sandbox
        .exchange(get("http", &server.at("GOOD.example."), "/path?query=1"))
        .await;
    assert_eq!(
        (answer["status"].as_u64(), answer["body"].as_str()),
        (Some(200), Some("hello"))
    );
    let seen = server.seen().remove(0);
    assert_eq!(seen.uri, "/path?query=1");
    assert_eq!(seen.header("host"), Some(server.at("good.example").as_str()));
}

#[tokio::test]
async fn other_hosts_ports_and_look_alikes_are_not_granted() {
    let server = Server::start(|_| text("never")).await;
    let port = server.address.port();
    let setup = Setup::new(&[&format!("good.example:{port}"), "store.{region}.example.com"]);
    for name in [
        "evil.example",
        "good.example",
        "x.good.example",
        "good.example.evil.example",
        "a.store.b.example.com",
    ] {
        setup.names.set(name, &[&[server.address]]);
    }
    let sandbox = setup.sandbox().await;
    for host in [
        format!("evil.example:{port}"),
        "good.example".to_owned(),
        "good.example:1".to_owned(),
        format!("x.good.example:{port}"),
        format!("good.example.evil.example:{port}"),
        "a.store.b.example.com".to_owned(),
        "store.a.b.example.com".to_owned(),
    ] {
        assert_eq!(sandbox.egress_error(get("https", &host, "/")).await, not_granted(&host));
    }
    assert_eq!((server.connections(), setup.names.asked()), (0, 0));
}

#[tokio::test]
async fn plain_http_and_other_schemes_need_a_grant() {
    let server = Server::start(|_| text("never")).await;
    let host = server.at("good.example");
    let setup = Setup::new(&[&host]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    assert_eq!(
        sandbox.egress_error(get("http", &host, "/")).await,
        scheme_not_granted("http", &host)
    );
    assert_eq!(
        sandbox.egress_error(get("http", "good.example", "/")).await,
        scheme_not_granted("http", "good.example")
    );
    assert_eq!(
        sandbox.egress_error(get("ftp", &host, "/")).await,
        scheme_not_granted("ftp", "any host")
    );
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_user_name_in_the_authority_is_forbidden() {
    let server = Server::start(|_| text("never")).await;
    let setup = Setup::new(&[&format!("http://{}", server.at("good.example"))]).name("good.example", server.address);
    let sandbox = setup.sandbox().await;
    let error = sandbox
        .egress_error(get("http", &server.at("evil.example@good.example"), "/"))
        .await;
    assert_eq!(error, EgressError::Forbidden("a user name in a URL".to_owned()));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_secret_that_is_taken_for_a_host_is_in_no_error() {
    let secret = "HunTer2-Of-The-Store";
    let sandbox = Setup::new(&[]).sandbox().await;
    let asked = json!({"do": "http", "exchanges": [get("https", &format!("{secret}.example"), "/")]});
    let refused = CallError::Egress(not_granted("***.example"));

    let returned = call(with(asked.clone(), json!({ "returns": secret })));
    let outcomes = sandbox.plugin.fetch(&returned, &keys(&["a", "b"])).await.unwrap();
    let Outcome::Failed(error) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(error.kind, StoreErrorKind::Host(Box::new(refused.clone())));
    assert_eq!(error.message, refused.to_string());

    let kept = with(asked, json!({ "keeps": secret }));
    assert_eq!(sandbox.fetch(kept.clone(), &["a"]).await.unwrap_err(), refused);
    let CallError::Trap(text) = sandbox.error(with(kept, json!({ "crash": true }))).await else {
        panic!()
    };
    assert!(
        text.contains("after: host ***.example is not granted") && !text.to_lowercase().contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_denied_request_fails_within_milliseconds() {
    let setup = Setup::new(&[]);
    let sandbox = setup.sandbox().await;
    let denied = || sandbox.exchanges(json!({ "exchanges": [get("https", "evil.example", "/")] }));
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(
            denied().await.unwrap_err(),
            CallError::Egress(not_granted("evil.example"))
        );
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let other = Server::start(|_| text("never")).await;
    let to = format!("http://{}/", other.at("also-good.example"));
    let server = Server::start(move |_| {
        let mut answer = text("elsewhere");
        *answer.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        answer.headers_mut().insert("location", to.parse().unwrap());
        answer
    })
    .await;
    let hosts = [
        format!("http://{}", server.at("good.example")),
        format!("http://{}", other.at("also-good.example")),
    ];
    let setup = Setup::new(&hosts.each_ref().map(String::as_str))
        .name("good.example", server.address)
        .name("also-good.example", other.address);
    let sandbox = setup.sandbox().await;
    let answer = sandbox.exchange(get("http", &server.at("good.example"), "/")).await;
    assert_eq!(
        (answer["status"].as_u64(), answer["body"].as_str()),
        (Some(307), Some("elsewhere"))
    );
    assert_eq!((server.seen().len(), other.connections()), (1, 0));
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn the_hosts_record_wins_over_what_the_guest_says() {
    let setup = Setup::new(&[]);
    let sandbox = setup.sandbox().await;
    let denied = json!({ "exchanges": [get("https", "evil.example", "/")] });
    for kind in ["unavailable", "internal", "denied"] {
        assert_eq!(
            sandbox
                .egress_error_of(with(denied.clone(), json!({ "kind": kind })))
                .await,
            not_granted("evil.example")
        );
    }
    // An answer about the store itself stands, and so does a success.
    assert!(matches!(
        sandbox
            .exchanges(with(denied.clone(), json!({"kind": "not-found"})))
            .await,
        Err(CallError::Store(_))
    ));
    let ignored = sandbox.exchanges(with(denied, json!({"ignore": true}))).await.unwrap();
    assert!(ignored[0]["error"].is_string(), "{ignored:?}");
    sandbox.assert_unharmed().await;
}
