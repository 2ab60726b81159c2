//! A plugin's JSON Schema, made safe to use.
//!
//! The schema comes out of the sandbox, so it is untrusted input to a schema compiler that runs in the
//! host. A few hundred bytes of `$ref` that refer to each other twice describe an exponentially large
//! schema, and a `$ref` to itself one that never ends; so before anything is compiled, references are
//! followed and counted ([`walk`]). Patterns run in an engine that takes linear time.
//!
//! The document is a tenant's. A schema that is applied to each of its members takes a step for each, and a
//! compiler that is asked what is wrong makes an error of each step: so the product is bounded, and what is wrong
//! is only asked where the answer is small.

use std::collections::BTreeMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value as Json};

mod roles;
mod walk;

use roles::Marks;
use walk::walk;

/// Bytes of settings or options as JSON text.
const MAX_DOCUMENT: usize = 64 << 10;
/// Bytes that one compiled pattern may take.
const MAX_PATTERN: usize = 256 << 10;
/// Size of the schema times values of the document. At most 20 ns each: 40 ms.
const MOST_STEPS: usize = 2 << 20;
/// Up to so many steps everything that is wrong is told: at most as many errors of some 300 bytes.
const TOLD_STEPS: usize = 100_000;
/// Errors that are told.
const MOST_VIOLATIONS: usize = 8;

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
    /// The document is too large for its mistakes to be told one by one.
    pub unread: bool,
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
    marks: Marks,
    /// Steps that looking at one value takes at most.
    size: usize,
    validator: Validator,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    ///
    /// When it is no schema, or one that is refused here.
    pub fn new(schema: &Map<String, Json>) -> Result<Self, SchemaError> {
        let members = schema;
        let schema = Json::Object(members.clone());
        let walked = walk(members, &schema)?;
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
            properties: walked.properties,
            marks: walked.marks,
            size: walked.size,
            validator,
        })
    }

    /// Who may set the property; `None` when the schema does not name it.
    #[must_use]
    pub fn scope(&self, property: &str) -> Option<Scope> {
        self.properties.get(property).copied()
    }

    /// The roles that an object asks for with these members: every text below what the schema marks with
    /// `"x-keyhole-claim": "role"`, at any depth, and below the members that are called as KES's roles, marked or
    /// not. What the schema does not name reaches no plugin.
    pub fn roles(&self, given: &Map<String, Json>) -> impl Iterator<Item = String> + use<> {
        let named = given.iter().filter(|(name, _)| self.properties.contains_key(*name));
        self.marks.roles(named, self.size).into_iter()
    }

    /// The names of all properties of the top level.
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }

    /// Everything that is wrong in a document, at most eight; of a large one only that something is.
    #[must_use]
    pub fn violations(&self, document: &Map<String, Json>) -> Vec<Violation> {
        let document = Json::Object(document.clone());
        let size = document.to_string().len();
        if size > MAX_DOCUMENT {
            return vec![whole(format!("takes {size} bytes, more than {MAX_DOCUMENT}"))];
        }
        let values = nodes(&document);
        let steps = values.saturating_mul(self.size);
        if steps > MOST_STEPS {
            let most = MOST_STEPS / self.size;
            return vec![whole(format!(
                "has {values} values, more than the {most} that the plugin's schema can be applied to"
            ))];
        }
        if self.validator.is_valid(&document) {
            return Vec::new();
        }
        if steps > TOLD_STEPS {
            return vec![whole(format!(
                "is not what the plugin's schema asks for; of its {values} values nobody can tell which"
            ))];
        }
        self.validator
            .iter_errors(&document)
            .take(MOST_VIOLATIONS)
            .map(|error| {
                let path = error.instance_path().to_string();
                let missing = match error.kind() {
                    jsonschema::error::ValidationErrorKind::Required { property } if path.is_empty() => {
                        property.as_str().map(str::to_owned)
                    }
                    _ => None,
                };
                Violation {
                    unread: false,
                    missing,
                    message: cut(&error.to_string()),
                    masked: cut(&error.masked().to_string()),
                    path,
                }
            })
            .collect()
    }
}

/// What is wrong with a document as a whole.
fn whole(message: String) -> Violation {
    Violation {
        path: String::new(),
        unread: true,
        missing: None,
        masked: message.clone(),
        message,
    }
}

/// Values in a value, itself included.
fn nodes(value: &Json) -> usize {
    1 + match value {
        Json::Array(items) => items.iter().map(nodes).sum(),
        Json::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
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
mod tests;
