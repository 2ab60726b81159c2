//! `keyhole manifests`: everything that an installation needs, for this very version.
//!
//! The manifests in `deploy/` are this output; `cargo xtask generate` writes them and the tests run the
//! host with exactly the rights that stand here. A right that is not used must
//! not be added, and one that is used and missing fails the tests at the host's first check.

use std::process::ExitCode;

use keyhole_api::names::GROUP;
use serde_json::{Value, json};

use crate::args::{ManifestsArgs, Namespaces};
use crate::text;

const NAMESPACE: &str = "keyhole-system";
const NAME: &str = "keyhole";
/// Where Kubernetes wants the events of objects that are in no namespace.
const NAMESPACE_OF_CLUSTER_EVENTS: &str = "default";
const IMAGE: &str = concat!("ghcr.io/keyhole-operator/keyhole:", env!("CARGO_PKG_VERSION"));
/// KES's port for metrics; health and readiness are served there too.
const PORT: u16 = 3001;
/// Where the writable compile cache is mounted.
const CACHE: &str = "/var/cache/keyhole";
/// MiB of its volume. Whoever takes more is evicted, so its folders are bounded below that.
const CACHE_MIB: u64 = 512;

/// Prints the manifests.
pub fn run(args: ManifestsArgs) -> anyhow::Result<ExitCode> {
    let ManifestsArgs {
        no_list,
        service_account_tokens,
        watched_namespaces: Namespaces(namespaces),
    } = args;
    let scope = Scope {
        list_secrets: !no_list,
        service_account_tokens,
        namespaces,
    };
    text::print(&manifests(&scope)?)
}

/// What the operator may see.
struct Scope {
    /// Whether it may list and watch Secrets.
    list_secrets: bool,
    /// Whether it may act as the service accounts of the namespaces that it serves.
    service_account_tokens: bool,
    /// Where it serves; everywhere if there are none.
    namespaces: Vec<String>,
}

/// CRDs first, then what refers to nothing, then the Deployment.
fn manifests(scope: &Scope) -> anyhow::Result<String> {
    let mut yaml = keyhole_api::crds_yaml()?;
    let mut objects = vec![namespace(), service_account()];
    if scope.namespaces.is_empty() {
        let mut rules = rules_in_namespaces(scope);
        rules.push(watch_of_namespaces(&[]));
        rules.extend(plugins());
        objects.extend(granted(None, rules));
        objects.extend(granted(Some(NAMESPACE), vec![config_maps_of_plugins(), own_token()]));
    } else {
        let mut rules_of_cluster = vec![watch_of_namespaces(&scope.namespaces)];
        rules_of_cluster.extend(plugins());
        objects.extend(granted(None, rules_of_cluster));
        objects.extend(granted(
            Some(NAMESPACE),
            vec![config_maps_of_plugins(), secrets_of_plugins(), own_token()],
        ));
        objects.extend(granted(Some(NAMESPACE_OF_CLUSTER_EVENTS), vec![events()]));
        for namespace in &scope.namespaces {
            objects.extend(granted(Some(namespace), rules_in_namespaces(scope)));
        }
    }
    objects.extend([service(), deployment(scope)]);
    for object in objects {
        yaml.push_str("---\n");
        yaml.push_str(&keyhole_api::to_yaml(&object)?);
    }
    Ok(yaml)
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/name": NAME })
}

fn namespace() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {
                "app.kubernetes.io/name": NAME,
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
    })
}

fn service_account() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
    })
}

/// What the operator does with objects of the namespaces that it serves. Kubernetes cannot grant the metadata of
/// Secrets alone: whoever may list them may read them all.
fn rules(list_secrets: bool) -> Vec<Value> {
    let secrets = if list_secrets {
        json!(["get", "create", "update", "list", "watch"])
    } else {
        json!(["get", "create", "update"])
    };
    vec![
        json!({ "apiGroups": [GROUP], "resources": ["externalsecrets"], "verbs": ["get", "list", "watch"] }),
        json!({ "apiGroups": [GROUP], "resources": ["externalsecrets/status"], "verbs": ["patch"] }),
        json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": secrets }),
        events(),
    ]
}

/// What the operator may do in each namespace that it serves.
fn rules_in_namespaces(scope: &Scope) -> Vec<Value> {
    let mut rules = rules(scope.list_secrets);
    if scope.service_account_tokens {
        rules.extend(service_account_tokens());
    }
    rules
}

/// For `spec.serviceAccountName`. Whoever may make a token of an account can do in the cluster what that account
/// can: where the operator serves the whole cluster this is the right to be anybody who has a service account.
/// Kubernetes has no narrower one, such as for one audience; the host itself never asks for a token without.
fn service_account_tokens() -> [Value; 2] {
    [
        json!({ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] }),
        json!({ "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"] }),
    ]
}

/// Tokens of the operator's own account, for plugins that are granted one. It is this account already.
fn own_token() -> Value {
    json!({ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"], "resourceNames": [NAME] })
}

fn events() -> Value {
    json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] })
}

/// Plugins belong to the cluster.
fn plugins() -> [Value; 2] {
    [
        json!({ "apiGroups": [GROUP], "resources": ["backendplugins"], "verbs": ["get", "list", "watch"] }),
        json!({ "apiGroups": [GROUP], "resources": ["backendplugins/status"], "verbs": ["patch"] }),
    ]
}

/// Plugins may come from ConfigMaps of the operator's own namespace, and of no other.
fn config_maps_of_plugins() -> Value {
    json!({ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"] })
}

/// Pull secrets, and credentials that plugins are granted, in the operator's own namespace. Where it serves the whole
/// cluster it has this right already.
fn secrets_of_plugins() -> Value {
    json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] })
}

/// Namespaces are objects of the cluster, so the right to see some of them is the cluster's to give. A list or
/// watch of a single one by name is allowed by its name in `resourceNames`.
fn watch_of_namespaces(names: &[String]) -> Value {
    let verbs = ["list", "watch"];
    if names.is_empty() {
        json!({ "apiGroups": [""], "resources": ["namespaces"], "verbs": verbs })
    } else {
        json!({ "apiGroups": [""], "resources": ["namespaces"], "verbs": verbs, "resourceNames": names })
    }
}

/// A role with these rules for the operator, in one namespace or in the whole cluster.
fn granted(namespace: Option<&str>, rules: Vec<Value>) -> [Value; 2] {
    let prefix = if namespace.is_some() { "" } else { "Cluster" };
    let metadata = match namespace {
        None => json!({ "name": NAME, "labels": labels() }),
        Some(namespace) => json!({ "name": NAME, "namespace": namespace, "labels": labels() }),
    };
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{prefix}Role"),
        "metadata": metadata,
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{prefix}RoleBinding"),
        "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": format!("{prefix}Role"), "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }],
    });
    [role, binding]
}

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
        "spec": {
            "selector": labels(),
            "ports": [{ "name": "admin", "port": PORT, "targetPort": "admin" }],
        },
    })
}

fn deployment(scope: &Scope) -> Value {
    let mut environment = vec![json!({ "name": "KEYHOLE_CACHE_DIR", "value": CACHE })];
    if !scope.list_secrets {
        environment.push(json!({ "name": "KEYHOLE_LIST_SECRETS", "value": "false" }));
    }
    if !scope.namespaces.is_empty() {
        environment.push(json!({ "name": "WATCHED_NAMESPACES", "value": scope.namespaces.join(",") }));
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
        "spec": {
            "replicas": 1,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": labels() },
            "template": {
                "metadata": { "labels": labels() },
                "spec": {
                    "serviceAccountName": NAME,
                    // The host finishes writes in flight within 25 s of the signal.
                    "terminationGracePeriodSeconds": 30,
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                    "containers": [{
                        "name": NAME,
                        "image": IMAGE,
                        "args": ["run"],
                        "env": environment,
                        "ports": [{ "name": "admin", "containerPort": PORT }],
                        "livenessProbe": probe("/healthz", 10),
                        "readinessProbe": probe("/readyz", 5),
                        "resources": {
                            "requests": { "cpu": "50m", "memory": "128Mi" },
                            "limits": { "memory": "512Mi" },
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": { "drop": ["ALL"] },
                        },
                        "volumeMounts": [{ "name": "cache", "mountPath": CACHE }],
                    }],
                    "volumes": [{ "name": "cache", "emptyDir": { "sizeLimit": format!("{CACHE_MIB}Mi") } }],
                },
            },
        },
    })
}

fn probe(path: &str, period_seconds: u32) -> Value {
    json!({ "httpGet": { "path": path, "port": "admin" }, "periodSeconds": period_seconds, "timeoutSeconds": 3 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyhole_plugins::{compile_cache, compile_child, oci};

    fn documents(list_secrets: bool) -> Vec<Value> {
        documents_for(list_secrets, &[])
    }

    fn documents_for(list_secrets: bool, namespaces: &[&str]) -> Vec<Value> {
        let scope = Scope {
            list_secrets,
            service_account_tokens: false,
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
        };
        serde_saphyr::from_multiple(&manifests(&scope).unwrap()).unwrap()
    }

    fn verbs_on_secrets(documents: &[Value]) -> Vec<Value> {
        let role = documents
            .iter()
            .find(|document| document["kind"] == "ClusterRole")
            .unwrap();
        let rules = role["rules"].as_array().unwrap();
        let secrets = rules.iter().filter(|rule| rule["resources"] == json!(["secrets"]));
        secrets.map(|rule| rule["verbs"].clone()).collect()
    }

    #[test]
    fn secrets_are_never_deleted_and_only_listed_where_that_was_asked_for() {
        assert_eq!(
            verbs_on_secrets(&documents(true)),
            [json!(["get", "create", "update", "list", "watch"])]
        );
        assert_eq!(
            verbs_on_secrets(&documents(false)),
            [json!(["get", "create", "update"])]
        );
    }

    #[test]
    fn config_maps_are_seen_in_the_operators_own_namespace_alone() {
        for document in documents(true) {
            let rules = document["rules"].as_array().into_iter().flatten();
            if rules.clone().any(|rule| rule["resources"] == json!(["configmaps"])) {
                assert_eq!(document["kind"], "Role");
                assert_eq!(document["metadata"]["namespace"], NAMESPACE);
            }
        }
    }

    #[test]
    fn an_operator_for_some_namespaces_has_rights_in_those_alone() {
        let documents = documents_for(true, &["team-a", "team-b"]);
        let of_kind =
            |kind: &str| -> Vec<&Value> { documents.iter().filter(|document| document["kind"] == kind).collect() };
        let cluster = of_kind("ClusterRole");
        assert_eq!(
            cluster[0]["rules"],
            json!([
                { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"], "resourceNames": ["team-a", "team-b"] },
                { "apiGroups": [GROUP], "resources": ["backendplugins"], "verbs": ["get", "list", "watch"] },
                { "apiGroups": [GROUP], "resources": ["backendplugins/status"], "verbs": ["patch"] },
            ])
        );
        assert_eq!(cluster.len(), 1);
        for kind in ["Role", "RoleBinding"] {
            let namespaces: Vec<_> = of_kind(kind)
                .iter()
                .map(|role| &role["metadata"]["namespace"])
                .collect();
            assert_eq!(namespaces, ["keyhole-system", "default", "team-a", "team-b"], "{kind}");
        }
        let own = of_kind("Role")[0]["rules"].clone();
        assert_eq!(
            own,
            json!([
                { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"] },
                { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] },
                { "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"], "resourceNames": ["keyhole"] },
            ])
        );
        let told = json!({ "name": "WATCHED_NAMESPACES", "value": "team-a,team-b" });
        assert!(manifest_environment(&documents).contains(&told));
    }

    /// The rules about service accounts, by the namespace of their role; nothing for the cluster.
    fn about_accounts(tokens: bool, namespaces: &[&str]) -> Vec<(Value, Value)> {
        let scope = Scope {
            list_secrets: true,
            service_account_tokens: tokens,
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
        };
        let documents: Vec<Value> = serde_saphyr::from_multiple(&manifests(&scope).unwrap()).unwrap();
        let mut found = Vec::new();
        for document in documents {
            for rule in document["rules"].as_array().into_iter().flatten() {
                if rule["resources"][0].as_str().unwrap().starts_with("serviceaccounts") {
                    found.push((document["metadata"]["namespace"].clone(), rule.clone()));
                }
            }
        }
        found
    }

    #[test]
    fn without_the_flag_the_operator_can_make_tokens_of_its_own_account_alone() {
        for namespaces in [&[][..], &["team-a"]] {
            let own = json!({ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"], "resourceNames": ["keyhole"] });
            assert_eq!(about_accounts(false, namespaces), [(json!("keyhole-system"), own)]);
        }
    }

    #[test]
    fn with_the_flag_tokens_can_be_made_where_the_operator_serves_and_nowhere_else() {
        let places = |namespaces: &[&str]| -> Vec<Value> {
            let found = about_accounts(true, namespaces);
            let any = found.into_iter().filter(|(_, rule)| rule["resourceNames"].is_null());
            any.map(|(place, _)| place).collect()
        };
        assert_eq!(places(&[]), [Value::Null, Value::Null]);
        assert_eq!(places(&["team-a"]), [json!("team-a"), json!("team-a")]);
        let verbs: Vec<_> = about_accounts(true, &["team-a"])
            .into_iter()
            .map(|(_, rule)| (rule["resources"][0].clone(), rule["verbs"].clone()))
            .collect();
        assert!(verbs.contains(&(json!("serviceaccounts"), json!(["get"]))), "{verbs:?}");
    }

    #[test]
    fn a_host_without_the_right_to_list_is_told_so() {
        let told = |documents: &[Value]| {
            manifest_environment(documents).contains(&json!({ "name": "KEYHOLE_LIST_SECRETS", "value": "false" }))
        };
        assert!(told(&documents(false)));
        assert!(!told(&documents(true)));
    }

    fn manifest_environment(documents: &[Value]) -> Vec<Value> {
        let deployment = documents
            .iter()
            .find(|document| document["kind"] == "Deployment")
            .unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .clone()
    }

    fn pod(documents: &[Value]) -> Value {
        let deployment = documents.iter().find(|document| document["kind"] == "Deployment");
        deployment.unwrap()["spec"]["template"]["spec"].clone()
    }

    /// What Kubernetes' restricted standard asks for, and a root file system that nobody can write.
    #[test]
    fn the_pod_has_no_privileges() {
        let pod = pod(&documents(true));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"],
            json!({ "type": "RuntimeDefault" })
        );
        for container in pod["containers"].as_array().unwrap() {
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            });
            assert_eq!(container["securityContext"], expected);
        }
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume["emptyDir"]["sizeLimit"].is_string(), "{volume}");
        }
    }

    #[test]
    fn what_the_cache_may_hold_fits_its_volume() {
        let pod = pod(&documents(true));
        let limit = pod["volumes"][0]["emptyDir"]["sizeLimit"].as_str().unwrap();
        let mib: u64 = limit.strip_suffix("Mi").unwrap().parse().unwrap();
        let kept = oci::MOST_SOURCE_BYTES + compile_cache::MOST_BYTES;
        assert!(
            kept + compile_child::MOST_CODE <= mib << 20,
            "and one that is being made"
        );
        assert!(kept < mib << 20);
    }

    #[test]
    fn two_hosts_never_run_at_once() {
        let documents = documents(true);
        let deployment = documents
            .iter()
            .find(|document| document["kind"] == "Deployment")
            .unwrap();
        assert_eq!(deployment["spec"]["replicas"], 1);
        assert_eq!(deployment["spec"]["strategy"], json!({ "type": "Recreate" }));
    }

    #[test]
    fn no_right_covers_everything() {
        for document in documents(true) {
            for rule in document["rules"].as_array().into_iter().flatten() {
                for list in ["apiGroups", "resources", "verbs"] {
                    assert!(!rule[list].as_array().unwrap().contains(&json!("*")), "{rule}");
                }
            }
        }
    }
}
