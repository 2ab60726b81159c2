//! What is asked of a store.
//!
//! Two objects that need the same thing produce equal requests; the planner relies on that to fetch
//! once for both. So options are kept as canonical JSON text (sorted members, no spaces), and the
//! version that the host may already have is no part of a request's identity.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// A JSON object as canonical text: members sorted by name, no spaces. Equal objects are equal text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// The canonical text of `object`.
    #[must_use]
    pub fn new(object: &Map<String, Json>) -> Self {
        fn sorted(value: &Json) -> Json {
            match value {
                Json::Object(members) => {
                    let mut names: Vec<_> = members.iter().collect();
                    names.sort_by_key(|(name, _)| *name);
                    Json::Object(names.into_iter().map(|(n, v)| (n.clone(), sorted(v))).collect())
                }
                Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
                other => other.clone(),
            }
        }
        Self(sorted(&Json::Object(object.clone())).to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object again.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Json> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Default for JsonText {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing to fetch, as the planner compares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// Which value or values.
    pub selector: Selector,
    /// Options for the plugin, already checked against its schema.
    pub options: JsonText,
}

/// Which value or values are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// One entry by name.
    Key(Arc<str>),
    /// Everything under a path.
    Prefix {
        /// The path as the user wrote it.
        path: Arc<str>,
        /// Whether to descend.
        recursive: bool,
    },
}

impl Selector {
    /// The key or path as the user wrote it, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Key(key) => key,
            Self::Prefix { path, .. } => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_objects_have_equal_text() {
        let a = json!({"b": {"y": 1, "x": [2]}, "a": "t"});
        let b: Json = serde_json::from_str(r#"{ "a":"t", "b": {"x":[2],"y":1}}"#).unwrap();
        let text = |v: &Json| JsonText::new(v.as_object().unwrap());
        assert_eq!(text(&a), text(&b));
        assert_eq!(text(&a).as_str(), r#"{"a":"t","b":{"x":[2],"y":1}}"#);
    }
}
