//! Reading objects, whatever an older or stranger hand wrote into them.

use super::*;
use serde_json::json;

fn object(value: Json) -> ExternalSecret {
    serde_json::from_value(value).unwrap()
}

fn with_spec(spec: Json) -> ExternalSecret {
    object(
        json!({ "apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": { "name": "a" }, "spec": spec }),
    )
}

#[test]
fn a_manifest_of_kes_is_read_in_full() {
    let object = with_spec(json!({
        "backendType": "secretsManager", "controllerId": "one", "type": "kubernetes.io/tls",
        "template": { "metadata": { "labels": { "a": "b" } } },
        "data": [{ "key": "k", "name": "n", "property": "", "isBinary": true, "versionStage": "AWSPREVIOUS", "versionId": "v" }, { "path": "/p", "recursive": true }],
        "dataFrom": ["x"],
        "dataFromWithOptions": [{ "key": "y", "versionStage": "s", "isBinary": false }],
        "roleArn": "arn:aws:iam::1:role/a", "region": "eu-west-1",
    }));
    let spec = &object.spec;
    assert_eq!(spec.malformed, None);
    assert_eq!(
        (spec.backend_type.as_str(), object.controller_id(), object.secret_type()),
        ("secretsManager", Some("one"), "kubernetes.io/tls")
    );
    assert_eq!(spec.data[0].property.as_deref(), Some(""));
    assert_eq!(spec.data[0].is_binary, Some(true));
    assert_eq!(
        Json::from(spec.data[0].fixed_options()),
        json!({ "versionStage": "AWSPREVIOUS", "versionId": "v" })
    );
    assert_eq!(
        (spec.data[1].path.as_deref(), spec.data[1].recursive),
        (Some("/p"), Some(true))
    );
    assert_eq!(spec.data_from, ["x"]);
    assert_eq!(
        Json::from(spec.data_from_with_options[0].fixed_options()),
        json!({ "versionStage": "s" })
    );
    assert_eq!(spec.role_arn.as_deref(), Some("arn:aws:iam::1:role/a"));
    assert_eq!(Json::from(spec.fixed_settings()), json!({ "region": "eu-west-1" }));
}

#[test]
fn fixed_fields_are_handed_on_under_their_names() {
    let object = with_spec(json!({
        "backendType": "x", "dataFrom": [], "region": "r", "vaultRole": "vr", "vaultMountPoint": "m", "kvVersion": 1,
        "keyVaultName": "kv", "projectId": "p", "keyByName": false,
        "data": [{ "key": "k", "name": "n", "version": 3, "secretType": "arbitrary" }, { "key": "k", "name": "n", "version": "3" }],
    }));
    assert_eq!(
        Json::from(object.spec.fixed_settings()),
        json!({ "region": "r", "vaultRole": "vr", "vaultMountPoint": "m", "kvVersion": 1, "keyVaultName": "kv", "projectId": "p", "keyByName": false })
    );
    assert_eq!(
        Json::from(object.spec.data[0].fixed_options()),
        json!({ "version": "3", "secretType": "arbitrary" })
    );
    assert_eq!(
        Json::from(object.spec.data[1].fixed_options()),
        json!({ "version": "3" })
    );
    assert_eq!(DataItem::default().fixed_options().len(), 0);
}

#[test]
fn nothing_in_the_api_server_fails_to_be_read() {
    for value in [
        json!({ "metadata": { "name": "a" } }),
        json!({ "metadata": { "name": "a" }, "spec": null }),
        json!({ "metadata": { "name": "a" }, "spec": "x" }),
        json!({ "metadata": { "name": "a" }, "spec": [] }),
        json!({ "metadata": { "name": "a" }, "spec": { "backendType": 1 } }),
        json!({ "metadata": { "name": "a" }, "spec": { "backendType": "x", "data": { "key": "k" } } }),
        json!({ "metadata": { "name": "a" }, "spec": { "backendType": "x", "data": [1] } }),
        json!({ "metadata": { "name": "a" }, "spec": { "backendType": "x", "target": { "creationPolicy": "Steal" } } }),
        json!({ "metadata": { "name": "a" }, "spec": { "backendType": "x", "kvVersion": 2.5 } }),
        json!({ "metadata": { "name": "a" }, "secretDescriptor": { "backendType": "secretManager" } }),
    ] {
        let object = object(value.clone());
        assert_eq!(object.metadata.name.as_deref(), Some("a"));
        let why = object.spec.malformed.unwrap_or_else(|| panic!("{value}"));
        assert!(!why.is_empty() && object.spec.data.is_empty(), "{value}");
    }
}

#[test]
fn what_is_missing_or_unknown_or_null_is_no_fault() {
    let object = with_spec(
        json!({ "backendType": "x", "roleArn": null, "data": [{ "key": "k", "name": "n", "unknown": 1 }], "properties": [] }),
    );
    assert_eq!(object.spec.malformed, None);
    assert_eq!(object.spec.data.len(), 1);
}

#[test]
fn a_status_of_any_shape_is_read() {
    let status = |status: Json| {
        object(json!({ "metadata": {}, "spec": { "backendType": "x" }, "status": status }))
            .status
            .unwrap_or_default()
    };
    let of_kes =
        status(json!({ "lastSync": "2022-05-28T00:00:00.000Z", "status": "SUCCESS", "observedGeneration": 3.0 }));
    assert_eq!(
        (of_kes.observed_generation, of_kes.status.as_deref()),
        (Some(3), Some("SUCCESS"))
    );
    assert_eq!(status(json!({ "observedGeneration": 4 })).observed_generation, Some(4));
    for odd in [
        json!(null),
        json!("x"),
        json!([]),
        json!({ "conditions": "x" }),
        json!({ "lastSync": 1 }),
        json!({ "conditions": [{ "type": "Ready" }] }),
    ] {
        assert_eq!(status(odd), ExternalSecretStatus::default());
    }
}

#[test]
fn a_status_is_written_as_it_was_read() {
    let written = json!({
        "lastSync": "2022-05-28T00:00:00.000Z", "status": "SUCCESS", "observedGeneration": 3, "observedRefresh": "1", "rolledOutRevision": 2,
        "conditions": [{ "type": "Ready", "status": "True", "reason": "Synced", "message": "", "lastTransitionTime": "2022-05-28T00:00:00Z", "observedGeneration": 3 }],
    });
    let status: ExternalSecretStatus = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(status.ready().map(|ready| ready.reason.as_str()), Some("Synced"));
    assert_eq!(serde_json::to_value(&status).unwrap(), written);
    assert_eq!(
        serde_json::to_value(ExternalSecretStatus::default()).unwrap(),
        json!({})
    );
}

#[test]
fn a_spec_is_written_as_it_was_read() {
    let spec = json!({
        "backendType": "vault", "data": [{ "key": "k", "name": "n", "version": 3, "options": { "a": [1.5] } }], "refreshInterval": 0,
        "target": { "creationPolicy": "Adopt" }, "rollout": [{ "kind": "Deployment", "name": "d" }], "config": { "b": { "c": null } },
    });
    let written = serde_json::to_value(with_spec(spec.clone())).unwrap();
    assert_eq!(
        written,
        json!({ "apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": { "name": "a" }, "spec": spec })
    );
}

#[test]
fn the_type_of_the_template_wins_and_is_not_rendered() {
    let of = |spec: Json| with_spec(spec).secret_type().to_owned();
    assert_eq!(of(json!({})), "Opaque");
    assert_eq!(of(json!({ "type": "a" })), "a");
    assert_eq!(
        of(json!({ "type": "a", "template": { "type": "<%= b %>" } })),
        "<%= b %>"
    );
    assert_eq!(of(json!({ "type": "", "template": { "type": "" } })), "Opaque");
    assert_eq!(of(json!({ "type": "a", "template": { "type": 1 } })), "a");
}

#[test]
fn an_interval_is_a_duration_or_zero() {
    let of = |interval: Json| with_spec(json!({ "backendType": "x", "refreshInterval": interval })).refresh_interval();
    assert_eq!(with_spec(json!({ "backendType": "x" })).refresh_interval(), Ok(None));
    assert_eq!(of(json!("1h")), Ok(Some(Duration::from_secs(3600))));
    assert_eq!(of(json!(0)), Ok(Some(Duration::ZERO)));
    assert_eq!(of(json!("0")), Ok(Some(Duration::ZERO)));
    assert!(of(json!(10)).is_err() && of(json!(-1)).is_err() && of(json!("soon")).is_err());
}

#[test]
fn an_empty_controller_id_is_none() {
    assert_eq!(with_spec(json!({ "controllerId": "" })).controller_id(), None);
    assert_eq!(with_spec(json!({ "controllerId": "a" })).controller_id(), Some("a"));
}

#[test]
fn the_refresh_annotation_is_read() {
    let object = object(
        json!({ "metadata": { "annotations": { "externalsecrets.kubernetes-client.io/refresh": "7" } }, "spec": {} }),
    );
    assert_eq!(object.refresh_token(), Some("7"));
    assert_eq!(with_spec(json!({})).refresh_token(), None);
}

#[test]
fn fields_that_are_not_served_are_named() {
    let of = |spec: Json| crate::unserved_fields(&with_spec(spec));
    let served = json!({
        "backendType": "x", "data": [{ "path": "/p", "options": {} }], "dataFrom": ["k"], "roleArn": "r", "region": "r", "config": {}, "type": "t",
        "refreshInterval": "1h", "controllerId": "c", "target": { "creationPolicy": "Owner", "onImmutable": "Fail" },
        "template": { "type": "t", "metadata": { "labels": {}, "creationTimestamp": null } }, "rollout": [], "serviceAccountName": "",
    });
    assert_eq!(of(served), [""; 0]);
    assert_eq!(
        of(json!({ "template": { "metadata": { "labels": { "a": "b" } } } })),
        ["spec.template"]
    );
    assert_eq!(
        of(json!({ "template": { "stringData": { "a": "" } } })),
        ["spec.template"]
    );
    for policy in ["Adopt", "Merge", "Orphan"] {
        assert_eq!(
            of(json!({ "target": { "creationPolicy": policy } })),
            ["spec.target.creationPolicy"]
        );
    }
    assert_eq!(
        of(
            json!({ "template": { "immutable": true }, "target": { "onImmutable": "Recreate" }, "rollout": [{ "kind": "Deployment", "name": "d" }], "serviceAccountName": "s" })
        ),
        ["spec.template", "spec.target.onImmutable", "spec.rollout"]
    );
}
