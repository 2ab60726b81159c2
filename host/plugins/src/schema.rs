//! A plugin's JSON Schema, made safe to use.
//!
//! The schema comes out of the sandbox, so it is untrusted input to a schema compiler that runs in the
//! host. A few hundred bytes of `$ref` that refer to each other twice describe an exponentially large
//! schema, and a `$ref` to itself one that never ends; so before anything is compiled, references are
//! followed here and counted: only local ones, no cycles, at most [`MAX_NODES`] nodes. Patterns run in
//! an engine that takes linear time, and documents above [`MAX_DOCUMENT`] bytes are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value as Json};

/// Nodes of a schema once every reference is followed. The largest built-in schema has about 20.
const MAX_NODES: usize = 2048;
/// Nesting of a schema once every reference is followed.
const MAX_DEPTH: usize = 48;
/// Bytes of settings or options as JSON text.
const MAX_DOCUMENT: usize = 64 << 10;
/// Bytes that one compiled pattern may take.
const MAX_PATTERN: usize = 256 << 10;
/// Patterns in a schema once every reference is followed: with the above, 16 MiB.
const MAX_PATTERNS: usize = 64;
/// Keywords that would make the meaning of a reference depend on more than its text.
const REFUSED: [&str; 6] = [
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$vocabulary",
];

/// KES's names of roles.
const ROLES: [&str; 2] = ["roleArn", "vaultRole"];

/// Why a plugin's schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Something that is valid JSON Schema, but refused here.
    #[error("{0}")]
    Refused(String),
    /// No JSON Schema.
    #[error("is no JSON Schema: {0}")]
    Invalid(String),
}

/// Who may set a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The author of an ExternalSecret (`"x-keyhole-scope": "object"`).
    Object,
    /// The administrator alone.
    Administrator,
}

/// One thing that is wrong in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer to the member; empty for the whole document.
    pub path: String,
    /// The required property that is missing from the top level, if that is what is wrong.
    pub missing: Option<String>,
    /// What is wrong, quoting the value.
    pub message: String,
    /// What is wrong, without the value.
    pub masked: String,
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    properties: BTreeMap<String, Scope>,
    /// Properties of the top level whose value is a role.
    roles: BTreeSet<String>,
    validator: Validator,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    ///
    /// When it is no schema, or one that is refused here.
    pub fn new(schema: &Map<String, Json>) -> Result<Self, SchemaError> {
        let schema = Json::Object(schema.clone());
        let mut walk = Walk {
            root: &schema,
            open: Vec::new(),
            nodes: 0,
            patterns: 0,
            properties: BTreeMap::new(),
            roles: BTreeSet::new(),
        };
        walk.visit(&schema, 0, true)?;
        let (properties, roles) = (walk.properties, walk.roles);
        let patterns = PatternOptions::regex()
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .offline()
            .with_pattern_options(patterns)
            .build(&schema)
            .map_err(|error| SchemaError::Invalid(cut(&error.to_string())))?;
        Ok(Self {
            properties,
            roles,
            validator,
        })
    }

    /// Who may set the property; `None` when the schema does not name it.
    #[must_use]
    pub fn scope(&self, property: &str) -> Option<Scope> {
        self.properties.get(property).copied()
    }

    /// The roles that an object asks for with these members: the values of properties that the schema marks
    /// with `"x-keyhole-claim": "role"`, and of those that are called as KES's roles, marked or not. What the
    /// schema does not name reaches no plugin.
    pub fn roles<'a>(&'a self, given: &'a Map<String, Json>) -> impl Iterator<Item = String> + 'a {
        given
            .iter()
            .filter(|(name, _)| self.properties.contains_key(*name))
            .filter(|(name, _)| ROLES.contains(&name.as_str()) || self.roles.contains(*name))
            .flat_map(|(_, value)| texts(value))
    }

    /// The names of all properties of the top level.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    /// Everything that is wrong in a document, at most eight.
    #[must_use]
    pub fn violations(&self, document: &Map<String, Json>) -> Vec<Violation> {
        let document = Json::Object(document.clone());
        let size = document.to_string().len();
        if size > MAX_DOCUMENT {
            let message = format!("takes {size} bytes, more than {MAX_DOCUMENT}");
            return vec![Violation {
                path: String::new(),
                missing: None,
                masked: message.clone(),
                message,
            }];
        }
        self.validator
            .iter_errors(&document)
            .take(8)
            .map(|error| {
                let path = error.instance_path().to_string();
                let missing = match error.kind() {
                    jsonschema::error::ValidationErrorKind::Required { property } if path.is_empty() => {
                        property.as_str().map(str::to_owned)
                    }
                    _ => None,
                };
                Violation {
                    missing,
                    message: cut(&error.to_string()),
                    masked: cut(&error.masked().to_string()),
                    path,
                }
            })
            .collect()
    }
}

/// Follows every reference of a schema once per place that uses it, as a compiler would.
struct Walk<'a> {
    root: &'a Json,
    /// References that are being followed.
    open: Vec<&'a str>,
    nodes: usize,
    patterns: usize,
    properties: BTreeMap<String, Scope>,
    roles: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    /// `top`: the node describes the document itself, not a member of it.
    fn visit(&mut self, node: &'a Json, depth: usize, top: bool) -> Result<(), SchemaError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(SchemaError::Refused(format!(
                "is too large once its references are followed: at most {MAX_NODES} nodes, {MAX_DEPTH} deep"
            )));
        }
        match node {
            Json::Array(items) => items.iter().try_for_each(|item| self.visit(item, depth + 1, top)),
            Json::Object(members) => {
                if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
                    return Err(SchemaError::Refused(format!("uses {keyword}, which is not supported")));
                }
                self.patterns += usize::from(members.contains_key("pattern"));
                self.patterns += members
                    .get("patternProperties")
                    .and_then(Json::as_object)
                    .map_or(0, Map::len);
                if self.patterns > MAX_PATTERNS {
                    return Err(SchemaError::Refused(format!("has more than {MAX_PATTERNS} patterns")));
                }
                if let Some(Json::String(reference)) = members.get("$ref") {
                    self.follow(reference, depth, top)?;
                }
                for (name, member) in members {
                    match name.as_str() {
                        // Data, not schemas.
                        "$ref" | "const" | "enum" | "default" | "examples" | "required" => {}
                        // Visited where it is referred to; unused definitions are not compiled.
                        "$defs" | "definitions" => {}
                        "properties" => self.properties_of(member, depth + 1, top)?,
                        "allOf" | "anyOf" | "oneOf" | "if" | "then" | "else" => self.visit(member, depth + 1, top)?,
                        _ => self.visit(member, depth + 1, false)?,
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn properties_of(&mut self, member: &'a Json, depth: usize, top: bool) -> Result<(), SchemaError> {
        let Some(properties) = member.as_object() else {
            return Ok(());
        };
        for (name, schema) in properties {
            if top {
                // Named in several branches: marked in one of them is marked.
                if schema.get("x-keyhole-claim").and_then(Json::as_str) == Some("role") {
                    self.roles.insert(name.clone());
                }
                let opened = schema.get("x-keyhole-scope").and_then(Json::as_str) == Some("object");
                let scope = if opened { Scope::Object } else { Scope::Administrator };
                // Named in several branches: the strictest holds.
                self.properties
                    .entry(name.clone())
                    .and_modify(|known| {
                        if scope == Scope::Administrator {
                            *known = scope;
                        }
                    })
                    .or_insert(scope);
            }
            self.visit(schema, depth + 1, false)?;
        }
        Ok(())
    }

    fn follow(&mut self, reference: &'a str, depth: usize, top: bool) -> Result<(), SchemaError> {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(SchemaError::Refused(format!(
                "refers to {}; only local references are allowed",
                cut(reference)
            )));
        };
        if self.open.contains(&reference) {
            return Err(SchemaError::Refused(format!(
                "refers to itself through {}",
                cut(reference)
            )));
        }
        let Some(target) = self.root.pointer(pointer) else {
            return Err(SchemaError::Refused(format!(
                "refers to {}, which is not there",
                cut(reference)
            )));
        };
        self.open.push(reference);
        let visited = self.visit(target, depth + 1, top);
        self.open.pop();
        visited
    }
}

/// Every text in a value; what is neither text nor a list is taken as it is written.
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

/// Messages quote what a plugin or a user wrote; 200 characters tell enough.
fn cut(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(schema: Json) -> Result<Schema, SchemaError> {
        Schema::new(schema.as_object().unwrap())
    }

    fn refused(schema: Json) -> String {
        parse(schema).expect_err("refused").to_string()
    }

    #[test]
    fn scopes_come_from_the_top_level_only() {
        let schema = parse(json!({
            "properties": {
                "region": {"type": "string", "x-keyhole-scope": "object"},
                "address": {"type": "object", "properties": {"inner": {"x-keyhole-scope": "object"}}},
            },
            "allOf": [{"properties": {"stage": {"x-keyhole-scope": "object"}}}],
        }))
        .unwrap();
        assert_eq!(schema.scope("region"), Some(Scope::Object));
        assert_eq!(schema.scope("address"), Some(Scope::Administrator));
        assert_eq!(schema.scope("stage"), Some(Scope::Object));
        assert_eq!(schema.scope("inner"), None);
    }

    #[test]
    fn a_property_opened_in_one_branch_only_stays_closed() {
        let open = json!({"properties": {"a": {"x-keyhole-scope": "object"}}});
        let closed = json!({"properties": {"a": {"type": "string"}}});
        for branches in [[open.clone(), closed.clone()], [closed, open]] {
            let schema = parse(json!({"anyOf": branches})).unwrap();
            assert_eq!(schema.scope("a"), Some(Scope::Administrator));
        }
    }

    #[test]
    fn references_within_the_schema_work() {
        let schema = parse(json!({
            "properties": {"port": {"$ref": "#/$defs/port"}},
            "$defs": {"port": {"type": "integer", "maximum": 65535}},
        }))
        .unwrap();
        assert!(schema.violations(json!({"port": 80}).as_object().unwrap()).is_empty());
        let wrong = schema.violations(json!({"port": 70000}).as_object().unwrap());
        assert_eq!(wrong[0].path, "/port");
        assert!(
            wrong[0].message.contains("70000") && !wrong[0].masked.contains("70000"),
            "{wrong:?}"
        );
    }

    #[test]
    fn remote_references_are_refused() {
        assert!(refused(json!({"$ref": "https://example.com/schema"})).contains("only local references"));
        assert!(
            refused(json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}})).contains("only local references")
        );
    }

    #[test]
    fn cycles_are_refused() {
        assert!(refused(json!({"$ref": "#"})).contains("itself"));
        let cycle = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
        assert!(refused(cycle).contains("itself"));
        let recursive = json!({"properties": {"child": {"$ref": "#"}}});
        assert!(refused(recursive).contains("itself"));
    }

    #[test]
    fn a_small_schema_that_describes_a_huge_one_is_refused() {
        let mut definitions = Map::new();
        for level in 0..30 {
            let next = format!("#/$defs/d{}", level + 1);
            definitions.insert(format!("d{level}"), json!({"allOf": [{"$ref": next}, {"$ref": next}]}));
        }
        definitions.insert("d30".into(), json!({"type": "object"}));
        assert!(refused(json!({"$ref": "#/$defs/d0", "$defs": definitions})).contains("too large"));
    }

    #[test]
    fn keywords_that_move_references_are_refused() {
        for keyword in REFUSED {
            assert!(refused(json!({"properties": {"a": {keyword: "x"}}})).contains(keyword));
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        assert!(matches!(parse(json!({"type": 5})), Err(SchemaError::Invalid(_))));
        let pattern = json!({"properties": {"a": {"pattern": "(a{1000}){1000}"}}});
        assert!(matches!(parse(pattern), Err(SchemaError::Invalid(_))));
    }

    #[test]
    fn a_pattern_that_backtracks_elsewhere_takes_no_time() {
        let schema = parse(json!({"properties": {"a": {"pattern": "^(a+)+$"}}})).unwrap();
        let started = std::time::Instant::now();
        let text = format!("{}b", "a".repeat(20_000));
        assert_eq!(schema.violations(json!({"a": text}).as_object().unwrap()).len(), 1);
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    #[test]
    fn a_thousand_patterns_are_refused() {
        let properties: Map<_, _> = (0..1000)
            .map(|n| (format!("p{n}"), json!({"pattern": r"\w{500}"})))
            .collect();
        assert!(refused(json!({"properties": properties})).contains("patterns"));
    }

    #[test]
    fn a_huge_document_is_not_looked_at() {
        let schema = parse(json!({})).unwrap();
        let wrong = schema.violations(json!({"a": "x".repeat(MAX_DOCUMENT)}).as_object().unwrap());
        assert!(wrong[0].message.contains("more than"), "{wrong:?}");
    }
}
