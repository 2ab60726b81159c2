//! What a plugin is, before anything is fetched: contract, description, settings.

use keyhole_plugins::schema::Schema;
use keyhole_sandbox::{Grant, LoadError, Problem};
use serde_json::{Map, Value as Json, json};

use super::rig::Rig;
use super::{Material, Verdict};
use crate::guest::Guest;
use crate::kit_error::KitError;
use crate::words;

/// Times that a plugin is asked what it is.
const DESCRIPTIONS: usize = 4;

/// The contract by name.
pub(super) fn contract(guest: &Guest) -> String {
    let exported = guest.component().exported();
    let version = exported
        .iter()
        .find_map(|name| name.strip_prefix("keyhole:backend/backend@"));
    version.map_or_else(
        || "keyhole:backend".to_owned(),
        |version| format!("keyhole:backend@{version}"),
    )
}

/// The first verdicts about a plugin that cannot be loaded.
pub(super) fn unloadable(error: &LoadError) -> Vec<Verdict> {
    match error {
        LoadError::Description { .. } => vec![
            Verdict::ok("it exports the contract"),
            Verdict::failed(
                error.to_string(),
                "mend what describe() returns; wit/backend.wit says what each member may be",
            ),
        ],
        LoadError::Describe(_) => vec![
            Verdict::ok("it exports the contract"),
            Verdict::failed(
                error.to_string(),
                "describe() must return without network, settings or credentials; give it constants only",
            ),
        ],
        _ => vec![Verdict::failed(
            error.to_string(),
            "build for wasm32-wasip2 against wit/backend.wit; `keyhole plugin inspect` lists what it imports",
        )],
    }
}

/// The same sane answer each time, and no network.
pub(super) async fn describe(rig: &Rig<'_>) -> Result<Verdict, KitError> {
    for _ in 1..DESCRIPTIONS {
        let again = rig.plugin(Grant::default()).await?;
        if *again.description() != rig.description {
            return Ok(Verdict::failed(
                "it described itself differently when asked again",
                "return constants from describe(): no clock, no random numbers",
            ));
        }
    }
    let asked = rig.asked_while_described();
    if asked > 0 {
        return Ok(Verdict::failed(
            format!("describe() tried to use the network, {asked} times in {DESCRIPTIONS} calls"),
            "describe() has no network; ask the store in fetch()",
        ));
    }
    for (which, schema) in [
        ("settings-schema", &rig.description.settings_schema),
        ("options-schema", &rig.description.options_schema),
    ] {
        if let Err(error) = Schema::new(schema) {
            return Ok(Verdict::failed(
                format!("its {which} {error}"),
                "use JSON Schema 2020-12 with local references only",
            ));
        }
        if schema.get("type").is_some_and(|kind| kind != "object") {
            return Ok(Verdict::failed(
                format!("its {which} is of type {}", schema.get("type").unwrap_or(&Json::Null)),
                "the host always sends an object: say \"type\": \"object\"",
            ));
        }
    }
    let description = &rig.description;
    Ok(Verdict::ok(format!(
        "{} {}, up to {} requests a call",
        description.name, description.version, description.max_batch
    )))
}

/// Settings that are wrong are found by the schema or by `validate`, each with a path; right ones are not.
pub(super) async fn bad_settings(rig: &Rig<'_>, material: &Material) -> Result<Verdict, KitError> {
    let schema = &rig.description.settings_schema;
    let schema = match Schema::new(schema) {
        Ok(compiled) if schema.get("type").is_none_or(|kind| kind == "object") => compiled,
        Ok(_) | Err(_) => return Ok(Verdict::skipped("its settings-schema cannot be used")),
    };
    let plugin = rig.plugin(Grant::default()).await?;
    for recorded in &material.cases {
        let settings = &recorded.case.settings;
        if let Some(first) = schema.violations(settings).first() {
            return Ok(Verdict::failed(
                format!(
                    "the settings of case {} do not fit the schema: {}{}",
                    recorded.name,
                    at(&first.path),
                    first.message
                ),
                "mend the settings in its case.yaml, or the schema",
            ));
        }
        let said = plugin.validate(&Json::Object(settings.clone()).to_string()).await;
        match said.as_deref() {
            Ok([]) => {}
            Ok([first, ..]) => {
                return Ok(Verdict::failed(
                    format!(
                        "validate() complains about the settings of case {}: {}{}",
                        recorded.name,
                        at(&first.path),
                        first.message
                    ),
                    "validate() must return no problems for settings that work",
                ));
            }
            Err(error) => {
                return Ok(crashed(
                    &format!("the settings of case {}", recorded.name),
                    &error.to_string(),
                ));
            }
        }
    }
    let base = material
        .cases
        .first()
        .map(|recorded| recorded.case.settings.clone())
        .unwrap_or_default();
    let mut tried = 0;
    // The host asks `validate` only about settings that fit the schema, so that is what is tried here too.
    for (what, settings, path) in wrong_types(&rig.description.settings_schema, &base) {
        let violations = schema.violations(&settings);
        if !violations.iter().any(|violation| violation.path.starts_with(&path)) {
            return Ok(Verdict::failed(
                format!("{what} is not refused by its schema"),
                format!("say the type of {path} in settings-schema"),
            ));
        }
        tried += 1;
    }
    for bad in &material.bad_settings {
        let shown = words::line(&Json::Object(bad.settings.clone()).to_string());
        let violations = schema.violations(&bad.settings);
        let problems = if violations.is_empty() {
            match plugin.validate(&Json::Object(bad.settings.clone()).to_string()).await {
                Ok(problems) => problems,
                Err(error) => return Ok(crashed(&shown, &error.to_string())),
            }
        } else {
            Vec::new()
        };
        if let Some(bad) = without_pointer(&problems) {
            return Ok(bad);
        }
        let named = violations
            .iter()
            .map(|violation| match &violation.missing {
                Some(property) => format!("/{property}"),
                None => violation.path.clone(),
            })
            .chain(problems.iter().map(|problem| problem.path.clone()));
        let named: Vec<String> = named.collect();
        if !named.contains(&bad.path) {
            let came = if named.is_empty() {
                "nothing".to_owned()
            } else {
                named.join(", ")
            };
            return Ok(Verdict::failed(
                format!("{shown} should be a problem at {:?}; named was {came}", bad.path),
                "check it in validate() and return a problem whose path is the JSON Pointer to the member",
            ));
        }
        tried += 1;
    }
    Ok(match tried {
        0 => Verdict::skipped("it has no settings of a named type; list some that are wrong in bad-settings.yaml"),
        tried => Verdict::ok(format!("{tried} wrong documents were refused")),
    })
}

fn at(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

fn crashed(what: &str, error: &str) -> Verdict {
    Verdict::failed(
        format!("validate() did not survive {what}: {error}"),
        "validate() must return problems for whatever fits the schema; it must not crash",
    )
}

/// A problem whose path is no JSON Pointer.
fn without_pointer(problems: &[Problem]) -> Option<Verdict> {
    let wrong = problems
        .iter()
        .find(|problem| !problem.path.is_empty() && !problem.path.starts_with('/'))?;
    Some(Verdict::failed(
        format!(
            "validate() named a problem at {:?}, which is no JSON Pointer",
            wrong.path
        ),
        format!(
            "write the path as /{}, or leave it empty for the whole document",
            wrong.path.replace('.', "/")
        ),
    ))
}

/// For each member whose type the schema names, good settings with that member of another type.
fn wrong_types(schema: &Map<String, Json>, base: &Map<String, Json>) -> Vec<(String, Map<String, Json>, String)> {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for (name, member) in properties {
        let Some(kind) = member.get("type").and_then(Json::as_str) else {
            continue;
        };
        let other = if kind == "object" {
            json!(7)
        } else {
            json!({ "wrong": true })
        };
        let mut settings = base.clone();
        settings.insert(name.clone(), other);
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        wrong.push((format!("{name} of another type than {kind}"), settings, pointer));
    }
    wrong
}
