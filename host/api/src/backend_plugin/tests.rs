use super::*;
use serde_json::json;

fn read(object: Json) -> BackendPlugin {
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_spec_is_read_as_it_is_written() {
    let plugin = read(json!({
        "metadata": {"name": "vault"},
        "spec": {
            "source": {"oci": {"image": "ghcr.io/acme/vault@sha256:00", "pullSecret": "pull"}},
            "grant": {
                "hosts": ["vault.example.com:8200"],
                "auth": {"headers": [{"name": "x-vault-token", "secretKeyRef": {"name": "vault", "key": "token"}}]},
                "limits": {"memory": "128Mi"},
            },
            "settings": {"address": "https://vault.example.com:8200"},
            "namespaces": {"matchLabels": {"team": "a"}},
        },
    }));
    let spec = &plugin.spec;
    assert_eq!(spec.malformed, None);
    assert_eq!(spec.source.oci.as_ref().unwrap().pull_secret.as_deref(), Some("pull"));
    let grant = spec.grant.as_ref().unwrap();
    assert_eq!(grant.hosts, ["vault.example.com:8200"]);
    assert_eq!(grant.auth.headers[0].name, "x-vault-token");
    assert_eq!(grant.limits.as_ref().unwrap().memory.as_deref(), Some("128Mi"));
    let written = serde_json::to_value(spec).unwrap();
    assert_eq!(serde_json::from_value::<BackendPluginSpec>(written).unwrap(), *spec);
}

#[test]
fn an_object_that_cannot_be_read_says_so_and_does_not_fail() {
    for (spec, why) in [
        (json!({"spec": "x"}), "spec is no object"),
        (json!({"spec": null}), "spec is missing"),
        (json!({}), "spec is missing"),
        (
            json!({"spec": {"source": {"file": "x"}}}),
            "invalid type: string \"x\", expected struct FileSource",
        ),
        (json!({"spec": {"grant": {"hosts": "x"}}}), "expected a sequence"),
    ] {
        let mut object = spec;
        object["metadata"] = json!({"name": "x"});
        let malformed = read(object.clone()).spec.malformed.unwrap_or_default();
        assert!(malformed.contains(why), "{object}: {malformed}");
    }
}

#[test]
fn a_status_that_cannot_be_read_counts_as_none() {
    let object = json!({"metadata": {"name": "x"}, "spec": {"source": {}}, "status": {"conditions": "x"}});
    assert_eq!(read(object).status, Some(BackendPluginStatus::default()));
}
