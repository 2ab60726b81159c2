//! Headers with a credential that the host sets: where they go, where not, and that no plugin gets to
//! see or to forge one.

use http::{HeaderName, HeaderValue};
use keyhole_core::{CallError, EgressError, Identity, ServiceAccount};
use keyhole_sandbox::{Credential, HeaderGrant, Plugin, PrivateAddresses};
use serde_json::{Value as Json, json};

use super::server::{Server, text};
use super::setup::{Setup, get, with};
use super::signing::get_secret_value;
use crate::credentials::{secret, token};
use crate::guest::{call, keys};
use crate::output::Log;

const TOKEN: &str = "s.token-of-the-operator";

fn header(name: &'static str, prefix: &str, credential: Credential, hosts: &[&str]) -> HeaderGrant {
    HeaderGrant {
        name: HeaderName::from_static(name),
        prefix: prefix.to_owned(),
        credential,
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
    }
}

/// `X-Vault-Token` from a Secret, on every granted host.
fn vault(setup: Setup) -> Setup {
    setup.safe.put(secret("vault", "token"), TOKEN);
    setup.header(header("x-vault-token", "", secret("vault", "token"), &[]))
}

fn good(server: &Server) -> (String, Setup) {
    let host = server.at("good.example");
    let setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    (host, vault(setup))
}

#[tokio::test]
async fn the_host_sets_the_header_over_http_1_and_2() {
    for (alpn, version) in [
        (b"h2".as_slice(), http::Version::HTTP_2),
        (b"http/1.1", http::Version::HTTP_11),
    ] {
        let (server, certificate) = Server::tls(&["good.example"], &[alpn], |_| text("ok")).await;
        let host = server.at("good.example");
        let mut setup = vault(Setup::new(&[&host]).name("good.example", server.address));
        setup.safe.put(secret("basic", "auth"), "dXNlcjpwYXNz");
        setup = setup.header(header("authorization", "Basic ", secret("basic", "auth"), &[]));
        setup.grant.ca_bundle = certificate;
        let sandbox = setup.sandbox().await;
        assert_eq!(sandbox.exchange(get("https", &host, "/")).await["status"], 200);
        let seen = server.seen();
        assert_eq!(seen[0].version, version);
        assert_eq!(seen[0].header("x-vault-token"), Some(TOKEN));
        assert_eq!(seen[0].header("authorization"), Some("Basic dXNlcjpwYXNz"));
    }
}

#[tokio::test]
async fn a_rotated_credential_is_on_the_next_request() {
    let server = Server::start(|_| text("ok")).await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    sandbox.exchange(get("http", &host, "/")).await;
    setup.safe.put(secret("vault", "token"), "s.rotated");
    sandbox.exchange(get("http", &host, "/")).await;
    let sent: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("x-vault-token").unwrap().to_owned())
        .collect();
    assert_eq!(sent, [TOKEN, "s.rotated"]);
}

#[tokio::test]
async fn a_token_is_that_of_the_calls_account() {
    let server = Server::start(|_| text("ok")).await;
    let host = server.at("good.example");
    let mut setup = Setup::new(&[&format!("http://{host}")]).name("good.example", server.address);
    setup.safe.put(token("store"), "eyJ.of.account");
    setup = setup.header(header("authorization", "Bearer ", token("store"), &[]));
    let sandbox = setup.sandbox().await;
    let mut call = call(json!({"do": "http", "exchanges": [get("http", &host, "/")]}));
    call.identity = Identity {
        account: ServiceAccount::new("team", "reader").ok(),
        ..Identity::default()
    };
    sandbox.plugin.fetch(&call, &keys(&["k"])).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), Some("Bearer eyJ.of.account"));
    assert_eq!(setup.safe.asked.lock().unwrap()[0].1, call.identity);
}

#[tokio::test]
async fn a_header_for_one_host_never_reaches_another() {
    let server = Server::start(|_| text("ok")).await;
    let (login, api) = (server.at("login.example"), server.at("api.example"));
    let hosts = [format!("http://{login}"), format!("http://{api}")];
    let mut setup = Setup::new(&[&hosts[0], &hosts[1]])
        .name("login.example", server.address)
        .name("api.example", server.address);
    setup.safe.put(secret("client", "basic"), "Y2xpZW50OnNlY3JldA==");
    setup = setup.header(header(
        "authorization",
        "Basic ",
        secret("client", "basic"),
        &[&hosts[0]],
    ));
    let sandbox = setup.sandbox().await;
    sandbox.exchange(get("http", &login, "/")).await;
    sandbox.exchange(get("http", &api, "/")).await;
    // What it earned by logging in, the plugin may send itself, where the header is not the host's.
    let own = json!({"headers": [["Authorization", "Bearer earned"]]});
    sandbox.exchange(with(get("http", &api, "/"), own.clone())).await;
    let sent: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(
        sent,
        [
            Some("Basic Y2xpZW50OnNlY3JldA==".to_owned()),
            None,
            Some("Bearer earned".to_owned())
        ]
    );
    let error = sandbox.egress_error(with(get("http", &login, "/"), own)).await;
    assert!(matches!(error, EgressError::HeaderOfHost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_guest_that_sends_the_header_itself_is_refused() {
    let server = Server::start(|_| text("never")).await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    for headers in [
        json!([["x-vault-token", "mine"]]),
        json!([["X-Vault-Token", "mine"]]),
        json!([["X-VAULT-TOKEN", ""]]),
        json!([["x-vault-token", "a"], ["X-Vault-Token", "b"]]),
        json!([["accept", "*/*"], ["x_vault_token", "mine"]]),
        json!([["X_Vault-Token", "mine"]]),
    ] {
        let error = sandbox
            .egress_error(with(get("http", &host, "/"), json!({ "headers": headers })))
            .await;
        assert_eq!(
            error,
            EgressError::HeaderOfHost {
                header: "x-vault-token".to_owned(),
                host: host.clone()
            },
            "{headers}"
        );
    }
    assert_eq!((server.connections(), setup.safe.asked()), (0, 0));
}

#[tokio::test]
async fn a_credential_that_could_end_the_header_is_not_sent() {
    let server = Server::start(|_| text("never")).await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    for value in ["s.token\r\nx-evil: 1", "s.token\n", "s.tok\0en", ""] {
        setup.safe.put(secret("vault", "token"), value);
        let error = sandbox
            .exchanges(json!({ "exchanges": [get("http", &host, "/")] }))
            .await
            .unwrap_err();
        let CallError::Identity { message, transient } = error else {
            panic!("{error:?}")
        };
        assert!(
            message.starts_with("entry \"token\" of Secret vault cannot be sent as header x-vault-token") && !transient,
            "{message}"
        );
        assert!(!message.contains("s.tok"), "{message}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_its_credential_a_request_is_not_sent() {
    let server = Server::start(|_| text("never")).await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    setup.safe.values.lock().unwrap().clear();
    let error = sandbox
        .exchanges(json!({ "exchanges": [get("http", &host, "/")] }))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Identity { message, .. } if message.contains("does not exist")),
        "{error:?}"
    );
    assert_eq!(server.connections(), 0);
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn requests_that_are_signed_for_aws_get_no_header() {
    let server = Server::start(|_| text("{}")).await;
    let mut setup = vault(Setup::new(&[]))
        .private(PrivateAddresses::AwsVpc)
        .aws(&["GetSecretValue"]);
    setup.endpoints = setup
        .endpoints
        .with("secretsmanager", &format!("http://{}", server.address))
        .unwrap();
    // Even where the header's own hosts name the endpoint.
    setup.safe.put(secret("b", "c"), "for-aws");
    let hosts = ["secretsmanager.eu-west-1.amazonaws.com"];
    setup = setup.header(header("x-for-aws", "", secret("b", "c"), &hosts));
    setup.grant.hosts.push(hosts[0].parse().unwrap());
    let sandbox = setup.sandbox().await;
    sandbox.exchange(get_secret_value("db")).await;
    let seen = &server.seen()[0];
    assert!(seen.header("authorization").unwrap().contains("AKIAHOST"));
    assert_eq!((seen.header("x-vault-token"), seen.header("x-for-aws")), (None, None));
    assert_eq!(setup.safe.asked(), 0);
}

#[tokio::test]
async fn a_redirect_takes_the_header_nowhere() {
    let evil = Server::start(|_| text("never")).await;
    let target = format!("http://{}/", evil.at("evil.example"));
    let server = Server::start(move |_| {
        let mut answer = text("");
        *answer.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
        answer
            .headers_mut()
            .insert("location", HeaderValue::from_str(&target).unwrap());
        answer
    })
    .await;
    let (host, setup) = good(&server);
    let setup = setup.name("evil.example", evil.address);
    assert_eq!(
        setup.sandbox().await.exchange(get("http", &host, "/")).await["status"],
        307
    );
    assert_eq!(evil.connections(), 0);
}

/// A store that shows its callers what they sent.
async fn echo() -> Server {
    Server::start(|seen| {
        let sent = seen.header("x-vault-token").unwrap_or("none").to_owned();
        let mut answer = text(format!("{{\"you sent\":\"{sent}\"}}"));
        answer
            .headers_mut()
            .insert("x-echo", HeaderValue::from_str(&format!("token {sent}")).unwrap());
        answer
    })
    .await
}

#[tokio::test]
async fn an_echoed_credential_is_in_no_header_and_in_no_log() {
    let server = echo().await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    let (log, _guard) = Log::catch();
    let told = json!({"do": "http", "tell": true, "exchanges": [get("http", &host, "/")]});
    assert_eq!(sandbox.says(told).await, "told");
    let everything = log.everything();
    assert!(
        everything.contains("x-echo") && everything.contains("you sent"),
        "{everything}"
    );
    assert!(!everything.contains("s.token"), "{everything}");
    let unread = with(get("http", &host, "/"), json!({"unread": true}));
    let answer = sandbox.exchange(unread).await;
    assert!(
        answer["headers"]
            .as_array()
            .unwrap()
            .contains(&json!(["x-echo", "***"])),
        "{answer}"
    );
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn an_echoed_credential_is_no_value_of_any_object() {
    let server = echo().await;
    let (host, setup) = good(&server);
    let sandbox = setup.sandbox().await;
    let error = sandbox
        .exchanges(json!({ "exchanges": [get("http", &host, "/")] }))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Protocol(why) if why.contains("repeats a credential")),
        "{error:?}"
    );
    assert!(!error.to_string().contains("s.token"));
    sandbox.assert_unharmed().await;
}

#[tokio::test]
async fn headers_that_cannot_be_the_hosts_make_no_plugin() {
    for name in ["host", "connection", "content-length"] {
        let setup = Setup::new(&[]).header(header(name, "", secret("a", "b"), &[]));
        let engine = crate::guest::engine();
        let component = crate::guest::component(&engine);
        let loaded = Plugin::load(
            &engine,
            component,
            crate::guest::id(),
            setup.grant.clone(),
            crate::guest::ports(),
        )
        .await;
        let error = loaded.err().unwrap().to_string();
        assert!(error.contains(&format!("header {name}: ")), "{error}");
    }
}

/// Everything that a plugin can see: its whole memory after requests that got a signature, a header and a token.
#[tokio::test]
async fn a_guest_that_dumps_its_memory_has_no_credential_in_it() {
    let server = Server::start(|_| text("{\"SecretString\":\"the value itself\"}")).await;
    let (host, setup) = good(&server);
    let mut setup = setup.aws(&["GetSecretValue"]);
    setup.endpoints = setup
        .endpoints
        .with("secretsmanager", &format!("http://{}", server.address))
        .unwrap();
    setup.safe.put(token("as-header"), "eyJ.never-seen-by-the-guest");
    setup.safe.put(token("handed"), "eyJ.handed-to-the-guest");
    setup = setup.header(header("x-account", "Bearer ", token("as-header"), &[]));
    let exchanges = json!({"do": "dump", "exchanges": [get("http", &host, "/"), get_secret_value("db")]});
    let secrets = ["s.token-of-the-operator", "eyJ.never-seen", "host-secret", "AKIAHOST"];
    for handed in [false, true] {
        setup.grant.token = handed.then(|| "handed".into());
        let sandbox = setup.sandbox().await;
        let memory = sandbox.dump(exchanges.clone()).await;
        let holds = |text: &str| memory.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("the value itself"), "the dump has what the guest got");
        for secret in secrets {
            assert!(!holds(secret), "{secret}");
        }
        assert_eq!(holds("eyJ.handed-to-the-guest"), handed);
        sandbox.assert_unharmed().await;
    }
    let seen = server.seen();
    assert!(
        seen.iter()
            .any(|seen| seen.header("x-account") == Some("Bearer eyJ.never-seen-by-the-guest"))
    );
    assert!(seen.iter().any(|seen| {
        seen.header("authorization")
            .is_some_and(|sent| sent.contains("AKIAHOST"))
    }));
}

impl crate::guest::Sandbox {
    /// The memory of the guest.
    async fn dump(&self, settings: Json) -> Vec<u8> {
        use keyhole_core::request::JsonText;
        use keyhole_core::{Outcome, Request, Selector};

        let mut call = call(settings);
        call.region = Some(super::setup::REGION.into());
        let everything = keyhole_sandbox::PlannedRequest {
            request: Request {
                selector: Selector::Prefix {
                    path: "/".into(),
                    recursive: true,
                },
                options: JsonText::default(),
            },
            known_version: None,
        };
        let outcomes = self.plugin.fetch(&call, &[everything]).await.unwrap();
        let Outcome::Values(parts) = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        parts
            .iter()
            .flat_map(|part| part.value.bytes.expose().to_vec())
            .collect()
    }
}
