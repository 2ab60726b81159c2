//! `keyhole convert`: manifests of the shapes that kubernetes-external-secrets had first, in today's form.
//!
//! The API server refuses them (no CustomResourceDefinition can have two names for one field), so whoever
//! still has them in a repository needs them rewritten, not served. Only what has another name is touched, so
//! that the difference can be reviewed; everything that is no ExternalSecret is passed through.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Map, Value as Json};

use crate::args::ConvertArgs;
use crate::render::read;
use crate::text;

/// Prints the converted documents.
pub fn run(args: ConvertArgs) -> anyhow::Result<ExitCode> {
    let ConvertArgs { file } = args;
    let mut printed = String::new();
    for document in read::documents_in(&file)? {
        if document.is_null() {
            continue;
        }
        let yaml = serde_saphyr::to_string(&converted(document)).context("a document cannot be printed")?;
        printed.push_str("---\n");
        printed.push_str(&yaml);
    }
    text::print(&printed)
}

fn converted(document: Json) -> Json {
    let Json::Object(mut members) = document else {
        return document;
    };
    let text = |name: &str| members.get(name).and_then(Json::as_str).unwrap_or_default();
    if text("kind") == "ExternalSecret" && text("apiVersion").starts_with("kubernetes-client.io/") {
        rename(&mut members, "secretDescriptor", "spec");
        if let Some(Json::Object(spec)) = members.get_mut("spec") {
            rename(spec, "properties", "data");
            if let Some(backend) = spec
                .get_mut("backendType")
                .filter(|backend| *backend == "secretManager")
            {
                *backend = "secretsManager".into();
            }
        }
    } else if text("kind").ends_with("List")
        && let Some(Json::Array(items)) = members.get_mut("items")
    {
        for item in items {
            *item = converted(item.take());
        }
    }
    Json::Object(members)
}

/// Gives a member its later name. Where both are there, the later one counts, as in KES.
fn rename(members: &mut Map<String, Json>, earlier: &str, later: &str) {
    if let Some(value) = members.remove(earlier)
        && members.get(later).is_none_or(Json::is_null)
    {
        members.insert(later.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(members: Json) -> Json {
        let mut object =
            json!({"apiVersion": "kubernetes-client.io/v1", "kind": "ExternalSecret", "metadata": {"name": "db"}});
        object
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        object
    }

    #[test]
    fn earlier_names_become_todays() {
        let entries = json!([{"key": "k", "name": "n", "property": "p"}]);
        let oldest = object(json!({"secretDescriptor": {"backendType": "secretManager", "properties": entries}}));
        let today = object(json!({"spec": {"backendType": "secretsManager", "data": entries}}));
        assert_eq!(converted(oldest), today);
        let list = |item: Json| json!({"apiVersion": "v1", "kind": "List", "items": [item, {"kind": "Pod"}]});
        let between = object(json!({"spec": {"backendType": "secretsManager", "properties": entries}}));
        assert_eq!(converted(list(between)), list(today));
    }

    #[test]
    fn where_both_names_are_there_the_later_one_counts() {
        let both = object(json!({
            "spec": {"backendType": "vault", "data": [1], "properties": [2]}, "secretDescriptor": {"backendType": "x"}
        }));
        assert_eq!(
            converted(both),
            object(json!({"spec": {"backendType": "vault", "data": [1]}}))
        );
    }

    #[test]
    fn everything_else_is_passed_through() {
        for other in [
            object(json!({"spec": {"backendType": "systemManager", "dataFrom": ["k"], "template": {"properties": 1}}})),
            json!({"apiVersion": "example.com/v1", "kind": "ExternalSecret", "secretDescriptor": {"properties": []}}),
            json!({"kind": "ConfigMap", "properties": 1}),
            json!("text"),
        ] {
            assert_eq!(converted(other.clone()), other);
        }
    }
}
