//! Digests, tags, logins, authorities and the cache.

use std::fs;

use keyhole_plugins::{Demands, Digest, Sources};
use keyhole_test_harness::{Registry, RegistryConfig};

use crate::world::{World, at, component, docker_config, open, reason};

#[tokio::test]
async fn a_pinned_plugin_comes_as_it_was_pushed() {
    let world = open().await;
    let digest = world.push("1", &component("pinned")).await;
    for which in [at(&digest), format!(":1@{digest}"), format!(":gone@{digest}")] {
        let obtained = world.pull(&which).await.unwrap();
        assert_eq!(*obtained.component, component("pinned"));
        assert_eq!(*obtained.digest, *Digest::of(&component("pinned")).as_str());
        let resolved = format!("{}/acme/store@{digest}", world.registry.host());
        assert_eq!(obtained.resolved, Some(resolved));
    }
}

#[tokio::test]
async fn the_digest_of_the_component_can_be_demanded_too() {
    let world = open().await;
    let digest = world.push("1", &component("x")).await;
    let demand = |digest| Demands {
        digest: Some(digest),
        keys: Vec::new(),
    };
    let right = demand(Digest::of(&component("x")));
    assert!(world.obtain(&at(&digest), &right).await.is_ok());
    let wrong = demand(Digest::of(&component("y")));
    assert_eq!(reason(world.obtain(&at(&digest), &wrong).await), "DigestMismatch");
}

#[tokio::test]
async fn a_tag_is_refused_before_the_registry_is_asked() {
    let mut world = open().await;
    world.push("1", &component("tagged")).await;
    world.registry.stop();
    let refused = world.pull(":1").await.unwrap_err();
    assert_eq!(refused.reason(), "TagRefused");
    assert!(refused.to_string().contains("--allow-plugin-tags"));
}

#[tokio::test]
async fn an_allowed_tag_is_resolved_anew_each_time() {
    let mut world = open().await;
    world.allow_tags();
    for name in ["first", "second"] {
        let digest = world.push("1", &component(name)).await;
        let obtained = world.pull(":1").await.unwrap();
        assert_eq!(*obtained.component, component(name));
        assert!(obtained.resolved.unwrap().ends_with(digest.as_str()));
    }
}

#[tokio::test]
async fn a_tag_serves_what_it_last_was_while_the_registry_is_down() {
    let mut world = open().await;
    world.allow_tags();
    world.push("1", &component("last")).await;
    world.pull(":1").await.unwrap();
    world.registry.stop();
    assert_eq!(*world.pull(":1").await.unwrap().component, component("last"));
    assert_eq!(reason(world.pull(":2").await), "SourceUnreachable");
    world.registry.restart().await.unwrap();
    world.push("1", &component("next")).await;
    assert_eq!(*world.pull(":1").await.unwrap().component, component("next"));
}

#[tokio::test]
async fn a_pinned_plugin_that_is_kept_needs_no_registry_and_no_pull_secret() {
    let mut world = World::start(RegistryConfig { login: true, tls: true }).await;
    let digest = world.push("1", &component("kept")).await;
    let login = docker_config(&world.registry.host(), Registry::USER, Registry::PASSWORD);
    world.with_pull_secrets(&[("pull", login)]);
    world.pull(&at(&digest)).await.unwrap();
    world.registry.stop();
    world.sources.cluster = None;
    assert_eq!(*world.pull(&at(&digest)).await.unwrap().component, component("kept"));
}

#[tokio::test]
async fn without_the_cache_a_registry_that_is_down_is_a_transient_failure() {
    let mut world = open().await;
    let digest = world.push("1", &component("x")).await;
    world.sources.cache = None;
    world.pull(&at(&digest)).await.unwrap();
    world.registry.stop();
    let error = world.pull(&at(&digest)).await.unwrap_err();
    assert_eq!(error.reason(), "SourceUnreachable");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_kept_file_that_was_changed_is_fetched_again_and_never_used() {
    let mut world = open().await;
    let digest = world.push("1", &component("true")).await;
    world.pull(&at(&digest)).await.unwrap();
    let folder = world.sources.cache.clone().unwrap();
    let change = || {
        for entry in fs::read_dir(&folder).unwrap() {
            fs::write(entry.unwrap().path(), component("false")).unwrap();
        }
    };
    change();
    assert_eq!(*world.pull(&at(&digest)).await.unwrap().component, component("true"));
    change();
    world.registry.stop();
    assert_eq!(reason(world.pull(&at(&digest)).await), "SourceUnreachable");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let world = open().await;
    world.push("1", &component("x")).await;
    let missing = Digest::of(b"missing");
    assert_eq!(reason(world.pull(&at(&missing)).await), "SourceNotFound");
}

#[tokio::test]
async fn a_component_that_was_changed_in_the_registry_is_refused() {
    let world = open().await;
    let digest = world.push("1", &component("true")).await;
    let stored = world.registry.stored(Digest::of(&component("true")).as_str());
    fs::write(&stored, component("evil")).unwrap();
    assert_eq!(reason(world.pull(&at(&digest)).await), "DigestMismatch");
    fs::write(&stored, component("something longer than that")).unwrap();
    assert_eq!(reason(world.pull(&at(&digest)).await), "TooLarge");
}

#[tokio::test]
async fn a_manifest_that_was_changed_in_the_registry_is_refused() {
    let world = open().await;
    let digest = world.push("1", &component("true")).await;
    let other = world.push("2", &component("evil")).await;
    fs::copy(
        world.registry.stored(other.as_str()),
        world.registry.stored(digest.as_str()),
    )
    .unwrap();
    assert_eq!(reason(world.pull(&at(&digest)).await), "DigestMismatch");
}

#[tokio::test]
async fn a_registry_with_a_login_takes_the_pull_secret_and_nothing_else() {
    let mut world = World::start(RegistryConfig {
        login: true,
        tls: false,
    })
    .await;
    let digest = world.push("1", &component("private")).await;
    let host = world.registry.host();
    world.with_pull_secrets(&[
        ("pull", docker_config(&host, Registry::USER, "another password")),
        (
            "elsewhere",
            docker_config("ghcr.io", Registry::USER, Registry::PASSWORD),
        ),
        ("broken", "{".to_owned()),
        (
            "right",
            docker_config(&format!("{host}/acme"), Registry::USER, Registry::PASSWORD),
        ),
    ]);
    let with = |secret: Option<&str>| {
        let mut image = world.image(&at(&digest));
        image.pull_secret = secret.map(Into::into);
        keyhole_plugins::Source::Oci(Box::new(image))
    };
    for (secret, expected) in [
        (Some("pull"), "SourceDenied"),
        (None, "SourceDenied"),
        (Some("elsewhere"), "InvalidPullSecret"),
        (Some("broken"), "InvalidPullSecret"),
        (Some("absent"), "InvalidPullSecret"),
    ] {
        let error = world
            .sources
            .obtain(&with(secret), &Demands::default())
            .await
            .unwrap_err();
        assert_eq!(error.reason(), expected, "{secret:?}");
        assert!(!error.to_string().contains("password"), "{error}");
    }
    let obtained = world
        .sources
        .obtain(&with(Some("right")), &Demands::default())
        .await
        .unwrap();
    assert_eq!(*obtained.component, component("private"));
}

#[tokio::test]
async fn the_registrys_authority_has_to_be_named() {
    let world = World::start(RegistryConfig {
        tls: true,
        login: false,
    })
    .await;
    let digest = world.push("1", &component("tls")).await;
    assert!(world.pull(&at(&digest)).await.is_ok());
    let fresh = Sources::default();
    let with = |ca: Option<&str>, plain_http: bool| {
        let mut image = world.image(&at(&digest));
        image.ca_bundle = ca.map(|ca| ca.as_bytes().to_vec());
        image.plain_http = plain_http;
        keyhole_plugins::Source::Oci(Box::new(image))
    };
    for (source, expected) in [
        (with(None, false), "RegistryUntrusted"),
        (with(Some("no certificate"), false), "InvalidSource"),
        (with(None, true), "NotARegistry"),
    ] {
        assert_eq!(reason(fresh.obtain(&source, &Demands::default()).await), expected);
    }
}

#[tokio::test]
async fn plain_http_is_spoken_only_where_that_was_said() {
    let world = open().await;
    let digest = world.push("1", &component("plain")).await;
    let mut image = world.image(&at(&digest));
    image.plain_http = false;
    let source = keyhole_plugins::Source::Oci(Box::new(image));
    let error = Sources::default()
        .obtain(&source, &Demands::default())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "SourceUnreachable");
    assert!(error.to_string().contains("plainHttp"), "{error}");
}
