//! Follows every reference of a schema once per place that uses it, as a compiler would, and counts.
//!
//! What the compiler makes of a schema and what is counted here must be the same schema, or a few hundred bytes
//! pass and become gigabytes. So a map of schemas (`properties`, `patternProperties`, ...) is never taken for a
//! schema itself, whatever its keys are called, and nothing is let through that makes a reference mean more than
//! its text: identifiers, anchors, another draft below the root, escapes of URLs.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::roles::Marks;
use super::{SchemaError, Scope, cut};

/// Nodes of a schema once every reference is followed. The largest built-in schema has about 20.
pub(super) const MAX_NODES: usize = 2048;
/// Nesting of a schema once every reference is followed.
const MAX_DEPTH: usize = 48;
/// Values in `const`, `enum` and `required` once every reference is followed; a text counts by its length too.
const MAX_VALUES: usize = 64 << 10;
/// Patterns in a schema once every reference is followed: at [`super::MAX_PATTERN`] each, 16 MiB.
const MAX_PATTERNS: usize = 64;
/// Keywords that would make the meaning of a reference depend on more than its text.
pub(super) const REFUSED: [&str; 6] = [
    "$dynamicRef",
    "$recursiveRef",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$vocabulary",
];
/// What `$schema` may say: drafts in which a plain `id` identifies nothing.
const DRAFTS: [&str; 4] = [
    "draft/2020-12/schema",
    "draft/2019-09/schema",
    "draft-07/schema",
    "draft-06/schema",
];

/// The annotation by which a schema says that a text is the name of a role.
const CLAIM: &str = "x-keyhole-claim";

/// What a schema is, every reference followed.
pub(super) struct Walked {
    /// The properties of the top level.
    pub(super) properties: BTreeMap<String, Scope>,
    /// Where roles are.
    pub(super) marks: Marks,
    /// Steps that looking at one value takes at most.
    pub(super) size: usize,
}

/// Looks at a whole schema.
pub(super) fn walk(schema: &Map<String, Json>, root: &Json) -> Result<Walked, SchemaError> {
    if let Some(draft) = schema.get("$schema").and_then(Json::as_str) {
        let name = draft.split_once("://json-schema.org/").map_or(draft, |(_, name)| name);
        if !DRAFTS.contains(&name.trim_end_matches('#')) {
            return Err(SchemaError::Refused(format!(
                "is written in {}, not in JSON Schema 2020-12",
                cut(draft)
            )));
        }
    }
    schema.values().try_for_each(plain)?;
    let mut walk = Walk {
        root,
        open: Vec::new(),
        nodes: 0,
        values: 0,
        patterns: 0,
        properties: BTreeMap::new(),
    };
    let marks = walk.visit(root, 0, true)?;
    Ok(Walked {
        properties: walk.properties,
        marks,
        size: walk.nodes + walk.values,
    })
}

/// Refuses what moves references, also where nothing refers to it: a compiler registers it all the same.
fn plain(node: &Json) -> Result<(), SchemaError> {
    match node {
        Json::Array(items) => items.iter().try_for_each(plain),
        Json::Object(members) => {
            let moves = |name: &&str| members.get(*name).is_some_and(Json::is_string);
            match REFUSED.iter().chain(&["$schema"]).copied().find(moves) {
                Some(keyword) => Err(refused(keyword)),
                None => members.values().try_for_each(plain),
            }
        }
        _ => Ok(()),
    }
}

fn refused(keyword: &str) -> SchemaError {
    SchemaError::Refused(format!("uses {keyword}, which is not supported"))
}

struct Walk<'a> {
    root: &'a Json,
    /// References that are being followed.
    open: Vec<&'a str>,
    nodes: usize,
    values: usize,
    patterns: usize,
    properties: BTreeMap<String, Scope>,
}

impl<'a> Walk<'a> {
    /// `top`: the node describes the document itself, not a member of it.
    fn visit(&mut self, node: &'a Json, depth: usize, top: bool) -> Result<Marks, SchemaError> {
        self.count(depth)?;
        match node {
            Json::Array(items) => {
                let mut marks = Marks::default();
                for item in items {
                    marks.same(self.visit(item, depth + 1, top)?);
                }
                Ok(marks)
            }
            Json::Object(members) => self.schema(members, depth, top),
            _ => Ok(Marks::default()),
        }
    }

    fn count(&mut self, depth: usize) -> Result<(), SchemaError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(SchemaError::Refused(format!(
                "is too large once its references are followed: at most {MAX_NODES} nodes, {MAX_DEPTH} deep"
            )));
        }
        Ok(())
    }

    fn schema(&mut self, members: &'a Map<String, Json>, depth: usize, top: bool) -> Result<Marks, SchemaError> {
        if let Some(keyword) = REFUSED.iter().find(|keyword| members.contains_key(**keyword)) {
            return Err(refused(keyword));
        }
        self.patterns += usize::from(members.contains_key("pattern"));
        self.patterns += members
            .get("patternProperties")
            .and_then(Json::as_object)
            .map_or(0, Map::len);
        if self.patterns > MAX_PATTERNS {
            return Err(SchemaError::Refused(format!("has more than {MAX_PATTERNS} patterns")));
        }
        let mut marks = Marks::default();
        if let Some(Json::String(reference)) = members.get("$ref") {
            marks.same(self.follow(reference, depth, top)?);
        }
        for (name, member) in members {
            let below = depth + 1;
            match name.as_str() {
                // Not looked at again, or read by people alone.
                "$ref" | "default" | "examples" => {}
                // Visited where it is referred to; unused definitions are not compiled.
                "$defs" | "definitions" => {}
                "const" | "enum" | "required" | "dependentRequired" => self.value(member)?,
                CLAIM if member == "role" => marks.mark(),
                CLAIM => {
                    let claim = cut(&member.to_string());
                    return Err(SchemaError::Refused(format!(
                        "says {CLAIM}: {claim}; only \"role\" is known"
                    )));
                }
                "properties" => self.properties(member, below, top, &mut marks)?,
                "patternProperties" => self.map(member, below, |below| marks.any(below))?,
                "dependentSchemas" | "dependencies" => self.map(member, below, |below| marks.same(below))?,
                "allOf" | "anyOf" | "oneOf" | "if" | "then" | "else" => marks.same(self.visit(member, below, top)?),
                "not" => marks.same(self.visit(member, below, false)?),
                "additionalProperties" => marks.others(self.visit(member, below, false)?),
                "items"
                | "prefixItems"
                | "additionalItems"
                | "contains"
                | "unevaluatedItems"
                | "unevaluatedProperties" => marks.any(self.visit(member, below, false)?),
                // Of a keyword that is not known nobody can say what it is about, and so not whether a role is judged.
                _ => {
                    if self.visit(member, below, false)?.has_marks() {
                        return Err(SchemaError::Refused(format!(
                            "uses {CLAIM} below {}, where it is not judged",
                            cut(name)
                        )));
                    }
                }
            }
        }
        Ok(marks)
    }

    /// A map whose values are schemas and whose keys are anything.
    fn map(&mut self, member: &'a Json, depth: usize, mut add: impl FnMut(Marks)) -> Result<(), SchemaError> {
        self.count(depth)?;
        for schema in member.as_object().into_iter().flat_map(Map::values) {
            add(self.visit(schema, depth + 1, false)?);
        }
        Ok(())
    }

    fn properties(&mut self, member: &'a Json, depth: usize, top: bool, marks: &mut Marks) -> Result<(), SchemaError> {
        for (name, schema) in member.as_object().into_iter().flatten() {
            if top {
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
            marks.named(name, self.visit(schema, depth + 1, false)?);
        }
        Ok(())
    }

    /// Data that the compiler copies and values are compared with.
    fn value(&mut self, value: &Json) -> Result<(), SchemaError> {
        self.values += 1;
        match value {
            Json::String(text) => self.values += text.len() / 32,
            Json::Array(items) => items.iter().try_for_each(|item| self.value(item))?,
            Json::Object(members) => members.values().try_for_each(|member| self.value(member))?,
            _ => {}
        }
        if self.values > MAX_VALUES {
            return Err(SchemaError::Refused(format!(
                "has more than {MAX_VALUES} values in const, enum and required once its references are followed"
            )));
        }
        Ok(())
    }

    fn follow(&mut self, reference: &'a str, depth: usize, top: bool) -> Result<Marks, SchemaError> {
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(SchemaError::Refused(format!(
                "refers to {}; only local references are allowed",
                cut(reference)
            )));
        };
        if pointer.contains('%') {
            return Err(SchemaError::Refused(format!(
                "refers to {}; write names of definitions without %",
                cut(reference)
            )));
        }
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
