//! The reference pages: every field of the schemas is described and has an example.

use std::collections::BTreeSet;

use super::*;

/// The paths of all fields below `schema`.
fn paths(schema: &Json, prefix: &str, found: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        paths(field, &format!("{path}."), found);
        paths(&field["items"], &format!("{path}[]."), found);
        found.insert(path);
    }
}

#[test]
fn every_field_of_the_schema_is_in_the_table_once_and_nothing_else() {
    for (crd, entries, described) in [
        (external_secret_crd(), FIELDS, fields()),
        (backend_plugin_crd(), backend_plugin::FIELDS, backend_plugin_fields()),
    ] {
        let mut wanted = BTreeSet::new();
        paths(&schema(crd), "", &mut wanted);
        wanted.remove("spec");
        wanted.remove("status");
        let listed: Vec<_> = entries.iter().map(|entry| entry.path.to_owned()).collect();
        assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), wanted);
        assert_eq!(listed.len(), wanted.len(), "a field is listed twice");
        assert_eq!(described.len(), entries.len());
    }
}

#[test]
fn examples_of_a_backend_plugin_can_be_read_and_say_what_they_are_about() {
    for entry in backend_plugin::FIELDS {
        let document = document(entry);
        assert!(found(&document, entry.path).is_some(), "{}", entry.path);
        if let Some(spec) = document.get("spec") {
            let spec: crate::BackendPluginSpec = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(spec.malformed, None, "{}", entry.path);
        }
    }
}

fn document(entry: &Entry) -> Json {
    serde_saphyr::from_str(&example(entry)).unwrap_or_else(|error| panic!("{}: {error}", entry.path))
}

fn found<'d>(document: &'d Json, path: &str) -> Option<&'d Json> {
    path.split('.')
        .try_fold(document, |value, step| match step.strip_suffix("[]") {
            Some(name) => value.get(name)?.get(0),
            None => value.get(step),
        })
}

#[test]
fn examples_of_the_spec_can_be_read_and_say_what_they_are_about() {
    for entry in FIELDS {
        let document = document(entry);
        assert!(found(&document, entry.path).is_some(), "{}", entry.path);
        if document.get("spec").is_some() {
            let mut object = document.clone();
            object["metadata"] = json!({});
            let object: ExternalSecret = serde_json::from_value(object).unwrap();
            assert_eq!(object.spec.malformed, None, "{}", entry.path);
        }
    }
}

#[test]
fn what_is_not_served_is_marked() {
    let unserved: Vec<_> = fields()
        .into_iter()
        .filter(|field| !field.is_served)
        .map(|field| field.path)
        .collect();
    let wanted = [
        "spec.template",
        "spec.target.creationPolicy",
        "spec.target.onImmutable",
        "spec.rollout",
    ];
    assert_eq!(unserved, wanted);
}

#[test]
fn backends_are_taken_out_of_the_description() {
    let two = "Staging label. For secretsManager, alicloudSecretsManager.";
    assert_eq!(
        split_backends(two),
        (
            "Staging label.".to_owned(),
            vec!["secretsManager", "alicloudSecretsManager"]
        )
    );
    let more = "Name of the vault. For azureKeyVault, which requires it.";
    assert_eq!(split_backends(more), (more.to_owned(), vec!["azureKeyVault"]));
    let none = "What it is. For people.";
    assert_eq!(split_backends(none), (none.to_owned(), vec![]));
}

#[test]
fn kinds_read_like_the_schema() {
    let kinds: Vec<_> = fields().into_iter().map(|field| (field.path, field.kind)).collect();
    for (path, wanted) in [
        ("spec.backendType", "string"),
        ("spec.data", "array of objects"),
        ("spec.dataFrom", "array of string"),
        ("spec.config", "object with members of your choice"),
        ("spec.refreshInterval", "integer or string"),
        ("spec.kvVersion", "integer, 1 to 2"),
        ("spec.target.onImmutable", "string, one of `Fail`, `Recreate`"),
        ("spec.rollout[].selector.matchLabels", "map of string"),
    ] {
        assert!(kinds.contains(&(path, wanted.to_owned())), "{path}: {kinds:?}");
    }
}
