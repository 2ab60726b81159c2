//! How settings and options come together from those who may give them.
//!
//! Four sources, weakest first: the operator's environment, the administrator's settings of the
//! plugin, KES's fixed fields of the object, and the object's own `config`. Only the last two are under
//! the control of whoever may write an ExternalSecret, so only properties that the plugin's schema
//! opens to objects are taken from them: otherwise a tenant could point Vault's plugin, with the
//! operator's token on it, at an address of their own. Fixed fields that the schema does not name
//! are dropped, as KES does with a `roleArn` on a Vault object; everything else that does not fit is
//! an error which names the field, never silence.

use std::collections::BTreeSet;

use keyhole_core::request::JsonText;
use keyhole_core::{Failure, Reason};
use serde_json::{Map, Value as Json};

use crate::from_object::Mistake;
use crate::schema::{Schema, Scope, Violation};

/// Settings that do not come from objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// From the operator's environment, e.g. `region` from `AWS_REGION`. What a plugin's schema does
    /// not name is not for this plugin.
    pub operator: Map<String, Json>,
    /// Fields that objects may give, but that have no effect: with `LOCALSTACK` on, KES ignores `spec.region`.
    pub ignored: BTreeSet<String>,
}

/// Who speaks, for messages: `spec` and `spec.config`, or `data[1]` and `data[1].options`.
#[derive(Clone, Copy, Debug)]
struct Names {
    fixed: &'static str,
    free: &'static str,
}

/// Effective settings of an object.
///
/// `administrator` are the plugin's own settings; `fixed` are KES's fields of `spec`; `config` is `spec.config`.
///
/// # Errors
///
/// [`Reason::InvalidSpec`], with the field and what to do.
pub fn settings(
    schema: &Schema,
    defaults: &Defaults,
    administrator: &Map<String, Json>,
    fixed: &Map<String, Json>,
    config: &Map<String, Json>,
) -> Result<JsonText, Failure> {
    let names = Names {
        fixed: "spec.",
        free: "spec.config.",
    };
    let mut merged = Map::new();
    for (name, value) in &defaults.operator {
        if schema.scope(name).is_some() {
            merged.insert(name.clone(), value.clone());
        }
    }
    merged.extend(administrator.clone());

    let heeded = |(name, _): &(&String, &Json)| !defaults.ignored.contains(*name);
    let fixed: Map<_, _> = fixed
        .iter()
        .filter(|(name, _)| schema.scope(name).is_some())
        .filter(heeded)
        .map(owned)
        .collect();
    let config: Map<_, _> = config.iter().filter(heeded).map(owned).collect();
    for name in config.keys() {
        if schema.scope(name).is_none() {
            let open = schema
                .properties()
                .filter(|name| schema.scope(name) == Some(Scope::Object));
            return Err(unknown(names, name, open));
        }
    }
    for (prefix, given) in [(names.fixed, &fixed), (names.free, &config)] {
        if let Some(name) = given
            .keys()
            .find(|name| schema.scope(name) == Some(Scope::Administrator))
        {
            return Err(Failure::new(
                Reason::InvalidSpec,
                format!("{prefix}{name} may be set by the administrator only"),
            )
            .remedy("remove it, or ask for it in the settings of the BackendPlugin"));
        }
    }
    agree(names, &fixed, &config)?;
    let from_object: BTreeSet<String> = fixed.keys().chain(config.keys()).cloned().collect();
    let fixed_names: BTreeSet<String> = fixed.keys().cloned().collect();
    merged.extend(fixed);
    merged.extend(config);
    check(schema, &merged, |violation| {
        settings_violation(names, violation, &from_object, &fixed_names)
    })?;
    Ok(JsonText::new(&merged))
}

/// What is wrong with an administrator's settings by themselves. What is missing may come from objects.
pub(crate) fn administrator(schema: &Schema, settings: &Map<String, Json>) -> Vec<Mistake> {
    let mistake = |path: &str, message: String, remedy: String| Mistake {
        field: format!("spec.settings{path}"),
        message,
        remedy,
    };
    let mut mistakes = Vec::new();
    let mut known = Map::new();
    // A schema that names nothing says nothing about names.
    let is_open = schema.properties().next().is_none();
    for (name, value) in settings {
        if is_open || schema.scope(name).is_some() {
            known.insert(name.clone(), value.clone());
            continue;
        }
        let names: Vec<_> = schema.properties().take(20).collect();
        mistakes.push(mistake(
            &format!(".{name}"),
            "the plugin does not know it".to_owned(),
            format!("known: {}", names.join(", ")),
        ));
    }
    // Of the whole only objects can tell: they may add what is missing.
    let violations = schema
        .violations(&known)
        .into_iter()
        .filter(|violation| !violation.path.is_empty() || violation.unread);
    mistakes.extend(violations.map(|violation| {
        let path = field(".", &violation.path);
        mistake(
            &path,
            violation.message,
            "write what the plugin's schema asks for".to_owned(),
        )
    }));
    mistakes
}

/// Effective options of one request. `fixed` are KES's fields of the entry, `options` its free part.
///
/// # Errors
///
/// [`Reason::InvalidSpec`], with the field and what to do.
pub fn options(schema: &Schema, fixed: &Map<String, Json>, options: &Map<String, Json>) -> Result<JsonText, Failure> {
    let names = Names {
        fixed: "",
        free: "options.",
    };
    if let Some(name) = options.keys().find(|name| schema.scope(name).is_none()) {
        return Err(unknown(names, name, schema.properties()));
    }
    let fixed: Map<_, _> = fixed
        .iter()
        .filter(|(name, _)| schema.scope(name).is_some())
        .map(owned)
        .collect();
    agree(names, &fixed, options)?;
    let mut merged = fixed.clone();
    merged.extend(options.clone());
    check(schema, &merged, |violation| {
        let top = top(&violation.path);
        let prefix = if fixed.contains_key(top) {
            names.fixed
        } else {
            names.free
        };
        match &violation.missing {
            Some(property) => Failure::new(Reason::InvalidSpec, format!("options.{property} is missing")),
            None if top.is_empty() => Failure::new(Reason::InvalidSpec, format!("options: {}", violation.message)),
            None => Failure::new(
                Reason::InvalidSpec,
                format!("{}: {}", field(prefix, &violation.path), violation.message),
            ),
        }
    })?;
    Ok(JsonText::new(&merged))
}

fn owned((name, value): (&String, &Json)) -> (String, Json) {
    (name.clone(), value.clone())
}

fn unknown<'a>(names: Names, name: &str, open: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<_> = open.take(20).collect();
    let failure = Failure::new(
        Reason::InvalidSpec,
        format!("{}{name} is not known to this backend", names.free),
    );
    match known.as_slice() {
        [] => failure.remedy("remove it"),
        known => failure.remedy(format!("known: {}", known.join(", "))),
    }
}

/// The same field given in both places must say the same.
fn agree(names: Names, fixed: &Map<String, Json>, free: &Map<String, Json>) -> Result<(), Failure> {
    let differing = fixed
        .iter()
        .find(|(name, value)| free.get(*name).is_some_and(|other| other != *value));
    match differing {
        None => Ok(()),
        Some((name, _)) => Err(Failure::new(
            Reason::InvalidSpec,
            format!("{}{name} and {}{name} disagree", names.fixed, names.free),
        )
        .remedy("set one of them")),
    }
}

fn check(schema: &Schema, document: &Map<String, Json>, say: impl Fn(&Violation) -> Failure) -> Result<(), Failure> {
    let violations = schema.violations(document);
    match violations.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => {
            let mut failure = say(first);
            if !rest.is_empty() {
                failure.message.push_str(&format!(" (and {} more)", rest.len()));
            }
            Err(failure)
        }
    }
}

fn settings_violation(
    names: Names,
    violation: &Violation,
    from_object: &BTreeSet<String>,
    fixed: &BTreeSet<String>,
) -> Failure {
    let top = top(&violation.path);
    match &violation.missing {
        Some(property) if property == "region" => Failure::new(Reason::InvalidSpec, "no region")
            .remedy("set spec.region, or start the operator with AWS_REGION"),
        Some(property) => Failure::new(Reason::InvalidSpec, format!("setting {property} is missing")).remedy(format!(
            "set spec.config.{property}, or ask for it in the settings of the BackendPlugin"
        )),
        None if top.is_empty() => Failure::new(Reason::InvalidSpec, format!("settings: {}", violation.masked)),
        None if fixed.contains(top) => Failure::new(
            Reason::InvalidSpec,
            format!("{}: {}", field(names.fixed, &violation.path), violation.message),
        ),
        None if from_object.contains(top) => Failure::new(
            Reason::InvalidSpec,
            format!("{}: {}", field(names.free, &violation.path), violation.message),
        ),
        // Not what the object says: its author need not see the administrator's value.
        None => Failure::new(
            Reason::InvalidSpec,
            format!("setting {}: {}", field("", &violation.path), violation.masked),
        )
        .remedy("ask for it to be mended in the operator's flags or the BackendPlugin"),
    }
}

/// First segment of a JSON Pointer.
fn top(path: &str) -> &str {
    path.strip_prefix('/')
        .and_then(|path| path.split('/').next())
        .unwrap_or_default()
}

/// A JSON Pointer as people write fields: `/a/b` is `a.b`.
fn field(prefix: &str, path: &str) -> String {
    format!("{prefix}{}", path.trim_start_matches('/').replace('/', "."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Json) -> Map<String, Json> {
        value.as_object().unwrap().clone()
    }

    fn schema() -> Schema {
        Schema::new(&map(json!({
            "type": "object",
            "properties": {
                "region": {"type": "string", "minLength": 1, "x-keyhole-scope": "object"},
                "count": {"type": "integer", "x-keyhole-scope": "object"},
                "address": {"type": "string", "format": "uri"},
                "pin": {"type": "integer"},
            },
            "required": ["region"],
            "additionalProperties": false,
        })))
        .unwrap()
    }

    fn merged(operator: Json, administrator: Json, fixed: Json, config: Json) -> Result<String, String> {
        let defaults = Defaults {
            operator: map(operator),
            ignored: BTreeSet::new(),
        };
        settings(&schema(), &defaults, &map(administrator), &map(fixed), &map(config))
            .map(|text| text.to_string())
            .map_err(|failure| failure.condition_message(0))
    }

    #[test]
    fn later_sources_win() {
        let operator = json!({"region": "us-west-2"});
        let text = |administrator, fixed, config| merged(operator.clone(), administrator, fixed, config).unwrap();
        assert_eq!(text(json!({}), json!({}), json!({})), r#"{"region":"us-west-2"}"#);
        assert_eq!(
            text(json!({"region": "eu-west-1"}), json!({}), json!({})),
            r#"{"region":"eu-west-1"}"#
        );
        assert_eq!(
            text(json!({"region": "a"}), json!({"region": "b"}), json!({})),
            r#"{"region":"b"}"#
        );
        assert_eq!(
            text(json!({"region": "a"}), json!({}), json!({"region": "c"})),
            r#"{"region":"c"}"#
        );
        assert_eq!(
            text(json!({}), json!({"region": "b"}), json!({"region": "b"})),
            r#"{"region":"b"}"#
        );
    }

    #[test]
    fn environment_and_fixed_fields_that_a_plugin_does_not_know_are_dropped() {
        let text = merged(
            json!({"region": "a", "vaultAddress": "https://vault"}),
            json!({}),
            json!({"kvVersion": 2, "vaultRole": "app"}),
            json!({}),
        );
        assert_eq!(text.unwrap(), r#"{"region":"a"}"#);
    }

    #[test]
    fn unknown_config_is_an_error_that_lists_what_is_known() {
        let error = merged(json!({"region": "a"}), json!({}), json!({}), json!({"regoin": "b"})).unwrap_err();
        assert_eq!(
            error,
            "spec.config.regoin is not known to this backend; known: count, region"
        );
    }

    #[test]
    fn an_object_cannot_set_what_belongs_to_the_administrator() {
        for (fixed, config) in [
            (json!({"address": "https://evil"}), json!({})),
            (json!({}), json!({"address": "https://evil"})),
        ] {
            let error = merged(json!({"region": "a"}), json!({}), fixed, config).unwrap_err();
            assert!(
                error.contains("address may be set by the administrator only"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_mistake_in_settings_too_large_to_be_searched_is_told_all_the_same() {
        let all: Vec<_> = (0..30).map(|_| json!({"type": "integer"})).collect();
        let schema = json!({"properties": {"list": {"items": {"allOf": all}}}});
        let schema = Schema::new(schema.as_object().unwrap()).unwrap();
        let mut list = vec![json!(1); 5000];
        let told = |list: &[Json]| administrator(&schema, json!({"list": list}).as_object().unwrap()).len();
        assert_eq!(told(&list), 0);
        list.push(json!("x"));
        assert_eq!(told(&list), 1);
    }

    #[test]
    fn two_places_that_disagree_are_an_error() {
        let error = merged(json!({}), json!({}), json!({"region": "a"}), json!({"region": "b"})).unwrap_err();
        assert_eq!(error, "spec.region and spec.config.region disagree; set one of them");
    }

    #[test]
    fn violations_name_the_field_where_it_was_written() {
        let error = |fixed, config| merged(json!({}), json!({}), fixed, config).unwrap_err();
        assert_eq!(
            error(json!({"region": ""}), json!({})),
            r#"spec.region: "" is shorter than 1 character"#
        );
        assert!(
            error(json!({"region": "a"}), json!({"count": "x"}))
                .starts_with(r#"spec.config.count: "x" is not of type "integer""#)
        );
        assert_eq!(
            error(json!({}), json!({})),
            "no region; set spec.region, or start the operator with AWS_REGION"
        );
    }

    #[test]
    fn a_value_of_the_administrator_is_not_shown_to_the_author_of_an_object() {
        let error = merged(
            json!({"region": "a"}),
            json!({"pin": "very-private"}),
            json!({}),
            json!({}),
        )
        .unwrap_err();
        assert!(
            error.starts_with("setting pin: ") && !error.contains("very-private"),
            "{error}"
        );
    }

    #[test]
    fn an_ignored_field_has_no_effect() {
        let defaults = Defaults {
            operator: map(json!({"region": "us-west-2"})),
            ignored: ["region".to_owned()].into(),
        };
        for (fixed, config) in [(json!({"region": "x"}), json!({})), (json!({}), json!({"region": "x"}))] {
            let text = settings(&schema(), &defaults, &Map::new(), &map(fixed), &map(config)).unwrap();
            assert_eq!(text.as_str(), r#"{"region":"us-west-2"}"#);
        }
    }

    #[test]
    fn options_follow_the_same_rules() {
        let schema = Schema::new(&map(
            json!({"properties": {"versionStage": {"type": "string"}, "versionId": {"type": "string"}}}),
        ))
        .unwrap();
        let merged = |fixed, free| {
            options(&schema, &map(fixed), &map(free))
                .map(|t| t.to_string())
                .map_err(|f| f.condition_message(0))
        };
        assert_eq!(
            merged(json!({"versionStage": "S", "secretType": "x"}), json!({})).unwrap(),
            r#"{"versionStage":"S"}"#
        );
        assert_eq!(
            merged(json!({"versionStage": "S"}), json!({"versionId": "1"})).unwrap(),
            r#"{"versionId":"1","versionStage":"S"}"#
        );
        assert_eq!(
            merged(json!({}), json!({"nope": 1})).unwrap_err(),
            "options.nope is not known to this backend; known: versionId, versionStage"
        );
        assert_eq!(
            merged(json!({"versionId": "1"}), json!({"versionId": "2"})).unwrap_err(),
            "versionId and options.versionId disagree; set one of them"
        );
        assert!(
            merged(json!({"versionId": 1}), json!({}))
                .unwrap_err()
                .starts_with("versionId: 1 is not of type")
        );
        assert!(
            merged(json!({}), json!({"versionId": 1}))
                .unwrap_err()
                .starts_with("options.versionId: 1 is not of type")
        );
    }
}
