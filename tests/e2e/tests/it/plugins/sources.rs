//! Plugins from registries, signed with the real cosign, from `keyhole plugin push` to the Secret of an object.
//!
//! What each check refuses is tested beside the checks; here is told that a refusal arrives on the object, that
//! what served goes on, and that flags and Secrets reach the checks.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_harness::{Cosign, Manifest, Registry, RegistryConfig, Scratch, SignatureFormat, keyhole_binary};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use tokio::process::Command;

use super::roster::bench::{Bench, create, fresh, from_file, obliging, plugin_case, word};
use crate::case::Case;
use crate::search;
use crate::world::alone;

const REPOSITORY: &str = "acme/store";

/// Publishes a component as its author would. Returns the reference to pin.
async fn push(registry: &Registry, tag: &str, component: &[u8]) -> String {
    let folder = Scratch::new("push").unwrap();
    let file = folder.join("plugin.wasm");
    std::fs::write(&file, component).unwrap();
    let mut command = kit(registry, &folder, "push");
    command
        .arg(&file)
        .arg(format!("{}/{REPOSITORY}:{tag}", registry.host()));
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A command of the author's kit that asks the registry as its user.
fn kit(registry: &Registry, folder: &Scratch, what: &str) -> Command {
    let auth = BASE64_STANDARD.encode(format!("{}:{}", Registry::USER, Registry::PASSWORD));
    let config = json!({ "auths": { registry.host(): { "auth": auth } } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut command = Command::new(keyhole_binary().unwrap());
    command
        .args(["plugin", what])
        .arg("--docker-config")
        .arg(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if registry.authority().is_empty() {
        command.arg("--plain-http");
    } else {
        command.arg("--registry-ca").arg(registry.authority_file());
    }
    command
}

/// `REPOSITORY@DIGEST`, as cosign is told.
fn repository(pinned: &str) -> &str {
    pinned.split_once('/').unwrap().1
}

fn from_registry(image: &str, keys: &[&str]) -> Value {
    json!({
        "source": { "oci": { "image": image, "plainHttp": true } },
        "verify": { "cosignKeys": keys },
    })
}

/// The digest of the one layer of an image.
fn layer(registry: &Registry, pinned: &str) -> String {
    let digest = pinned.split_once('@').unwrap().1;
    let manifest: Value = serde_json::from_slice(&std::fs::read(registry.stored(digest)).unwrap()).unwrap();
    manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_plugin_that_was_pushed_and_signed_serves_and_what_was_not_is_told_on_the_object() {
    plugin_case(async |case, bench| {
        let registry = Registry::start(RegistryConfig::default()).await.unwrap();
        let cosign = Cosign::find().unwrap();
        let key = cosign.key("own").await.unwrap();
        let (name, said) = (fresh(case, "signed"), word(case, "signed"));
        let says = |said: &str| obliging(&json!({"types": [name], "says": said}));

        let signed = push(&registry, "1", &says(&said)).await;
        let spec = |image: &str| from_registry(image, &[&key.public]);
        bench.apply(&name, spec(&signed)).await;
        bench.expect_broken(&name, "SignatureMissing", &["cosign sign"]).await;
        let format = SignatureFormat::Bundle;
        cosign.sign(&key, &registry, repository(&signed), format).await.unwrap();
        // An edit has it looked at again at once.
        let mut edited = spec(&signed);
        edited["backendTypes"] = json!([name]);
        bench.apply(&name, edited).await;
        let status = bench.expect_serving(&name).await;
        assert_eq!(status["resolved"], signed.as_str());
        assert_eq!(status["signedBy"].as_str().map(str::len), Some(16), "{status}");
        create(case, "object", &name).await;
        case.expect_data("object", &[("value", &format!("{said} plain k"))])
            .await;

        // One after the other is refused for its own reason, and the last good one serves on.
        let unsigned = push(&registry, "2", &says("another word")).await;
        let tampered = push(&registry, "3", &says("one more word")).await;
        cosign
            .sign(&key, &registry, repository(&tampered), format)
            .await
            .unwrap();
        std::fs::write(registry.stored(&layer(&registry, &tampered)), says("one evil word")).unwrap();
        let tag = format!("{}/{REPOSITORY}:1", registry.host());
        for (image, reason) in [
            (&unsigned, "SignatureMissing"),
            (&tampered, "DigestMismatch"),
            (&tag, "TagRefused"),
        ] {
            bench.apply(&name, spec(image)).await;
            let status = bench.expect_broken(&name, reason, &["serves on"]).await;
            assert_eq!(status["backendTypes"], name.as_str(), "{reason}");
        }
        create(case, "later", &name).await;
        case.expect_data("later", &[("value", &format!("{said} plain k"))])
            .await;
    });
}

#[test]
fn an_author_verifies_what_the_operator_will() {
    plugin_case(async |case, _| {
        let registry = Registry::start(RegistryConfig {
            tls: true,
            login: false,
        })
        .await
        .unwrap();
        let cosign = Cosign::find().unwrap();
        let folder = Scratch::new("verify").unwrap();
        let (own, other) = (cosign.key("own").await.unwrap(), cosign.key("other").await.unwrap());
        for (name, key) in [("own.pub", &own), ("other.pub", &other)] {
            std::fs::write(folder.join(name), &key.public).unwrap();
        }
        let pinned = push(&registry, "1", &obliging(&json!({"types": [fresh(case, "verify")]}))).await;
        let verify = async |reference: &str, keys: &[&str]| {
            let mut command = kit(&registry, &folder, "verify");
            command.args([reference, "--json"]);
            for key in keys {
                command.arg("--key").arg(folder.join(key));
            }
            let output = command.output().await.unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            match output.status.success() {
                true => Ok(serde_json::from_str::<Value>(&text(output.stdout)).unwrap()),
                false => Err(text(output.stderr)),
            }
        };
        let unsigned = verify(&pinned, &["own.pub"]).await.unwrap_err();
        assert!(unsigned.contains("cosign sign"), "{unsigned}");

        let image = repository(&pinned);
        let format = SignatureFormat::Bundle;
        cosign.sign(&own, &registry, image, format).await.unwrap();
        let tag = format!("{}/{REPOSITORY}:1", registry.host());
        for reference in [&pinned, &tag] {
            let verified = verify(reference, &["other.pub", "own.pub"]).await.unwrap();
            assert_eq!(verified["resolved"], pinned.as_str(), "{reference}");
            assert_eq!(verified["component"], layer(&registry, &pinned), "{reference}");
            assert_eq!(verified["signedBy"].as_str().map(str::len), Some(16), "{verified}");
        }
        let strange = verify(&pinned, &["other.pub"]).await.unwrap_err();
        assert!(strange.contains("not signed with"), "{strange}");
    });
}

#[test]
fn a_private_registry_takes_the_pull_secret_of_the_operators_namespace() {
    plugin_case(async |case, bench| {
        let registry = Registry::start(RegistryConfig { tls: true, login: true })
            .await
            .unwrap();
        let name = fresh(case, "private");
        let pinned = push(&registry, "1", &obliging(&json!({"types": [name]}))).await;
        let spec = |secret: Option<&str>, authority: Option<&str>| {
            let mut oci = json!({ "image": pinned });
            for (field, value) in [("pullSecret", secret), ("caBundle", authority)] {
                if let Some(value) = value {
                    oci[field] = json!(value);
                }
            }
            json!({ "source": { "oci": oci } })
        };
        let authority = Some(registry.authority());
        bench.apply(&name, spec(None, None)).await;
        bench.expect_broken(&name, "RegistryUntrusted", &["caBundle"]).await;
        bench.apply(&name, spec(None, authority)).await;
        bench.expect_broken(&name, "SourceDenied", &["pullSecret"]).await;
        bench.apply(&name, spec(Some(&name), authority)).await;
        bench
            .expect_broken(&name, "InvalidPullSecret", &["does not exist"])
            .await;

        pull_secret(case, bench, &name, &registry).await;
        let mut edited = spec(Some(&name), authority);
        edited["backendTypes"] = json!([name]);
        bench.apply(&name, edited).await;
        bench.expect_serving(&name).await;
    });
}

async fn pull_secret(case: &Case, bench: &Bench, name: &str, registry: &Registry) {
    let auth = BASE64_STANDARD.encode(format!("{}:{}", Registry::USER, Registry::PASSWORD));
    case.search_for(&auth.clone().into());
    case.search_for(&Registry::PASSWORD.to_owned().into());
    let config = json!({ "auths": { registry.host(): { "auth": auth } } }).to_string();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": config },
    }))
    .unwrap();
    let secrets: Api<Secret> = Api::namespaced(bench.world.plane.admin(), &bench.world.installed.namespace);
    secrets.create(&PostParams::default(), &secret).await.unwrap();
}

/// Has cosign sign a file outside of the plugin folder, and returns what it wrote beside it.
async fn bundle(cosign: &Cosign, key: &keyhole_test_harness::CosignKey, component: &[u8]) -> Vec<u8> {
    let folder = Scratch::new("sign").unwrap();
    let file = folder.join("plugin.wasm");
    std::fs::write(&file, component).unwrap();
    let written = cosign.sign_blob(key, &file).await.unwrap();
    std::fs::read::<&Path>(written.as_ref()).unwrap()
}

#[test]
fn an_operator_with_a_key_takes_only_what_that_key_signed() {
    alone(async || {
        let cosign = Cosign::find().unwrap();
        let (key, other) = (cosign.key("own").await.unwrap(), cosign.key("other").await.unwrap());
        let folder = Scratch::new("keys").unwrap();
        let file = folder.join("cosign.pub");
        std::fs::write(&file, &key.public).unwrap();
        let bench = Bench::start_with(Manifest::Install, |config| {
            config
                .env("KEYHOLE_PLUGIN_KEYS", file.display().to_string())
                .env("KEYHOLE_SIGNED_PLUGINS_ONLY", "true")
        });
        let bench = bench.await;
        let case = &Case::open(&bench.world, None).await;

        let name = fresh(case, "policy");
        let component = obliging(&json!({"types": [name]}));
        bench.write(&name, &component);
        bench.apply(&name, from_file(&name)).await;
        bench
            .expect_broken(&name, "SignatureMissing", &["cosign sign-blob"])
            .await;
        let beside = format!("{name}.sigstore.json");
        bench.write(&beside, &bundle(&cosign, &other, &component).await);
        bench
            .expect_broken(&name, "SignedByAnotherKey", &["not signed with"])
            .await;

        // Who may write an object cannot bring his own key.
        let mut own = from_file(&name);
        own["verify"] = json!({ "cosignKeys": [other.public] });
        bench.apply(&name, own).await;
        bench.expect_broken(&name, "KeysOutsidePolicy", &["--plugin-key"]).await;

        bench.write(&beside, &bundle(&cosign, &key, &component).await);
        bench.apply(&name, from_file(&name)).await;
        bench.expect_serving(&name).await;
        search::nothing_leaked(&bench.world).await;
    });
}
