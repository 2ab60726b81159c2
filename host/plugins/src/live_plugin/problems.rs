//! What the author of an object is told of a plugin's problems with effective settings.
//!
//! Settings are of several authors, and a plugin quotes what it does not like: an address with a password in it,
//! say. So a problem is told word for word only to whoever gave the member that it is about, without what others
//! gave; of everything else an object tells the name of the member, and the operator's log the problem.

use keyhole_core::mask::Mask;
use keyhole_core::request::JsonText;
use keyhole_core::{Failure, PluginId, Reason, SecretBytes};
use keyhole_sandbox::Problem;
use serde_json::{Map, Value as Json};

use super::Rules;
use crate::schema::{Schema, Scope};

/// Problems of one `validate` that are shown.
const SHOWN: usize = 3;

/// Settings and who gave them.
pub(super) struct Origins<'a> {
    plugin: &'a PluginId,
    schema: &'a Schema,
    members: Map<String, Json>,
    /// Names of members that do not come from the object.
    others: Vec<String>,
    /// Hides what others gave.
    mask: Mask,
}

/// One problem, for an object.
enum Told {
    /// Word for word.
    Whole(String),
    /// Without what the plugin says.
    Name {
        line: String,
        /// The member, where nobody gave it and the object may.
        missing: Option<String>,
    },
}

impl<'a> Origins<'a> {
    /// Finds out by the values, so that the answer is the same for all objects with the same settings: a member
    /// that an object repeats as it is anyway counts as the administrator's.
    pub(super) fn new(plugin: &'a PluginId, schema: &'a Schema, rules: &Rules, settings: &JsonText) -> Self {
        let members = settings.to_map();
        let before = |name: &str| rules.settings.get(name).or_else(|| rules.defaults.operator.get(name));
        let others: Map<String, Json> = members
            .iter()
            .filter(|(name, value)| schema.scope(name) != Some(Scope::Object) || before(name) == Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut mask = Mask::default();
        mask.add(&SecretBytes::from(JsonText::new(&others).as_str().to_owned()));
        Self {
            plugin,
            schema,
            members,
            others: others.into_iter().map(|(name, _)| name).collect(),
            mask,
        }
    }

    /// The failure of objects with these settings; nothing without problems.
    pub(super) fn failure(&self, problems: &[Problem]) -> Option<Failure> {
        if problems.is_empty() {
            return None;
        }
        let mut lines: Vec<String> = Vec::new();
        let (mut hidden, mut to_set) = (Vec::new(), Some(None));
        for problem in problems {
            let line = match self.told(problem) {
                Told::Whole(line) => line,
                Told::Name { line, missing } => {
                    hidden.push(format!("{} {}", problem.path, problem.message).trim_start().to_owned());
                    to_set = to_set.filter(|_| missing.is_some()).map(|first| first.or(missing));
                    line
                }
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let mut text = lines
            .iter()
            .take(SHOWN)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ");
        if lines.len() > SHOWN {
            text.push_str(&format!(" (and {} more)", lines.len() - SHOWN));
        }
        let failure = Failure::new(Reason::InvalidSpec, text);
        if hidden.is_empty() {
            return Some(failure);
        }
        tracing::warn!(
            plugin = %self.plugin,
            problems = hidden.join("; "),
            "the plugin does not accept settings that are not the object's own; objects show their names alone"
        );
        let administrator = format!(
            "tell the administrator of BackendPlugin {}: the operator's log has the details",
            self.plugin.name
        );
        Some(failure.remedy(match to_set.flatten() {
            Some(name) => format!("set spec.config.{name}, or {administrator}"),
            None => administrator,
        }))
    }

    fn told(&self, problem: &Problem) -> Told {
        let path = problem.path.trim_start_matches('/');
        let top = path.split('/').next().unwrap_or_default();
        let top = top.replace("~1", "/").replace("~0", "~");
        let is_given = self.members.contains_key(&top) && !self.others.contains(&top);
        // Of the whole a plugin may quote anything.
        if is_given || (path.is_empty() && self.others.is_empty()) {
            let message = self.mask.apply(&problem.message);
            return Told::Whole(match path {
                "" => message,
                path => format!("{}: {message}", self.mask.apply(&path.replace('/', "."))),
            });
        }
        // A path is the plugin's text too: only what its schema names is a name.
        let Some(scope) = self.schema.scope(&top) else {
            return Told::Name {
                line: "the plugin does not accept the settings".to_owned(),
                missing: None,
            };
        };
        let is_missing = scope == Scope::Object && !self.members.contains_key(&top);
        Told::Name {
            line: format!("the plugin does not accept setting {top}"),
            missing: is_missing.then_some(top),
        }
    }
}
