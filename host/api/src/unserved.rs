//! Fields that the CustomResourceDefinition admits and this version does not serve.
//!
//! A field that is admitted and then ignored is a promise broken in silence: somebody relies on a
//! label or a restart that never comes. So every such field is named here and reported on
//! the object. Serving a field means taking its line out.

use serde_json::Value as Json;

use crate::external_secret::{CreationPolicy, ExternalSecret, OnImmutable};

/// The fields that `object` uses and that are not served, as paths, in the order of the schema.
#[must_use]
pub fn unserved_fields(object: &ExternalSecret) -> Vec<&'static str> {
    let spec = &object.spec;
    let template = spec
        .template
        .iter()
        .flatten()
        .any(|(name, value)| name != "type" && says_something(value));
    let target = spec.target.as_ref();
    let policy = target.and_then(|target| target.creation_policy).unwrap_or_default();
    let on_immutable = target.and_then(|target| target.on_immutable).unwrap_or_default();
    [
        ("spec.template", template),
        ("spec.target.creationPolicy", policy != CreationPolicy::Owner),
        ("spec.target.onImmutable", on_immutable != OnImmutable::Fail),
        ("spec.rollout", !spec.rollout.is_empty()),
    ]
    .into_iter()
    .filter_map(|(field, used)| used.then_some(field))
    .collect()
}

/// Whether a part of a template has any effect. Tools leave empty maps behind.
fn says_something(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Object(members) => members.values().any(says_something),
        Json::Array(items) => !items.is_empty(),
        _ => true,
    }
}
