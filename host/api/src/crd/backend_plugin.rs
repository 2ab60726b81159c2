//! What the schema of a BackendPlugin says beyond its types.
//!
//! The host checks a spec again and in more detail, since schemas change later than binaries; what is
//! refused here is refused while its author still looks. The two rules in CEL are about single objects
//! and one short list, so their cost has a bound.

use serde_json::{Map, Value as Json, json};

use super::{at, clean, conditions_by_type};

/// Where a field is, from the root of the schema on.
type Path = &'static [&'static str];

const SOURCE: Path = &["spec", "source"];
const GRANT: Path = &["spec", "grant"];
const AUTH: Path = &["spec", "grant", "auth"];

/// Names of Kubernetes objects.
const LONGEST_NAME: u32 = 253;

pub(super) fn patch(mut schema: Json) -> Json {
    clean(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("required".into(), json!(["spec"]));
    }
    conditions_by_type(&mut schema);
    let mut edit = |parents: Path, field: Path, rules: Json| {
        let path: Vec<&str> = parents.iter().chain(field).copied().collect();
        extend(&mut schema, &path, rules);
    };
    edit(&["spec"], &[], json!({ "required": ["source"] }));
    edit(&["spec"], &["backendTypes"], json!({ "maxItems": 64 }));
    edit(&["spec"], &["backendTypes", "[]"], text(63));

    edit(
        SOURCE,
        &[],
        one_of(
            "[has(self.builtin), has(self.oci), has(self.configMap), has(self.file)].exists_one(given, given)",
            "exactly one of builtin, oci, configMap and file must be set",
        ),
    );
    edit(SOURCE, &["builtin"], text(63));
    edit(SOURCE, &["oci"], json!({ "required": ["image"] }));
    edit(SOURCE, &["oci", "image"], text(1024));
    edit(SOURCE, &["oci", "pullSecret"], text(LONGEST_NAME));
    edit(SOURCE, &["configMap"], json!({ "required": ["name"] }));
    edit(SOURCE, &["configMap", "name"], text(LONGEST_NAME));
    edit(SOURCE, &["configMap", "key"], text(LONGEST_NAME));
    edit(SOURCE, &["file"], json!({ "required": ["path"] }));
    edit(SOURCE, &["file", "path"], text(1024));

    edit(
        &["spec", "verify"],
        &["digest"],
        json!({ "pattern": "^sha256:[0-9a-f]{64}$" }),
    );
    edit(&["spec", "verify"], &["cosignKeys"], json!({ "maxItems": 16 }));
    edit(&["spec", "verify"], &["cosignKeys", "[]"], text(4096));

    edit(GRANT, &["hosts"], json!({ "maxItems": 256 }));
    edit(GRANT, &["hosts", "[]"], text(300));
    edit(GRANT, &["allowPrivateAddresses"], json!({ "maxItems": 64 }));
    edit(GRANT, &["allowPrivateAddresses", "[]"], text(50));
    for size in ["memory", "responseBody", "requestBody", "value", "values"] {
        extend(
            &mut schema,
            &["spec", "grant", "limits", size],
            json!({ "pattern": "^[0-9]+(Ki|Mi|Gi|k|M|G)?$" }),
        );
    }
    for time in ["cpu", "wall"] {
        extend(
            &mut schema,
            &["spec", "grant", "limits", time],
            json!({ "pattern": r"^([0-9]*\.?[0-9]+(ms|s|m|h))+$" }),
        );
    }
    for number in ["exchanges", "concurrentCalls"] {
        extend(
            &mut schema,
            &["spec", "grant", "limits", number],
            json!({ "minimum": 1 }),
        );
    }

    let mut edit = |field: &[&'static str], rules: Json| {
        let path: Vec<&str> = AUTH.iter().chain(field).copied().collect();
        extend(&mut schema, &path, rules);
    };
    edit(&["aws"], json!({ "maxItems": 16 }));
    edit(&["aws", "[]"], json!({ "required": ["service", "actions"] }));
    edit(&["aws", "[]", "service"], text(63));
    edit(&["aws", "[]", "actions"], json!({ "minItems": 1, "maxItems": 64 }));
    edit(&["aws", "[]", "actions", "[]"], text(128));
    edit(&["headers"], json!({ "maxItems": 16 }));
    let mut header = one_of(
        "has(self.secretKeyRef) != has(self.serviceAccountToken)",
        "exactly one of secretKeyRef and serviceAccountToken must be set",
    );
    merge(&mut header, json!({ "required": ["name"] }));
    edit(&["headers", "[]"], header);
    edit(&["headers", "[]", "name"], text(128));
    edit(&["headers", "[]", "prefix"], json!({ "maxLength": 128 }));
    edit(&["headers", "[]", "hosts"], json!({ "maxItems": 64 }));
    edit(&["headers", "[]", "hosts", "[]"], text(300));
    edit(&["exposed"], json!({ "maxProperties": 16 }));
    let tokens: [Path; 2] = [&["serviceAccountToken"], &["headers", "[]", "serviceAccountToken"]];
    for token in tokens {
        edit(token, json!({ "required": ["audience"] }));
        edit(&[token, &["audience"]].concat(), text(1024));
    }
    let keys: [Path; 2] = [&["exposed", "{}"], &["headers", "[]", "secretKeyRef"]];
    for key in keys {
        edit(key, json!({ "required": ["name", "key"] }));
        edit(&[key, &["name"]].concat(), text(LONGEST_NAME));
        edit(&[key, &["key"]].concat(), text(LONGEST_NAME));
    }
    schema
}

/// A text that is not empty.
fn text(longest: u32) -> Json {
    json!({ "minLength": 1, "maxLength": longest })
}

/// A rule with a message that says what to do; `oneOf` would only say that it does not hold.
fn one_of(rule: &str, message: &str) -> Json {
    json!({ "x-kubernetes-validations": [{ "rule": rule, "message": message }] })
}

/// Adds to the schema of a field; `[]` are the items of a list, `{}` the members of a map.
fn extend(schema: &mut Json, path: &[&str], rules: Json) {
    let mut steps = Vec::with_capacity(2 * path.len());
    for step in path {
        match *step {
            "[]" => steps.push("items"),
            "{}" => steps.push("additionalProperties"),
            name => steps.extend(["properties", name]),
        }
    }
    if let Some(field) = at(schema, &steps) {
        insert(field, rules);
    }
}

fn merge(into: &mut Json, more: Json) {
    if let Json::Object(members) = into {
        insert(members, more);
    }
}

fn insert(members: &mut Map<String, Json>, more: Json) {
    if let Json::Object(more) = more {
        members.extend(more);
    }
}
