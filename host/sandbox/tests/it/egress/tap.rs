//! What a tap hears, and where a detour leads.

use std::sync::{Arc, Mutex};

use keyhole_core::SecretBytes;
use keyhole_sandbox::egress::{Observed, Tap};
use serde_json::json;

use super::server::{Server, text};
use super::setup::{Setup, get, with};
use crate::guest::{call, keys};

#[derive(Default)]
struct Ear {
    exchanges: Mutex<Vec<Observed>>,
    handled: Mutex<Vec<SecretBytes>>,
}

impl Tap for Ear {
    fn exchange(&self, exchange: Observed) {
        self.exchanges.lock().unwrap().push(exchange);
    }

    fn handled(&self, secret: &SecretBytes) {
        self.handled.lock().unwrap().push(secret.clone());
    }
}

fn tapped(mut setup: Setup) -> (Setup, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    setup.network = setup.network.with_tap(Arc::clone(&ear) as Arc<dyn Tap>);
    (setup, ear)
}

#[tokio::test]
async fn a_tap_hears_both_bodies_as_the_plugin_had_them() {
    let server = Server::start(|_| text("the answer")).await;
    let name = server.at("store.example.com");
    let (setup, ear) = tapped(Setup::new(&[&format!("http://{name}")]).name("store.example.com", server.address));
    let sandbox = setup.sandbox().await;
    let exchange = with(
        get("http", &name, "/a?b=c"),
        json!({"body": "the question", "headers": [["x-mine", "yes"]]}),
    );
    sandbox.exchange(exchange).await;
    let heard = ear.exchanges.lock().unwrap();
    let [heard] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(heard.method, "POST");
    assert_eq!(heard.uri.to_string(), format!("http://{name}/a?b=c"));
    assert_eq!(heard.request_headers["x-mine"], "yes");
    assert_eq!(heard.request_body.expose(), b"the question");
    assert_eq!(
        (heard.status.as_u16(), heard.response_body.expose()),
        (200, &b"the answer"[..])
    );
}

#[tokio::test]
async fn a_tap_hears_the_plugins_signature_and_not_the_hosts() {
    let server = Server::start(|_| text("{}")).await;
    let (mut setup, ear) = tapped(Setup::new(&[]).aws(&["GetSecretValue"]));
    setup.endpoints = setup
        .endpoints
        .with("secretsmanager", &format!("http://{}", server.address))
        .unwrap();
    let sandbox = setup.sandbox().await;
    let authority = format!("secretsmanager.{}.amazonaws.com", super::setup::REGION);
    let mine = "AWS4-HMAC-SHA256 Credential=KEYHOLE/20260101/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=00";
    let exchange = with(
        get("https", &authority, "/"),
        json!({"body": "{}", "headers": [["content-type", "application/x-amz-json-1.1"], ["x-amz-target", "secretsmanager.GetSecretValue"], ["authorization", mine]]}),
    );
    sandbox.exchange(exchange).await;
    let sent = server.seen().remove(0);
    assert!(sent.header("authorization").unwrap().contains("AKIAHOST"));
    let heard = ear.exchanges.lock().unwrap();
    assert_eq!(
        heard[0].uri.host(),
        Some(authority.as_str()),
        "where the plugin meant it to go"
    );
    assert_eq!(heard[0].request_headers["authorization"], mine);
}

#[tokio::test]
async fn a_tap_is_told_what_the_plugin_had_in_its_hands() {
    let (setup, ear) = tapped(Setup::new(&[]));
    let sandbox = setup.sandbox().await;
    let call = call(json!({"do": "session", "token": "earned-by-login"}));
    sandbox.plugin.fetch(&call, &keys(&["k"])).await.unwrap();
    let handled = ear.handled.lock().unwrap();
    assert!(handled.iter().any(|secret| secret.expose() == b"earned-by-login"));
}

#[tokio::test]
async fn a_detour_changes_where_a_connection_ends_and_nothing_of_what_is_checked() {
    let server = Server::start(|seen| text(seen.header("host").unwrap_or_default().to_owned())).await;
    let nowhere = "127.0.0.9:9".parse().unwrap();
    let mut setup = Setup::new(&[
        "http://store.example.com",
        "http://127.0.0.9:9",
        "http://metadata.example.com",
    ])
    .name("store.example.com", nowhere)
    .name("metadata.example.com", "169.254.169.254:80".parse().unwrap());
    setup.network = setup.network.with_detour(server.address);
    let sandbox = setup.sandbox().await;
    for (authority, host) in [
        ("store.example.com", "store.example.com"),
        ("127.0.0.9:9", "127.0.0.9:9"),
    ] {
        let answer = sandbox.exchange(get("http", authority, "/")).await;
        assert_eq!(answer["body"], host);
    }
    // A granted name that leads where nobody may go, and a literal outside of the granted ranges.
    sandbox.egress_error(get("http", "metadata.example.com", "/")).await;
    sandbox.egress_error(get("http", "10.0.0.1", "/")).await;
    assert_eq!(server.seen().len(), 2);
}
