use super::*;
use keyhole_core::limits::Limits;
use keyhole_sandbox::{Credential, PrivateAddresses};
use serde_json::{Value as Json, json};
use std::time::Duration;

fn around() -> Surroundings {
    let grant = Grant {
        hosts: vec!["secretsmanager.{region}.amazonaws.com".parse().unwrap()],
        ..Grant::default()
    };
    Surroundings {
        builtins: vec![BuiltIn {
            name: "secrets-manager",
            component: b"wasm",
            grant,
        }],
        plugin_dir: Some("/plugins".into()),
    }
}

fn read(name: &str, spec: Json) -> Result<PluginSpec, InvalidPlugin> {
    plugin_spec(name, &serde_json::from_value(spec).unwrap(), &around())
}

/// A plugin from a file with this grant.
fn granted(grant: Json) -> Result<Grant, String> {
    let spec = json!({"source": {"file": {"path": "a.wasm"}}, "grant": grant});
    read("a", spec)
        .map(|spec| spec.grant)
        .map_err(|error| error.to_string())
}

fn mistake(name: &str, spec: Json) -> String {
    read(name, spec).unwrap_err().to_string()
}

#[test]
fn every_field_becomes_what_the_sandbox_takes() {
    let grant = granted(json!({
        "hosts": ["vault.example.com:8200", "http://store.local"],
        "allowPrivateAddresses": ["10.0.0.0/8"],
        "caBundle": "-----BEGIN CERTIFICATE-----\nx",
        "auth": {
            "aws": [{"service": "kms", "actions": ["Decrypt"]}],
            "headers": [
                {"name": "X-Vault-Token", "secretKeyRef": {"name": "vault", "key": "token"}},
                {"name": "authorization", "prefix": "Bearer ", "serviceAccountToken": {"audience": "store"}, "hosts": ["http://store.local"]},
            ],
            "serviceAccountToken": {"audience": "vault"},
            "exposed": {"password": {"name": "store", "key": "pw"}},
            "allowServiceAccounts": true,
        },
        "limits": {
            "memory": "128Mi", "cpu": "5s", "wall": "1m", "responseBody": "1Mi", "requestBody": "2Ki",
            "exchanges": 3, "value": "4k", "values": "8M", "concurrentCalls": 2,
        },
    }))
    .unwrap();
    let hosts: Vec<_> = grant.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["vault.example.com:8200", "http://store.local"]);
    assert_eq!(
        grant.private_addresses,
        PrivateAddresses::Cidrs(vec!["10.0.0.0/8".parse().unwrap()])
    );
    assert!(grant.ca_bundle.starts_with(b"-----BEGIN"));
    assert_eq!(
        (grant.aws[0].service.as_str(), &grant.aws[0].actions[..]),
        ("kms", &["Decrypt".to_owned()][..])
    );
    let [token, bearer] = &grant.headers[..] else {
        panic!("{:?}", grant.headers)
    };
    assert_eq!((token.name.as_str(), token.prefix.as_str()), ("x-vault-token", ""));
    assert_eq!(
        token.credential,
        Credential::Secret {
            name: "vault".into(),
            key: "token".into()
        }
    );
    assert_eq!(
        bearer.credential,
        Credential::Token {
            audience: "store".into()
        }
    );
    assert_eq!((bearer.prefix.as_str(), bearer.hosts.len()), ("Bearer ", 1));
    let password = Credential::Secret {
        name: "store".into(),
        key: "pw".into(),
    };
    assert_eq!(grant.exposed["password"], password);
    assert_eq!((grant.token.as_deref(), grant.service_accounts), (Some("vault"), true));
    let limits = Limits {
        memory: 128 << 20,
        cpu: Duration::from_secs(5),
        wall: Duration::from_secs(60),
        response_body: 1 << 20,
        request_body: 2 << 10,
        exchanges: 3,
        value: 4000,
        values: 8_000_000,
        concurrent_calls: 2,
        ..Limits::default()
    };
    assert_eq!(grant.limits, limits);
}

#[test]
fn without_a_grant_only_a_built_in_plugin_may_do_anything() {
    let builtin = read("mine", json!({"source": {"builtin": "secrets-manager"}})).unwrap();
    assert_eq!(builtin.grant.hosts.len(), 1);
    assert!(builtin.shares_batches);
    let file = read("mine", json!({"source": {"file": {"path": "a.wasm"}}})).unwrap();
    assert!(file.grant.hosts.is_empty() && !file.shares_batches);
    assert_eq!(file.grant.private_addresses, PrivateAddresses::None);
}

#[test]
fn a_grant_takes_the_place_of_the_built_in_one() {
    let spec = json!({"source": {"builtin": "secrets-manager"}, "grant": {"hosts": ["a.example.com"]}});
    let spec = read("secrets-manager", spec).unwrap();
    let hosts: Vec<_> = spec.grant.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a.example.com"]);
}

#[test]
fn the_name_of_a_built_in_plugin_is_for_that_plugin() {
    assert_eq!(
        mistake("secrets-manager", json!({"source": {"file": {"path": "evil.wasm"}}})),
        "spec.source: \"secrets-manager\" is the name of a built-in plugin, and this is another source; set builtin: \
         secrets-manager, or give the object another name"
    );
}

#[test]
fn there_is_exactly_one_source() {
    assert_eq!(
        mistake("a", json!({"source": {}})),
        "spec.source: there is none; set one of builtin, oci, configMap and file"
    );
    let two = json!({"source": {"builtin": "secrets-manager", "file": {"path": "a"}}});
    assert_eq!(
        mistake("a", two),
        "spec.source: there is more than one: builtin, file; keep one of them"
    );
    assert_eq!(
        mistake("a", json!({"source": {"builtin": "nope"}})),
        "spec.source.builtin: there is no built-in plugin \"nope\"; known: secrets-manager"
    );
}

#[test]
fn a_file_is_below_the_folder() {
    for path in ["", "/etc/passwd", "../a.wasm", "a/../../b", "a/.."] {
        let error = mistake("a", json!({"source": {"file": {"path": path}}}));
        assert!(error.contains("is not below the plugin folder"), "{path}: {error}");
    }
    let spec = read("a", json!({"source": {"file": {"path": "team/a.wasm"}}})).unwrap();
    assert!(matches!(spec.source, Source::File(path) if path == Path::new("/plugins/team/a.wasm")));
    let nowhere = Surroundings::default();
    let object = serde_json::from_value(json!({"source": {"file": {"path": "a.wasm"}}})).unwrap();
    let error = plugin_spec("a", &object, &nowhere).unwrap_err().to_string();
    assert!(
        error.ends_with("start it with --plugin-dir (KEYHOLE_PLUGIN_DIR)"),
        "{error}"
    );
}

#[test]
fn every_mistake_is_named_with_its_field_and_a_remedy() {
    let both =
        json!({"secretKeyRef": {"name": "a", "key": "b"}, "serviceAccountToken": {"audience": "x"}, "name": "a"});
    for (grant, wanted) in [
        (
            json!({"hosts": ["ok.example.com", "*.example.com"]}),
            "spec.grant.hosts[1]: \"*.example.com\" is no host pattern",
        ),
        (
            json!({"allowPrivateAddresses": ["10.0.0.0"]}),
            "spec.grant.allowPrivateAddresses[0]: \"10.0.0.0\" is no range of addresses; write it like 10.0.0.0/8",
        ),
        (
            json!({"caBundle": "LS0tLS1CRUdJTiBDRVJU"}),
            "spec.grant.caBundle: it holds no certificate",
        ),
        (
            json!({"auth": {"aws": [{"service": "Secrets Manager", "actions": []}]}}),
            "spec.grant.auth.aws[0].service: \"Secrets Manager\" is no signing name",
        ),
        (
            json!({"auth": {"aws": [{"service": "s", "actions": []}]}}),
            "spec.grant.auth.aws[0].actions: there is none",
        ),
        (
            json!({"auth": {"aws": [{"service": "s", "actions": ["A"]}, {"service": "s", "actions": ["B"]}]}}),
            "spec.grant.auth.aws[1].service: s is named twice",
        ),
        (
            json!({"auth": {"aws": [{"service": "s", "actions": ["a b"]}]}}),
            "spec.grant.auth.aws[0].actions[0]: \"a b\" is no action",
        ),
        (
            json!({"auth": {"headers": [both]}}),
            "spec.grant.auth.headers[0]: it has two credentials; set exactly one",
        ),
        (
            json!({"auth": {"headers": [{"name": "a"}]}}),
            "spec.grant.auth.headers[0]: it has no credential",
        ),
        (
            json!({"auth": {"headers": [{"name": "a b", "serviceAccountToken": {"audience": "x"}}]}}),
            "spec.grant.auth.headers[0].name: \"a b\" is no name of a header",
        ),
        (
            json!({"auth": {"headers": [{"name": "a", "prefix": "x\n", "serviceAccountToken": {"audience": "x"}}]}}),
            "spec.grant.auth.headers[0].prefix: it holds what a header cannot",
        ),
        (
            json!({"auth": {"headers": [{"name": "a", "hosts": ["b.example.com"], "serviceAccountToken": {"audience": "x"}}]}}),
            "spec.grant.auth.headers[0].hosts: b.example.com is not granted",
        ),
        (
            json!({"auth": {"headers": [{"name": "a", "secretKeyRef": {"name": "", "key": "b"}}]}}),
            "spec.grant.auth.headers[0].secretKeyRef.name: it is missing",
        ),
        (
            json!({"auth": {"serviceAccountToken": {"audience": ""}}}),
            "spec.grant.auth.serviceAccountToken.audience: it is missing",
        ),
        (
            json!({"limits": {"memory": "64MB"}}),
            "spec.grant.limits.memory: \"64MB\" is no size; write a whole number",
        ),
        (
            json!({"limits": {"memory": "1Ki"}}),
            "spec.grant.limits.memory: 1Ki is out of range; write 1Mi to 2048Mi",
        ),
        (
            json!({"limits": {"cpu": "2"}}),
            "spec.grant.limits.cpu: \"2\" is no duration; write a number with a unit",
        ),
        (
            json!({"limits": {"wall": "1h"}}),
            "spec.grant.limits.wall: 3600s is out of range; write 100ms to 600s",
        ),
        (
            json!({"limits": {"exchanges": 0}}),
            "spec.grant.limits.exchanges: 0 is out of range; write 1 to 100000",
        ),
        (
            json!({"limits": {"concurrentCalls": 5000}}),
            "spec.grant.limits.concurrentCalls: 5000 is out of range",
        ),
    ] {
        let error = granted(grant).unwrap_err();
        assert!(error.starts_with(wanted), "{error}\nshould begin {wanted}");
    }
}

#[test]
fn all_mistakes_are_collected() {
    let spec = json!({
        "backendTypes": [""],
        "source": {"file": {"path": ".."}},
        "grant": {"hosts": ["*"], "limits": {"cpu": "x", "wall": "y"}},
        "namespaces": {"matchExpressions": [{"key": "a", "operator": "is"}]},
    });
    let InvalidPlugin(mistakes) = read("a", spec).unwrap_err();
    let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.source.file.path",
            "spec.grant.hosts[0]",
            "spec.grant.limits.cpu",
            "spec.grant.limits.wall",
            "spec.namespaces",
            "spec.backendTypes[0]",
        ]
    );
    assert!(InvalidPlugin(mistakes).to_string().ends_with(" (and 1 more)"));
}

#[test]
fn a_spec_that_cannot_be_read_is_one_mistake() {
    assert_eq!(
        mistake("a", json!({"source": "x"})),
        "spec: it cannot be read: invalid type: string \"x\", expected struct PluginSource; write it as `kubectl explain \
         backendplugin.spec` says"
    );
}

#[test]
fn namespaces_are_selected_by_labels_and_an_empty_selector_selects_all() {
    let namespaces = |selector: Json| {
        let spec = json!({"source": {"builtin": "secrets-manager"}, "namespaces": selector});
        read("a", spec).unwrap().namespaces
    };
    assert_eq!(
        namespaces(json!({"matchLabels": {"team": "a"}})).unwrap().to_string(),
        "team=a"
    );
    assert_eq!(namespaces(json!({})), None);
}

#[test]
fn other_sources_and_what_they_must_be() {
    let of = |spec: Json| read("a", spec).unwrap();
    let entry = of(json!({"source": {"configMap": {"name": "plugins"}}}));
    assert_eq!(entry.source.to_string(), "configMap plugins/plugin.wasm");
    let digest = format!("sha256:{}", "0".repeat(64));
    let spec = of(json!({
        "source": {"oci": {"image": format!("ghcr.io/acme/store:1@{digest}"), "pullSecret": "pull", "plainHttp": true}},
        "verify": {"digest": digest},
    }));
    let Source::Oci(image) = &spec.source else {
        panic!("{:?}", spec.source)
    };
    assert_eq!((image.pull_secret.as_deref(), image.plain_http), (Some("pull"), true));
    assert_eq!(spec.demands.digest.unwrap().as_str(), digest);
    for (spec, wanted) in [
        (
            json!({"source": {"configMap": {"name": ""}}}),
            "spec.source.configMap.name: it is missing",
        ),
        (
            json!({"source": {"oci": {"image": "acme/store"}}}),
            "spec.source.oci.image: \"acme/store\" names no registry",
        ),
        (
            json!({"source": {"oci": {"image": "a.io/b:1", "caBundle": "x"}}}),
            "spec.source.oci.caBundle: it holds no certificate",
        ),
        (
            json!({"source": {"builtin": "secrets-manager"}, "verify": {"digest": "md5:0"}}),
            "spec.verify.digest: \"md5:0\" is no digest",
        ),
        (
            json!({"source": {"builtin": "secrets-manager"}, "verify": {"cosignKeys": ["x"]}}),
            "spec.verify.cosignKeys[0]: ",
        ),
    ] {
        let error = mistake("a", spec);
        assert!(error.starts_with(wanted), "{error}\nshould begin {wanted}");
    }
}
