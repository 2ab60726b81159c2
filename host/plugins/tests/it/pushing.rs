//! What `oci::push` publishes.

use std::collections::BTreeMap;

use keyhole_plugins::Digest;
use keyhole_plugins::oci::{Push, push, verify};
use keyhole_test_harness::{Cosign, SignatureFormat};

use crate::world::{REPOSITORY, at, component, open, public, reason};

#[tokio::test]
async fn the_same_component_makes_the_same_digest_and_its_config_says_what_it_is() {
    let world = open().await;
    let first = world.push("1", &component("x")).await;
    assert_eq!(world.push("2", &component("x")).await, first);
    let read = |digest: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(world.registry.stored(digest)).unwrap()).unwrap()
    };
    let manifest = read(first.as_str());
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    let config = read(manifest["config"]["digest"].as_str().unwrap());
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["layerDigests"][0], Digest::of(&component("x")).as_str());
}

#[tokio::test]
async fn annotations_are_published_and_change_the_digest() {
    let world = open().await;
    let plain = world.push("1", &component("x")).await;
    let image = world.image(":2");
    let annotations = BTreeMap::from([
        (
            "org.opencontainers.image.created".to_owned(),
            "2001-02-03T04:05:06Z".to_owned(),
        ),
        ("org.opencontainers.image.licenses".to_owned(), "Apache-2.0".to_owned()),
    ]);
    let pushed = push(Push {
        image: &image,
        component: component("x"),
        annotations,
        credentials: None,
        proxy: None,
    });
    let annotated = pushed.await.unwrap();
    assert_ne!(annotated, plain);
    let manifest = std::fs::read_to_string(world.registry.stored(annotated.as_str())).unwrap();
    assert!(manifest.contains("Apache-2.0"), "{manifest}");
}

#[tokio::test]
async fn what_is_no_component_is_not_published() {
    let mut world = open().await;
    world.allow_tags();
    let image = world.image(":1");
    for bytes in [b"text".as_slice(), b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0garbage"] {
        let pushed = push(Push {
            image: &image,
            component: bytes.to_vec(),
            annotations: BTreeMap::new(),
            credentials: None,
            proxy: None,
        });
        assert_eq!(pushed.await.unwrap_err().reason(), "NotAPlugin");
    }
    assert_eq!(reason(world.pull(":1").await), "SourceNotFound");
}

#[tokio::test]
async fn somebody_without_an_operator_can_verify_what_was_pushed_and_signed() {
    let world = open().await;
    let cosign = Cosign::find().unwrap();
    let key = cosign.key("own").await.unwrap();
    let digest = world.push("1", &component("x")).await;
    let image = world.image(":1");
    assert_eq!(
        verify(&image, None, None, &[public(&key)]).await.unwrap_err().reason(),
        "SignatureMissing"
    );
    let pinned = format!("{REPOSITORY}{}", at(&digest));
    cosign
        .sign(&key, &world.registry, &pinned, SignatureFormat::Bundle)
        .await
        .unwrap();
    let verified = verify(&image, None, None, &[public(&key)]).await.unwrap();
    assert_eq!(verified.component, Digest::of(&component("x")));
    assert!(verified.resolved.ends_with(&pinned));
    assert_eq!(verified.signed_by.as_deref(), Some(public(&key).fingerprint()));
}
