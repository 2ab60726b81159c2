//! The CustomResourceDefinitions against what kubernetes-external-secrets admits and refuses.

use super::*;

#[test]
fn the_files_in_deploy_are_what_the_types_say() {
    for (crd, file) in [
        (external_secret_crd(), "externalsecrets"),
        (backend_plugin_crd(), "backendplugins"),
    ] {
        let yaml = format!("---\n{}", to_yaml(&crd).unwrap());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/crds");
        let golden = format!("{folder}/{file}.yaml");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(&golden, &yaml).unwrap();
        }
        let golden = std::fs::read_to_string(golden).unwrap_or_default();
        assert!(golden == yaml, "deploy/crds is out of date; run cargo xtask generate");
    }
}

fn schemas() -> [Json; 2] {
    [schema(), schema_of(backend_plugin_crd())]
}

fn schema() -> Json {
    schema_of(external_secret_crd())
}

fn schema_of(crd: CustomResourceDefinition) -> Json {
    serde_json::to_value(
        crd.spec.versions[0]
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap(),
    )
    .unwrap()
}

fn visit(schema: &Json, path: &str, see: &mut impl FnMut(&str, &Map<String, Json>)) {
    match schema {
        Json::Object(members) => {
            see(path, members);
            for (name, inner) in members {
                visit(inner, &format!("{path}/{name}"), see);
            }
        }
        Json::Array(items) => {
            for (position, inner) in items.iter().enumerate() {
                visit(inner, &format!("{path}/{position}"), see);
            }
        }
        _ => {}
    }
}

#[test]
fn null_is_as_little_a_value_as_in_kes() {
    for schema in schemas() {
        visit(&schema, "", &mut |path, members| {
            assert!(!members.contains_key("nullable"), "{path}");
            assert!(
                !members
                    .get("enum")
                    .is_some_and(|allowed| allowed.as_array().unwrap().contains(&Json::Null)),
                "{path}"
            );
        });
    }
}

#[test]
fn every_field_is_described() {
    for schema in schemas() {
        visit(&schema, "", &mut |path, members| {
            if let Some(Json::Object(properties)) = members.get("properties")
                && !path.contains("/oneOf")
            {
                for (name, property) in properties {
                    let described =
                        property.get("description").is_some() || ["spec", "status"].contains(&name.as_str());
                    // Kubernetes' own selector is known to all.
                    assert!(described || path.contains("/namespaces"), "{path}/{name}");
                }
            }
        });
    }
}

/// What the API server makes of the value validations, for the few keywords that they use.
fn admits(schema: &Json, value: &Json) -> bool {
    let Some(schema) = schema.as_object() else { return true };
    let all = |name: &str, check: &dyn Fn(&Json) -> bool| schema.get(name).is_none_or(check);
    all("type", &|kind| match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        other => panic!("{other}"),
    }) && all("x-kubernetes-int-or-string", &|_| value.is_string() || value.is_i64())
        && all("enum", &|allowed| allowed.as_array().unwrap().contains(value))
        && all("minLength", &|least| {
            value.as_str().is_none_or(|t| t.len() as u64 >= least.as_u64().unwrap())
        })
        && all("minimum", &|least| {
            value.as_f64().is_none_or(|n| n >= least.as_f64().unwrap())
        })
        && all("maximum", &|most| {
            value.as_f64().is_none_or(|n| n <= most.as_f64().unwrap())
        })
        && all("required", &|names| {
            names
                .as_array()
                .unwrap()
                .iter()
                .all(|n| value.get(n.as_str().unwrap()).is_some())
        })
        && all("properties", &|properties| {
            properties
                .as_object()
                .unwrap()
                .iter()
                .all(|(n, s)| value.get(n).is_none_or(|v| admits(s, v)))
        })
        && all("items", &|items| {
            value
                .as_array()
                .is_none_or(|values| values.iter().all(|v| admits(items, v)))
        })
        && all("not", &|inner| !admits(inner, value))
        && all("anyOf", &|branches| {
            branches.as_array().unwrap().iter().any(|b| admits(b, value))
        })
        && all("oneOf", &|branches| {
            branches.as_array().unwrap().iter().filter(|b| admits(b, value)).count() == 1
        })
}

#[test]
fn what_kes_admitted_is_admitted() {
    for spec in [
        json!({ "backendType": "secretsManager", "data": [{ "key": "k", "name": "n", "property": "" }] }),
        json!({ "backendType": "secretsManager", "data": [] }),
        json!({ "backendType": "secretsManager", "dataFrom": ["k"], "roleArn": "", "region": "eu-west-1" }),
        json!({ "backendType": "secretsManager", "dataFromWithOptions": [{ "key": "k", "isBinary": true }] }),
        json!({ "backendType": "systemManager", "data": [{ "path": "/p", "recursive": true }] }),
        json!({ "backendType": "systemManager", "data": [{ "path": "/p", "key": "k" }] }),
        json!({ "backendType": "systemManager", "data": [{ "path": "/p", "property": "x", "name": "n" }] }),
        json!({ "backendType": "vault", "kvVersion": 2, "vaultRole": "r", "vaultMountPoint": "m", "dataFrom": [] }),
        json!({ "backendType": "azureKeyVault", "keyVaultName": "v", "dataFrom": [] }),
        json!({ "backendType": "gcpSecretsManager", "projectId": "p", "data": [{ "key": "k", "name": "n", "version": 1 }] }),
        json!({ "backendType": "gcpSecretsManager", "data": [{ "key": "k", "name": "n", "version": "latest" }] }),
        json!({ "backendType": "ibmcloudSecretsManager", "keyByName": true, "data": [{ "key": "k", "name": "n", "secretType": "arbitrary" }] }),
        json!({ "backendType": "alicloudSecretsManager", "data": [{ "key": "k", "name": "n", "versionStage": "s", "versionId": "i" }] }),
        json!({ "backendType": "akeyless", "dataFrom": ["k"], "controllerId": "", "type": "Opaque" }),
        json!({ "backendType": "akeyless", "dataFrom": ["k"], "template": { "metadata": { "labels": { "a": "<%= 1 %>" } }, "x": [1] } }),
    ] {
        assert!(admits(&schema(), &json!({ "spec": spec })), "{spec}");
    }
}

#[test]
fn a_backend_that_nobody_lists_is_admitted() {
    assert!(admits(
        &schema(),
        &json!({ "spec": { "backendType": "ours", "dataFrom": ["k"] } })
    ));
}

#[test]
fn what_kes_refused_is_refused() {
    for spec in [
        json!({}),
        json!({ "backendType": "secretsManager" }),
        json!({ "dataFrom": ["k"] }),
        json!({ "backendType": "", "dataFrom": ["k"] }),
        json!({ "backendType": "azureKeyVault", "dataFrom": ["k"] }),
        json!({ "backendType": "secretsManager", "data": [{ "key": "k", "name": "n", "path": "/p" }] }),
        json!({ "backendType": "secretsManager", "data": [{ "key": "k", "name": "n", "path": "" }] }),
        json!({ "backendType": "secretsManager", "data": [{ "key": "k" }] }),
        json!({ "backendType": "secretsManager", "data": [{ "name": "n" }] }),
        json!({ "backendType": "secretsManager", "data": [{}] }),
        json!({ "backendType": "secretsManager", "data": [{ "key": 1, "name": "n" }] }),
        json!({ "backendType": "secretsManager", "data": {} }),
        json!({ "backendType": "secretsManager", "data": null }),
        json!({ "backendType": "secretsManager", "dataFrom": [1] }),
        json!({ "backendType": "secretsManager", "dataFrom": ["k"], "template": "x" }),
        json!({ "backendType": "secretsManager", "dataFromWithOptions": [{ "versionId": "i" }] }),
        json!({ "backendType": "vault", "dataFrom": ["k"], "kvVersion": 3 }),
        json!({ "backendType": "vault", "dataFrom": ["k"], "kvVersion": "2" }),
        json!({ "backendType": "ibmcloudSecretsManager", "dataFrom": ["k"], "keyByName": "yes" }),
        json!({ "backendType": "gcpSecretsManager", "data": [{ "key": "k", "name": "n", "version": true }] }),
    ] {
        assert!(!admits(&schema(), &json!({ "spec": spec })), "{spec}");
    }
    assert!(!admits(
        &schema(),
        &json!({ "secretDescriptor": { "backendType": "secretManager" } })
    ));
}

#[test]
fn additions_are_checked_too() {
    let with = |name: &str, value: Json| {
        let mut spec = json!({ "backendType": "secretsManager", "dataFrom": ["k"] });
        spec[name] = value;
        admits(&schema(), &json!({ "spec": spec }))
    };
    assert!(with("refreshInterval", json!("1h")) && with("refreshInterval", json!(0)));
    assert!(!with("refreshInterval", json!(true)));
    assert!(with(
        "target",
        json!({ "creationPolicy": "Merge", "onImmutable": "Recreate" })
    ));
    assert!(!with("target", json!({ "creationPolicy": "owner" })));
    assert!(with("rollout", json!([{ "kind": "Deployment", "name": "a" }])));
    assert!(with(
        "rollout",
        json!([{ "kind": "DaemonSet", "selector": { "matchLabels": { "a": "b" } } }])
    ));
    assert!(!with("rollout", json!([{ "kind": "Deployment" }])));
    assert!(!with(
        "rollout",
        json!([{ "kind": "Deployment", "name": "a", "selector": { "matchLabels": {} } }])
    ));
    assert!(!with("rollout", json!([{ "kind": "Pod", "name": "a" }])));
    assert!(with("config", json!({ "anything": [1, { "x": null }] })));
    assert!(!with("config", json!("x")));
}

#[test]
fn columns_and_names_are_those_of_kes_first() {
    let crd = external_secret_crd();
    assert_eq!(crd.metadata.name.as_deref(), Some(crate::names::CRD_NAME));
    assert_eq!(
        crd.metadata.annotations.unwrap()["app.kubernetes.io/managed-by"],
        "helm"
    );
    assert_eq!(crd.spec.names.short_names.unwrap(), ["es"]);
    let version = &crd.spec.versions[0];
    assert!(version.subresources.as_ref().unwrap().status.is_some());
    let columns: Vec<_> = version.additional_printer_columns.iter().flatten().collect();
    let names: Vec<_> = columns
        .iter()
        .map(|c| (c.name.as_str(), c.type_.as_str(), c.priority))
        .collect();
    assert_eq!(
        names[..3],
        [
            ("Last Sync", "date", None),
            ("status", "string", None),
            ("Age", "date", None)
        ]
    );
    assert_eq!(
        names[3..],
        [("Backend", "string", Some(1)), ("Reason", "string", Some(1))]
    );
}

#[test]
fn rules_of_a_backend_plugin_stand_where_they_belong() {
    let schema = schema_of(backend_plugin_crd());
    let spec = &schema["properties"]["spec"];
    assert_eq!(spec["required"], json!(["source"]));
    let rule = |field: &Json| field["x-kubernetes-validations"][0]["message"].clone();
    assert_eq!(
        rule(&spec["properties"]["source"]),
        "exactly one of builtin, oci, configMap and file must be set"
    );
    let auth = &spec["properties"]["grant"]["properties"]["auth"]["properties"];
    let header = &auth["headers"]["items"];
    assert_eq!(
        rule(header),
        "exactly one of secretKeyRef and serviceAccountToken must be set"
    );
    assert_eq!(header["required"], json!(["name"]));
    assert_eq!(
        auth["exposed"]["additionalProperties"]["required"],
        json!(["name", "key"])
    );
    let limits = &spec["properties"]["grant"]["properties"]["limits"]["properties"];
    for (limit, rule) in [("memory", "pattern"), ("cpu", "pattern"), ("exchanges", "minimum")] {
        assert!(limits[limit].get(rule).is_some(), "{limit}");
    }
}

#[test]
fn a_backend_plugin_belongs_to_the_cluster() {
    let crd = backend_plugin_crd();
    assert_eq!(
        (crd.spec.scope.as_str(), crd.metadata.name.as_deref()),
        ("Cluster", Some("backendplugins.kubernetes-client.io"))
    );
    let columns = crd.spec.versions[0].additional_printer_columns.as_ref().unwrap();
    let narrow: Vec<_> = columns
        .iter()
        .filter(|column| column.priority.is_none())
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(narrow, ["Types", "Source", "Version", "Ready", "Age"]);
}
