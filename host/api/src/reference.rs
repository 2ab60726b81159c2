//! The fields of our objects for people: what each means, its default, and how it is written.
//!
//! Meaning and type are those of the CustomResourceDefinition, so the page cannot say something else than
//! `kubectl explain`. What the schema has no place for stands in one table here. Examples are not put into the
//! schema itself, which is to stay KES's.

mod backend_plugin;
mod fields;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value as Json, json};

use crate::crd::{backend_plugin_crd, external_secret_crd};
use crate::external_secret::ExternalSecret;
use crate::unserved::unserved_fields;

use fields::FIELDS;

/// The backends that KES's fields are for, as descriptions name them.
const BACKENDS: [&str; 8] = [
    "secretsManager",
    "systemManager",
    "vault",
    "azureKeyVault",
    "gcpSecretsManager",
    "alicloudSecretsManager",
    "ibmcloudSecretsManager",
    "akeyless",
];

/// What the table says of a field.
struct Entry {
    /// As in `spec.data[].key`.
    path: &'static str,
    /// What holds when it is absent.
    default: &'static str,
    /// YAML below `spec` or `status`.
    example: &'static str,
}

/// A field as it is shown.
#[derive(Clone, Debug)]
pub struct Field {
    /// As in `spec.data[].key`.
    pub path: &'static str,
    /// E.g. `array of string`.
    pub kind: String,
    /// What holds when it is absent.
    pub default: &'static str,
    /// The backends that look at it; empty when all do.
    pub backends: Vec<&'static str>,
    /// One paragraph.
    pub meaning: String,
    /// Whether this version serves the example.
    pub is_served: bool,
    /// YAML from `spec` or `status` on.
    pub example: String,
}

/// All fields of an ExternalSecret, in the order in which to show them. A field that the schema has lost is left
/// out, and a test fails.
#[must_use]
pub fn fields() -> Vec<Field> {
    described(FIELDS, &schema(external_secret_crd()), is_served)
}

/// The same of a BackendPlugin.
#[must_use]
pub fn backend_plugin_fields() -> Vec<Field> {
    described(backend_plugin::FIELDS, &schema(backend_plugin_crd()), |_| true)
}

fn described(entries: &[Entry], schema: &Json, is_served: fn(&Entry) -> bool) -> Vec<Field> {
    entries
        .iter()
        .filter_map(|entry| describe(entry, at(schema, entry.path)?, is_served))
        .collect()
}

fn schema(crd: CustomResourceDefinition) -> Json {
    let version = crd.spec.versions.into_iter().next();
    let schema = version.and_then(|version| version.schema?.open_api_v3_schema);
    serde_json::to_value(schema).unwrap_or_default()
}

/// The schema of the field at `path`.
fn at<'s>(schema: &'s Json, path: &str) -> Option<&'s Map<String, Json>> {
    let found = path.split('.').try_fold(schema, |schema, step| {
        let name = step.strip_suffix("[]").unwrap_or(step);
        let field = schema.get("properties")?.get(name)?;
        if name == step { Some(field) } else { field.get("items") }
    });
    found?.as_object()
}

fn describe(entry: &Entry, schema: &Map<String, Json>, is_served: fn(&Entry) -> bool) -> Option<Field> {
    let (meaning, backends) = split_backends(schema.get("description")?.as_str()?);
    Some(Field {
        path: entry.path,
        kind: kind(schema),
        default: entry.default,
        backends,
        meaning,
        is_served: is_served(entry),
        example: example(entry),
    })
}

/// The example from its root on.
fn example(entry: &Entry) -> String {
    let (root, _) = entry.path.split_once('.').unwrap_or((entry.path, ""));
    let lines = entry.example.lines().map(|line| format!("  {line}\n"));
    format!("{root}:\n{}", lines.collect::<String>())
}

fn is_served(entry: &Entry) -> bool {
    let Ok(Json::Object(mut members)) = serde_saphyr::from_str::<Json>(&example(entry)) else {
        return true;
    };
    members.insert("metadata".to_owned(), json!({}));
    let object: Option<ExternalSecret> = serde_json::from_value(Json::Object(members)).ok();
    object.is_none_or(|object| !unserved_fields(&object).contains(&entry.path))
}

/// The last sentence of a description names the backends that the field is for.
fn split_backends(description: &str) -> (String, Vec<&'static str>) {
    let (meaning, sentence) = match description.rsplit_once(". For ") {
        Some((meaning, sentence)) => (format!("{meaning}."), sentence),
        None => return (description.to_owned(), Vec::new()),
    };
    let words: Vec<_> = sentence
        .trim_end_matches('.')
        .split(',')
        .map(|word| word.trim())
        .collect();
    let named = |word: &&str| BACKENDS.iter().find(|backend| *backend == word).copied();
    let backends: Vec<_> = words.iter().filter_map(named).collect();
    if backends.is_empty() {
        (description.to_owned(), backends)
    } else if backends.len() == words.len() {
        (meaning, backends)
    } else {
        (description.to_owned(), backends)
    }
}

fn kind(schema: &Map<String, Json>) -> String {
    let number = |name: &str| schema.get(name).and_then(Json::as_f64);
    if schema.contains_key("x-kubernetes-int-or-string") {
        return "integer or string".to_owned();
    }
    let kind = schema.get("type").and_then(Json::as_str).unwrap_or("any");
    match kind {
        "array" => {
            let items = schema.get("items").and_then(Json::as_object);
            format!("array of {}", items.map_or_else(|| "any".to_owned(), kind_of_item))
        }
        "object" if schema.contains_key("x-kubernetes-preserve-unknown-fields") => {
            "object with members of your choice".to_owned()
        }
        "object" if schema.contains_key("additionalProperties") => {
            let members = schema.get("additionalProperties").and_then(Json::as_object);
            format!("map of {}", members.map_or_else(|| "any".to_owned(), kind_of_item))
        }
        _ => match (
            schema.get("enum").and_then(Json::as_array),
            number("minimum"),
            number("maximum"),
        ) {
            (Some(allowed), ..) => {
                let names: Vec<_> = allowed.iter().filter_map(Json::as_str).collect();
                format!("{kind}, one of `{}`", names.join("`, `"))
            }
            (None, Some(least), Some(most)) => format!("{kind}, {least} to {most}"),
            (None, Some(least), None) => format!("{kind}, {least} or more"),
            _ => kind.to_owned(),
        },
    }
}

fn kind_of_item(schema: &Map<String, Json>) -> String {
    match kind(schema).as_str() {
        "object" => "objects".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests;
