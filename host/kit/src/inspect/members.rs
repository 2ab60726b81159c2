//! The members of a settings or options document, out of its schema, as a table for people.

use keyhole_plugins::schema::{Schema, Scope};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::words;

/// References that are followed for one member: the schema was checked to have no cycles.
const REFERENCES: usize = 8;

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its type in a few words.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// `object` when the author of an ExternalSecret may set it, `administrator` otherwise.
    pub set_by: &'static str,
    /// What its author says about it.
    pub description: String,
    /// Its default as JSON, if the schema names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// The members of a document, by name.
pub(super) fn members(schema: &Map<String, Json>, compiled: &Schema) -> Vec<Member> {
    let root = Json::Object(schema.clone());
    let required = schema.get("required").and_then(Json::as_array);
    let is_required = |name: &str| required.is_some_and(|required| required.iter().any(|item| item == name));
    let named = schema.get("properties").and_then(Json::as_object);
    compiled
        .properties()
        .map(|name| {
            let member = named.and_then(|named| named.get(name));
            let member = member.map(|member| resolved(&root, member));
            let text = |keyword: &str| {
                member
                    .and_then(|member| member.get(keyword))
                    .and_then(Json::as_str)
                    .map(words::line)
            };
            Member {
                name: name.to_owned(),
                kind: member.map_or_else(|| "as the schema says".to_owned(), |member| kind(&root, member)),
                required: is_required(name),
                set_by: match compiled.scope(name) {
                    Some(Scope::Object) => "object",
                    Some(Scope::Administrator) | None => "administrator",
                },
                description: text("description").or_else(|| text("title")).unwrap_or_default(),
                default: member.and_then(|member| member.get("default")).map(ToString::to_string),
            }
        })
        .collect()
}

fn resolved<'a>(root: &'a Json, mut schema: &'a Json) -> &'a Json {
    for _ in 0..REFERENCES {
        let target = schema
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|reference| root.pointer(reference.strip_prefix('#')?));
        match target {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

fn kind(root: &Json, schema: &Json) -> String {
    let schema = resolved(root, schema);
    let listed = |items: &[Json]| items.iter().map(plain).collect::<Vec<_>>().join(" or ");
    if let Some(Json::Array(allowed)) = schema.get("enum") {
        return listed(allowed);
    }
    if let Some(only) = schema.get("const") {
        return plain(only);
    }
    match schema.get("type") {
        Some(Json::String(kind)) if kind == "array" => match schema.get("items") {
            Some(items) => format!("list of {}", self::kind(root, items)),
            None => "list".to_owned(),
        },
        Some(Json::String(kind)) => words::line(kind),
        Some(Json::Array(kinds)) => listed(kinds),
        _ => ["anyOf", "oneOf"]
            .iter()
            .find_map(|keyword| schema.get(*keyword).and_then(Json::as_array))
            .map_or_else(
                || "anything".to_owned(),
                |branches| {
                    let kinds: Vec<_> = branches.iter().map(|branch| kind(root, branch)).collect();
                    kinds.join(" or ")
                },
            ),
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => words::line(text),
        other => words::line(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_becomes_a_table() {
        let schema = json!({
            "type": "object",
            "required": ["address"],
            "properties": {
                "address": {"type": "string", "description": "Where the\nserver is."},
                "version": {"enum": [1, 2], "default": 2, "description": "KV", "x-keyhole-scope": "object"},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
            "$defs": {"tag": {"type": "string"}},
        });
        let schema = schema.as_object().unwrap();
        let members = members(schema, &Schema::new(schema).unwrap());
        let row = |name: &str| members.iter().find(|member| member.name == name).unwrap().clone();
        assert_eq!(
            row("address"),
            Member {
                name: "address".into(),
                kind: "string".into(),
                required: true,
                set_by: "administrator",
                description: "Where the server is.".into(),
                default: None
            }
        );
        assert_eq!(
            (row("version").kind.as_str(), row("version").set_by),
            ("1 or 2", "object")
        );
        assert_eq!(row("version").default.as_deref(), Some("2"));
        assert_eq!(row("tags").kind, "list of string");
        assert_eq!(row("limit").kind, "integer or null");
    }
}
