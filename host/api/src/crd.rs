//! The CustomResourceDefinition, generated from the types.
//!
//! A schema that is derived from types falls short of KES's in two ways. It lets `null` stand for every
//! optional field, where the API server would otherwise drop it before it looks any further (so that
//! `data: null` is no `data`), and it cannot say "one of these". Both are made up here, so that a
//! manifest is refused exactly where KES's CRD refused it. The one exception is meant: the names of
//! backends are not listed, since plugins define them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube::CustomResourceExt as _;
use serde_json::{Map, Value as Json, json};

use crate::backend_plugin::BackendPlugin;
use crate::external_secret::ExternalSecret;

mod backend_plugin;

/// The CustomResourceDefinition of `ExternalSecret`. Use this, not `ExternalSecret::crd()`: what types
/// cannot say is missing there.
#[must_use]
pub fn external_secret_crd() -> CustomResourceDefinition {
    patched(ExternalSecret::crd(), patch_external_secret)
}

/// The CustomResourceDefinition of `BackendPlugin`. Use this, not `BackendPlugin::crd()`.
#[must_use]
pub fn backend_plugin_crd() -> CustomResourceDefinition {
    patched(BackendPlugin::crd(), backend_plugin::patch)
}

fn patched(mut crd: CustomResourceDefinition, patch: fn(Json) -> Json) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let derived = version.schema.take().and_then(|schema| schema.open_api_v3_schema);
        let patched = serde_json::to_value(derived)
            .map(patch)
            .and_then(serde_json::from_value::<JSONSchemaProps>);
        // A schema that did not survive is absent, which the API server refuses and the golden file shows.
        version.schema = patched.ok().map(|schema| CustomResourceValidation {
            open_api_v3_schema: Some(schema),
        });
    }
    crd
}

/// All CustomResourceDefinitions, in the order in which to apply them.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![external_secret_crd(), backend_plugin_crd()]
}

/// All of them as one stream of YAML documents.
///
/// # Errors
/// Never in practice: the documents are fixed.
pub fn crds_yaml() -> Result<String, serde_saphyr::ser::Error> {
    crds().iter().map(|crd| Ok(format!("---\n{}", to_yaml(crd)?))).collect()
}

/// One object as YAML in the usual style.
///
/// # Errors
/// When the object cannot be serialised.
pub fn to_yaml(object: &impl serde::Serialize) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(object)
}

fn patch_external_secret(mut schema: Json) -> Json {
    clean(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("required".into(), json!(["spec"]));
    }
    if let Some(spec) = at(&mut schema, &["properties", "spec"]) {
        spec.insert("required".into(), json!(["backendType"]));
        spec.insert(
            "anyOf".into(),
            json!([
                { "required": ["data"] },
                { "required": ["dataFrom"] },
                { "required": ["dataFromWithOptions"] },
            ]),
        );
        spec.insert(
            "oneOf".into(),
            json!([
                { "properties": { "backendType": { "enum": ["azureKeyVault"] } }, "required": ["keyVaultName"] },
                { "properties": { "backendType": { "not": { "enum": ["azureKeyVault"] } } } },
            ]),
        );
    }
    if let Some(backend_type) = at(&mut schema, &["properties", "spec", "properties", "backendType"]) {
        backend_type.remove("default");
        backend_type.insert("minLength".into(), json!(1));
    }
    if let Some(item) = at(&mut schema, &["properties", "spec", "properties", "data", "items"]) {
        item.insert(
            "oneOf".into(),
            json!([{ "required": ["key", "name"] }, { "required": ["path"] }]),
        );
    }
    if let Some(item) = at(&mut schema, &["properties", "spec", "properties", "rollout", "items"]) {
        item.insert(
            "oneOf".into(),
            json!([{ "required": ["name"] }, { "required": ["selector"] }]),
        );
    }
    conditions_by_type(&mut schema);
    schema
}

fn conditions_by_type(schema: &mut Json) {
    if let Some(conditions) = at(schema, &["properties", "status", "properties", "conditions"]) {
        conditions.insert("x-kubernetes-list-type".into(), json!("map"));
        conditions.insert("x-kubernetes-list-map-keys".into(), json!(["type"]));
    }
}

/// Takes out what a derived schema adds: `null` for optional fields, titles, number formats, defaults.
fn clean(schema: &mut Json) {
    let Json::Object(members) = schema else { return };
    for name in ["nullable", "title", "default"] {
        members.remove(name);
    }
    if members.get("format").is_some_and(|format| format != "date-time") {
        members.remove("format");
    }
    if let Some(Json::Array(allowed)) = members.get_mut("enum") {
        allowed.retain(|value| !value.is_null());
    }
    // A description is one paragraph of plain text, however the doc comment was written.
    if let Some(Json::String(description)) = members.get_mut("description") {
        *description = description
            .replace('`', "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
    }
    if let Some(Json::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(clean);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(name) {
            clean(inner);
        }
    }
}

fn at<'s>(schema: &'s mut Json, path: &[&str]) -> Option<&'s mut Map<String, Json>> {
    path.iter()
        .try_fold(schema, |inner, name| inner.get_mut(name))?
        .as_object_mut()
}

#[cfg(test)]
mod tests;
