//! Registries of other makes, and hostile ones, played by a script: tokens, referrers, answers without end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyhole_plugins::oci::{CONFIG_MEDIA_TYPE, Credentials, OciImage, Push, WASM_MEDIA_TYPE, push};
use keyhole_plugins::{Demands, Digest, Policy, Source, SourceError, Sources};
use keyhole_test_harness::Cosign;
use serde_json::json;

use crate::script::{Reply, Server, not_found, ok, reply};
use crate::world::{PullSecrets, component, docker_config, reason, signed_by};

const COMPONENT: &str = "plugin of a script";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A component that is text, as the script's answers are.
fn body() -> String {
    String::from_utf8(component(COMPONENT)).unwrap()
}

fn manifest() -> String {
    let body = body();
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": CONFIG_MEDIA_TYPE, "digest": Digest::of(b"{}").as_str(), "size": 2},
        "layers": [{"mediaType": WASM_MEDIA_TYPE, "digest": Digest::of(body.as_bytes()).as_str(), "size": body.len()}],
    })
    .to_string()
}

fn digest() -> Digest {
    Digest::of(manifest().as_bytes())
}

/// What a registry says that does nothing wrong.
fn well_behaved(request: &str) -> Reply {
    let path = request.split(' ').nth(1).unwrap_or_default();
    if path.ends_with(&format!("/manifests/{}", digest())) || path.ends_with("/manifests/1") {
        ok(&manifest())
    } else if path.ends_with(&format!("/blobs/{}", Digest::of(body().as_bytes()))) {
        ok(&body())
    } else {
        not_found()
    }
}

fn image(server: &Server) -> OciImage {
    OciImage {
        reference: format!("{}/acme/store@{}", server.address, digest()).parse().unwrap(),
        pull_secret: None,
        ca_bundle: None,
        plain_http: true,
    }
}

/// With what a pull secret says of this server.
async fn obtain_with(server: &Server, entry: &serde_json::Value) -> Result<(), SourceError> {
    let config = json!({"auths": {server.address.to_string(): entry}}).to_string();
    let sources = Sources {
        cluster: Some(Arc::new(PullSecrets([("pull".to_owned(), config)].into()))),
        ..Sources::default()
    };
    let image = OciImage {
        pull_secret: Some("pull".into()),
        ..image(server)
    };
    obtain(&sources, image).await
}

async fn obtain(sources: &Sources, image: OciImage) -> Result<(), SourceError> {
    let source = Source::Oci(Box::new(image));
    sources.obtain(&source, &Demands::default()).await.map(|obtained| {
        assert_eq!(*obtained.component, *body().as_bytes());
    })
}

fn has(request: &str, header: &str) -> bool {
    request.lines().any(|line| line.eq_ignore_ascii_case(header))
}

fn challenge(request: &str, realm: &str) -> Reply {
    let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let challenge =
        format!("www-authenticate: Bearer realm=\"http://{host}{realm}\",service=\"a service\",scope=\"x\"\r\n");
    reply("401 Unauthorized", &challenge, "")
}

#[tokio::test]
async fn a_public_plugin_is_had_with_a_token_that_anybody_gets() {
    let server = Server::start(|request, _| {
        if request.starts_with("GET /token?") {
            return ok(r#"{"token": "for anybody"}"#);
        }
        if has(request, "authorization: Bearer for anybody") {
            return well_behaved(request);
        }
        challenge(request, "/token?own=1")
    })
    .await;
    obtain(&Sources::default(), image(&server)).await.unwrap();
    let asked = server.asked();
    let token = asked.iter().find(|request| request.starts_with("GET /token")).unwrap();
    assert!(
        token.starts_with("GET /token?own=1&scope=repository%3Aacme%2Fstore%3Apull&service=a+service "),
        "{token}"
    );
    assert!(!token.contains("authorization"));
    assert_eq!(asked.len(), 4, "one token serves for all: {asked:?}");
}

#[tokio::test]
async fn the_pull_secret_goes_to_the_token_service_and_only_the_token_to_the_registry() {
    let server = Server::start(|request, _| {
        if request.starts_with("GET /token?") {
            let basic = BASE64_STANDARD.encode("user:pass");
            assert!(has(request, &format!("authorization: Basic {basic}")), "{request}");
            return ok(r#"{"access_token": "short"}"#);
        }
        if has(request, "authorization: Bearer short") {
            return well_behaved(request);
        }
        assert!(!request.contains("authorization"));
        challenge(request, "/token")
    })
    .await;
    let secrets = [(
        "pull".to_owned(),
        docker_config(&server.address.to_string(), "user", "pass"),
    )];
    let sources = Sources {
        cluster: Some(Arc::new(PullSecrets(secrets.into()))),
        ..Sources::default()
    };
    let image = OciImage {
        pull_secret: Some("pull".into()),
        ..image(&server)
    };
    obtain(&sources, image).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_is_changed_into_a_token() {
    let server = Server::start(|request, _| {
        if request.starts_with("POST /token ") {
            assert!(request.contains("grant_type=refresh_token"), "{request}");
            assert!(request.contains("refresh_token=long+lived"), "{request}");
            return ok(r#"{"access_token": "short"}"#);
        }
        if has(request, "authorization: Bearer short") {
            return well_behaved(request);
        }
        challenge(request, "/token")
    })
    .await;
    obtain_with(&server, &json!({"identitytoken": "long lived"}))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_service_that_refuses_is_a_denial() {
    let server = Server::start(|request, _| {
        if request.starts_with("GET /token") {
            return reply("403 Forbidden", "", "no");
        }
        challenge(request, "/token")
    })
    .await;
    assert_eq!(
        obtain(&Sources::default(), image(&server)).await.unwrap_err().reason(),
        "SourceDenied"
    );
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_and_not_for_ever() {
    let server = Server::start(|request, number| match number {
        0 => reply("503 Service Unavailable", "", ""),
        1 => Reply::Hangup,
        _ => well_behaved(request),
    })
    .await;
    obtain(&Sources::default(), image(&server)).await.unwrap();
    let server = Server::start(|_, _| reply("429 Too Many Requests", "retry-after: 0\r\n", "")).await;
    let error = obtain(&Sources::default(), image(&server)).await.unwrap_err();
    assert_eq!(error.reason(), "SourceUnreachable");
    assert!(error.is_transient());
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn what_is_denied_or_missing_is_not_asked_for_again() {
    for (status, expected) in [
        ("404 Not Found", "SourceNotFound"),
        ("403 Forbidden", "SourceDenied"),
        ("418 I'm a teapot", "NotARegistry"),
    ] {
        let server = Server::start(move |_, _| reply(status, "", "")).await;
        let error = obtain(&Sources::default(), image(&server)).await.unwrap_err();
        assert_eq!(error.reason(), expected);
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn nothing_is_read_without_end() {
    let endless = [
        ("/manifests/", "TooLarge"),
        ("/blobs/", "TooLarge"),
        ("/token", "TooLarge"),
    ];
    for (path, expected) in endless {
        let server = Server::start(move |request, _| {
            if request.lines().next().unwrap_or_default().contains(path) {
                return Reply::Endless;
            }
            if path == "/token" {
                return challenge(request, "/token");
            }
            well_behaved(request)
        })
        .await;
        let started = Instant::now();
        let error = obtain(&Sources::default(), image(&server)).await.unwrap_err();
        assert_eq!(error.reason(), expected, "{path}");
        assert!(started.elapsed() < Duration::from_secs(60), "{path}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_registrys_credentials() {
    let store = Server::start(|request, _| {
        assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
        well_behaved(request)
    })
    .await;
    let to = store.address;
    let server = Server::start(move |request, _| {
        if request.starts_with("GET /token") {
            return ok(r#"{"token": "t"}"#);
        }
        if !has(request, "authorization: Bearer t") {
            return challenge(request, "/token");
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.contains("/blobs/") {
            return reply(
                "307 Temporary Redirect",
                &format!("location: http://{to}{path}\r\n"),
                "",
            );
        }
        well_behaved(request)
    })
    .await;
    obtain(&Sources::default(), image(&server)).await.unwrap();
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test]
async fn a_token_service_that_redirects_is_not_followed_and_no_credential_goes_elsewhere() {
    let refresh = json!({"identitytoken": "long-lived"});
    let basic = json!({"auth": BASE64_STANDARD.encode("user:long-lived")});
    for (status, entry) in [
        ("307 Temporary Redirect", &refresh),
        ("308 Permanent Redirect", &refresh),
        ("302 Found", &refresh),
        ("307 Temporary Redirect", &basic),
    ] {
        let thief = Server::start(|_, _| ok(r#"{"access_token": "short"}"#)).await;
        let to = thief.address;
        let server = Server::start(move |request, _| {
            if request.lines().next().unwrap_or_default().contains(" /token") {
                return reply(status, &format!("location: http://{to}/token\r\n"), "");
            }
            challenge(request, "/token")
        })
        .await;
        let error = obtain_with(&server, entry).await.unwrap_err();
        assert_eq!(error.reason(), "NotARegistry", "{status}");
        assert!(error.to_string().contains("follow no redirect"), "{error}");
        assert_eq!(thief.asked(), Vec::<String>::new(), "{status}");
    }
}

#[tokio::test]
async fn no_redirect_and_no_token_service_leads_from_tls_to_plain_http() {
    let plain = Server::start(|request, _| match request.starts_with("GET /token") {
        true => ok(r#"{"token": "t"}"#),
        false => well_behaved(request),
    })
    .await;
    let to = plain.address;
    for token in [false, true] {
        let answer = move |request: &str, _| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            if token {
                let challenge = format!("www-authenticate: Bearer realm=\"http://{to}/token\"\r\n");
                return reply("401 Unauthorized", &challenge, "");
            }
            reply(
                "307 Temporary Redirect",
                &format!("location: http://{to}{path}\r\n"),
                "",
            )
        };
        let (server, authority) = Server::start_tls(answer).await;
        let image = OciImage {
            ca_bundle: Some(authority.into_bytes()),
            plain_http: false,
            ..image(&server)
        };
        assert!(obtain(&Sources::default(), image).await.is_err());
        assert!(!server.asked().is_empty());
    }
    assert_eq!(plain.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_goes_on_elsewhere_takes_no_credentials_along() {
    let elsewhere = Server::start(|request, _| {
        assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
        reply("201 Created", "", "")
    })
    .await;
    let to = elsewhere.address;
    let server = Server::start(move |request, _| match request.split(' ').next() {
        _ if !request.contains("authorization: Basic") => {
            reply("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n", "")
        }
        Some("HEAD") => not_found(),
        Some("POST") => reply("202 Accepted", &format!("location: http://{to}/upload?state=1\r\n"), ""),
        _ => reply("201 Created", "", ""),
    })
    .await;
    let image = OciImage {
        reference: format!("{}/acme/store:1", server.address).parse().unwrap(),
        ..image(&server)
    };
    let pushed = push(Push {
        image: &image,
        component: component("x"),
        annotations: BTreeMap::new(),
        credentials: Some(Credentials::Basic {
            user: "user".into(),
            password: "pass".to_owned().into(),
        }),
        proxy: None,
    });
    pushed.await.unwrap();
    let uploads = elsewhere.asked();
    assert_eq!(uploads.len(), 2);
    assert!(
        uploads[0].starts_with("PUT /upload?state=1&digest=sha256%3A"),
        "{}",
        uploads[0]
    );
}

#[tokio::test]
async fn a_list_of_images_in_place_of_one_is_no_plugin() {
    let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let named = Digest::of(index.as_bytes());
    let server = Server::start(move |_, _| ok(&index)).await;
    let image = OciImage {
        reference: format!("{}/acme/store@{named}", server.address).parse().unwrap(),
        ..image(&server)
    };
    assert_eq!(
        obtain(&Sources::default(), image).await.unwrap_err().reason(),
        "NotAPlugin"
    );
}

#[tokio::test]
async fn a_crowd_of_signatures_is_not_taken_into_memory() {
    let layer = json!({"mediaType": BUNDLE, "digest": Digest::of(b"{}").as_str(), "size": 2});
    let config =
        json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").as_str(), "size": 2});
    let crowd = json!({"schemaVersion": 2, "config": config, "layers": vec![layer; 20]}).to_string();
    let entry = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": BUNDLE,
        "digest": Digest::of(crowd.as_bytes()).as_str(), "size": crowd.len()});
    let index = json!({"schemaVersion": 2, "manifests": vec![entry; 100]}).to_string();
    let server = Server::start(move |request, _| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.contains("/referrers/") {
            ok(&index)
        } else if path.ends_with(&format!("/manifests/{}", Digest::of(crowd.as_bytes()))) {
            ok(&crowd)
        } else if path.ends_with(&format!("/blobs/{}", Digest::of(b"{}"))) {
            ok("{}")
        } else {
            well_behaved(request)
        }
    })
    .await;
    let key = Cosign::find().unwrap().key("own").await.unwrap();
    let source = Source::Oci(Box::new(image(&server)));
    let refused = Sources::default().obtain(&source, &signed_by(&[&key])).await;
    assert_eq!(reason(refused), "MalformedSignature");
    let blobs = server
        .asked()
        .iter()
        .filter(|request| request.contains("/blobs/"))
        .count();
    assert_eq!(blobs, 32);
}

#[tokio::test]
async fn a_registry_that_lists_referrers_is_asked_for_them() {
    let cosign = Cosign::find().unwrap();
    let (key, other) = (cosign.key("own").await.unwrap(), cosign.key("other").await.unwrap());
    // A bundle about this very manifest, by way of the registry that cosign can push to.
    let world = crate::world::open().await;
    let pushed = world.push("1", &component(COMPONENT)).await;
    let pinned = format!("{}@{pushed}", crate::world::REPOSITORY);
    let format = keyhole_test_harness::SignatureFormat::Bundle;
    cosign.sign(&key, &world.registry, &pinned, format).await.unwrap();
    let real = world.registry.host();
    let list = format!("/referrers/{pushed}");
    let fallback = format!("/manifests/sha256-{}", pushed.hex());
    let server = Server::start(move |request, _| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.ends_with(&fallback) {
            return not_found();
        }
        // The list is where the specification has it, everything else as it is.
        let path = if path.ends_with(&list) {
            path.replace(&list, &fallback)
        } else {
            path.to_owned()
        };
        reply(
            "307 Temporary Redirect",
            &format!("location: http://{real}{path}\r\n"),
            "",
        )
    })
    .await;
    let image = OciImage {
        reference: format!("{}/{pinned}", server.address).parse().unwrap(),
        ..image(&server)
    };
    let source = Source::Oci(Box::new(image));
    let sources = Sources::default();
    assert!(sources.obtain(&source, &signed_by(&[&key])).await.is_ok());
    assert_eq!(
        reason(sources.obtain(&source, &signed_by(&[&other])).await),
        "SignedByAnotherKey"
    );
    let policy = Policy {
        signed_only: true,
        ..Policy::default()
    };
    let sources = Sources {
        policy,
        ..Sources::default()
    };
    assert_eq!(
        reason(sources.obtain(&source, &Demands::default()).await),
        "SignatureDemanded"
    );
}
