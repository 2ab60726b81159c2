//! The CustomResourceDefinition, as the API server has it.

use http::Request;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::admission::{apply, refused};
use crate::world::case;

#[test]
fn c1_the_crd_has_the_names_columns_and_marks_of_kes() {
    case(async |case| {
        let crds: Api<CustomResourceDefinition> = Api::all(case.client.clone());
        let crd = crds.get("externalsecrets.kubernetes-client.io").await.unwrap();
        assert_eq!(crd.annotations()["app.kubernetes.io/managed-by"], "helm");
        assert_eq!(crd.spec.group, "kubernetes-client.io");
        assert_eq!(crd.spec.scope, "Namespaced");
        assert_eq!(crd.spec.names.short_names.as_deref(), Some(&["es".to_owned()][..]));
        assert_eq!(crd.spec.names.singular.as_deref(), Some("externalsecret"));
        let [version] = &crd.spec.versions[..] else {
            panic!("one version")
        };
        assert_eq!((&*version.name, version.served, version.storage), ("v1", true, true));
        assert!(version.subresources.as_ref().unwrap().status.is_some());

        // What `kubectl get es` shows, from the API server itself.
        let path = format!(
            "/apis/kubernetes-client.io/v1/namespaces/{}/externalsecrets",
            case.namespace
        );
        let request = Request::get(path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
        let table: Value = case.client.request(request.body(Vec::new()).unwrap()).await.unwrap();
        let columns: Vec<(&str, &str)> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| column["priority"] == 0)
            .map(|column| (column["name"].as_str().unwrap(), column["type"].as_str().unwrap()))
            .collect();
        let wanted = [
            ("Name", "string"),
            ("Last Sync", "date"),
            ("status", "string"),
            ("Age", "date"),
        ];
        assert_eq!(columns, wanted);
    });
}

#[test]
fn c2_the_oldest_shape_is_refused() {
    case(async |case| {
        let oldest = json!({ "secretDescriptor": { "backendType": "secretManager", "properties": [] } });
        let refusal = apply(case, oldest).await.unwrap_err();
        assert!(refusal.contains("spec: Required value"), "{refusal}");
    });
}

#[test]
fn c3_an_entry_with_key_name_and_path_is_refused() {
    case(async |case| {
        for path in ["/p", ""] {
            let item = json!({ "key": "k", "name": "n", "path": path });
            let refusal = refused(case, json!({ "backendType": "systemManager", "data": [item] })).await;
            assert!(refusal.contains("spec.data[0]"), "{refusal}");
        }
    });
}

#[test]
fn c4_what_kes_refused_is_refused() {
    case(async |case| {
        let item = |item: Value| json!({ "backendType": "secretsManager", "data": [item] });
        let with = |name: &str, value: Value| {
            let mut spec = json!({ "backendType": "vault", "dataFrom": ["k"] });
            spec[name] = value;
            spec
        };
        for (spec, about) in [
            (json!({ "dataFrom": ["k"] }), "spec.backendType: Required value"),
            (with("backendType", json!("")), "spec.backendType"),
            (json!({ "backendType": "secretsManager" }), "spec.data: Required value"),
            (
                json!({ "backendType": "secretsManager", "data": null }),
                "spec.data: Required value",
            ),
            (
                json!({ "backendType": "azureKeyVault", "dataFrom": ["k"] }),
                "spec.keyVaultName: Required value",
            ),
            (item(json!({ "key": "k" })), "spec.data[0]"),
            (item(json!({ "name": "n" })), "spec.data[0]"),
            (item(json!({ "key": 1, "name": "n" })), "spec.data[0].key"),
            (with("data", json!({})), "spec.data"),
            (with("dataFrom", json!([1])), "spec.dataFrom[0]"),
            (
                with("dataFromWithOptions", json!([{ "versionId": "i" }])),
                "spec.dataFromWithOptions[0].key: Required value",
            ),
            (with("template", json!("t")), "spec.template"),
            (with("kvVersion", json!(3)), "spec.kvVersion"),
            (with("keyByName", json!("yes")), "spec.keyByName"),
        ] {
            let refusal = refused(case, spec.clone()).await;
            assert!(refusal.contains(about), "{spec}: {refusal}");
        }
    });
}

#[test]
fn c4_a_backend_that_nobody_serves_is_admitted_and_named_with_those_that_are() {
    case(async |case| {
        case.create_spec(
            "app",
            json!({"backendType": "vaultOfDoom", "data": [{"key": "a", "name": "b"}]}),
        )
        .await;
        case.expect_error("app", "NoPlugin", &["vaultOfDoom", "secretsManager"])
            .await;
        assert_eq!(case.data("app").await, None);
    });
}
