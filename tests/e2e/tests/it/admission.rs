//! What the API server itself admits and refuses: the CustomResourceDefinition, judged by the real thing.
//!
//! Everything is a dry run, so the host sees none of it.

use http::Request;
use serde_json::{Value, json};

use crate::case::Case;
use crate::world::case;

/// The answer of the API server to an object with these members; `Err` is its message.
pub async fn apply(case: &Case, members: Value) -> Result<Value, String> {
    let mut object = json!({
        "apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": { "name": "tried" },
    });
    for (name, value) in members.as_object().unwrap() {
        object[name] = value.clone();
    }
    let path = format!(
        "/apis/kubernetes-client.io/v1/namespaces/{}/externalsecrets?dryRun=All&fieldValidation=Ignore",
        case.namespace
    );
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(&object).unwrap()).unwrap();
    case.client.request(request).await.map_err(|error| error.to_string())
}

async fn admitted(case: &Case, spec: Value) -> Value {
    let answer = apply(case, json!({ "spec": spec })).await;
    answer.unwrap_or_else(|refusal| panic!("{spec}: {refusal}"))["spec"].clone()
}

pub async fn refused(case: &Case, spec: Value) -> String {
    match apply(case, json!({ "spec": spec })).await {
        Ok(_) => panic!("{spec} was admitted"),
        Err(refusal) => refusal,
    }
}

#[test]
fn manifests_of_kes_are_admitted_unchanged() {
    case(async |case| {
        for spec in [
            json!({ "backendType": "secretsManager", "data": [{ "key": "k", "name": "n", "property": "", "isBinary": true }] }),
            json!({ "backendType": "secretsManager", "data": [{ "key": "k", "name": "n", "versionStage": "s", "versionId": "i" }], "roleArn": "", "region": "r" }),
            json!({ "backendType": "secretsManager", "data": [] }),
            json!({ "backendType": "secretsManager", "dataFrom": ["k"], "controllerId": "c", "type": "kubernetes.io/tls" }),
            json!({ "backendType": "secretsManager", "dataFromWithOptions": [{ "key": "k", "isBinary": true, "versionId": "i" }] }),
            json!({ "backendType": "systemManager", "data": [{ "path": "/p", "recursive": true }, { "path": "/p", "key": "k" }] }),
            json!({ "backendType": "vault", "dataFrom": ["k"], "kvVersion": 1, "vaultRole": "r", "vaultMountPoint": "m" }),
            json!({ "backendType": "azureKeyVault", "dataFrom": ["k"], "keyVaultName": "v" }),
            json!({ "backendType": "gcpSecretsManager", "data": [{ "key": "k", "name": "n", "version": 3 }], "projectId": "p" }),
            json!({ "backendType": "gcpSecretsManager", "data": [{ "key": "k", "name": "n", "version": "latest" }] }),
            json!({ "backendType": "ibmcloudSecretsManager", "data": [{ "key": "k", "name": "n", "secretType": "arbitrary" }], "keyByName": true }),
            json!({ "backendType": "akeyless", "dataFrom": ["k"], "template": { "metadata": { "labels": { "a": "<%= 1 %>" } }, "any": [{ "thing": null }] } }),
        ] {
            assert_eq!(admitted(case, spec.clone()).await, spec);
        }
    });
}

#[test]
fn additions_are_admitted_unchanged_and_so_is_a_backend_that_nobody_lists() {
    case(async |case| {
        let spec = json!({
            "backendType": "ours", "refreshInterval": "1h", "config": { "a": { "b": [1, { "c": null }] } },
            "data": [{ "key": "k", "name": "n", "options": { "x": 1.5 } }],
            "dataFromWithOptions": [{ "key": "k", "options": { "x": "y" } }],
            "target": { "creationPolicy": "Merge", "onImmutable": "Recreate" },
            "rollout": [{ "kind": "Deployment", "name": "d" }, { "kind": "DaemonSet", "selector": { "matchLabels": { "a": "b" } } }],
            "serviceAccountName": "s",
        });
        assert_eq!(admitted(case, spec.clone()).await, spec);
        let zero = json!({ "backendType": "ours", "dataFrom": ["k"], "refreshInterval": 0 });
        assert_eq!(admitted(case, zero.clone()).await, zero);
    });
}

#[test]
fn null_is_dropped_as_it_was() {
    case(async |case| {
        let spec = json!({ "backendType": "vault", "dataFrom": ["k"], "roleArn": null, "data": null, "target": { "onImmutable": null } });
        let stored = json!({ "backendType": "vault", "dataFrom": ["k"], "target": {} });
        assert_eq!(admitted(case, spec).await, stored);
    });
}

#[test]
fn additions_of_the_wrong_kind_are_refused() {
    case(async |case| {
        for (name, value) in [
            ("refreshInterval", json!(true)),
            ("config", json!("x")),
            ("target", json!({ "creationPolicy": "owner" })),
            ("rollout", json!([{ "kind": "Deployment" }])),
            (
                "rollout",
                json!([{ "kind": "Deployment", "name": "a", "selector": { "matchLabels": {} } }]),
            ),
            ("rollout", json!([{ "kind": "Pod", "name": "a" }])),
        ] {
            let mut spec = json!({ "backendType": "ours", "dataFrom": ["k"] });
            spec[name] = value;
            let refusal = refused(case, spec).await;
            assert!(refusal.contains(&format!("spec.{name}")), "{refusal}");
        }
    });
}
