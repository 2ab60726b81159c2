//! The manifests in `docs/examples/kes`, applied as they are, give the Secrets that stand beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use keyhole_test_aws::{Content, ParameterType};
use keyhole_test_harness::{Host, apply, eventually};
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::case::{Case, PATIENCE};
use crate::world::{INTERVAL, case};

/// The `controllerId` that one of the examples has.
const OPERATORS: &str = "ledger-operators";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/kes"))
}

/// The documents in a file of the folder.
fn documents(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The names of all examples.
fn examples() -> BTreeSet<String> {
    let (mut manifests, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".yaml") else {
            continue;
        };
        match name.strip_suffix(".secret") {
            Some(example) => secrets.insert(example.to_owned()),
            None if name == "store" => false,
            None => manifests.insert(name.to_owned()),
        };
    }
    assert_eq!(manifests, secrets, "each manifest has its Secret beside it");
    assert!(manifests.len() >= 12, "{manifests:?}");
    manifests
}

/// Manifest and Secret of every object of a backend, by name.
fn objects(backend: &str) -> BTreeMap<String, (Value, Value)> {
    let mut objects = BTreeMap::new();
    for example in examples() {
        let manifests = documents(&format!("{example}.yaml"));
        let secrets = documents(&format!("{example}.secret.yaml"));
        assert_eq!(manifests.len(), secrets.len(), "{example}");
        for (manifest, secret) in manifests.into_iter().zip(secrets) {
            let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
            if manifest["spec"]["backendType"] == backend {
                assert!(
                    objects.insert(name.clone(), (manifest, secret)).is_none(),
                    "{name} twice"
                );
            }
        }
    }
    objects
}

/// What a section of the seed file says. Each is put into AWS by one test alone: putting it there again would
/// rotate what another test is looking at.
fn seed(section: &str) -> Vec<Value> {
    let stores = documents("store.yaml");
    let [store] = &stores[..] else { panic!("one document") };
    store[section].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn seed_secrets(case: &Case) {
    for secret in seed("secretsManager") {
        let (region, name) = (text(&secret["region"]), text(&secret["name"]));
        for version in secret["versions"].as_array().unwrap() {
            let content = match version.get("base64") {
                Some(encoded) => Content::Bytes(STANDARD.decode(text(encoded)).unwrap()),
                None => Content::Text(text(&version["text"])),
            };
            case.search_for(&content);
            match version.get("id") {
                Some(id) => case.world.aws.set_secret_version(&region, &name, content, &text(id)),
                None => drop(case.world.aws.set_secret(&region, &name, content)),
            }
        }
    }
}

fn seed_parameters(case: &Case) {
    for parameter in seed("systemManager") {
        let value = text(&parameter["value"]);
        let kind: ParameterType = serde_json::from_value(parameter["type"].clone()).unwrap();
        case.search_for(&value.clone().into());
        let (region, name) = (text(&parameter["region"]), text(&parameter["name"]));
        case.world.aws.set_parameter_as(&region, &name, kind, value);
    }
}

/// The Secret as the files show it.
fn shown(secret: &Secret) -> Value {
    let owners: Vec<_> = secret
        .owner_references()
        .iter()
        .map(|owner| {
            json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "controller": owner.controller})
        })
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name_any(),
            "labels": secret.labels(),
            "annotations": secret.annotations(),
            "ownerReferences": owners,
        },
        "type": secret.type_,
        "data": secret.data,
    })
}

async fn apply_and_compare(case: &Case, objects: BTreeMap<String, (Value, Value)>) {
    for (manifest, _) in objects.values() {
        let mut object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
        object.metadata.namespace = Some(case.namespace.clone());
        apply(&case.client, &object).await.unwrap();
    }
    for (name, (_, wanted)) in &objects {
        let what = format!("the Secret of {name}");
        let found = eventually(PATIENCE, &what, async || {
            case.secrets()
                .get_opt(name)
                .await
                .map_err(|error| error.to_string())?
                .ok_or_else(|| "there is none".to_owned())
        });
        let found = match found.await {
            Ok(secret) => shown(&secret),
            Err(error) => panic!("{error}; {:?}", case.objects().get(name).await.unwrap().data["status"]),
        };
        assert_eq!(found, *wanted, "{name}");
        case.expect_success(name).await;
    }
}

#[test]
fn every_example_of_secrets_manager_gives_the_secret_beside_it() {
    case(async |case| {
        seed_secrets(case);
        let mut host = Host::start(case.own_host(OPERATORS).interval(INTERVAL)).await.unwrap();
        apply_and_compare(case, objects("secretsManager")).await;
        let ended = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(ended.success(), "{ended}");
        case.keep_log(host.log());
    });
}

#[test]
fn every_example_of_parameter_store_gives_the_secret_beside_it() {
    case(async |case| {
        seed_parameters(case);
        apply_and_compare(case, objects("systemManager")).await;
    });
}
