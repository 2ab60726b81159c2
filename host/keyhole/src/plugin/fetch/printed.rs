//! What is printed of a fetch: for people one line for each request, or one JSON object. Values only when they
//! were asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyhole_core::{NamedValue, Outcome, StoreErrorKind, Value};
use keyhole_kit::fetch::Fetched;
use keyhole_kit::outside::Stats;
use keyhole_kit::words;
use keyhole_sandbox::{CallStats, Export};
use serde_json::{Value as Json, json};

use crate::plugin::print_json;
use crate::text;

/// Prints outcomes and what the call took.
pub fn print(fetched: &Fetched, stats: &Stats, show: bool, as_json: bool) -> anyhow::Result<()> {
    let call = stats
        .take()
        .into_iter()
        .rev()
        .find(|(export, _)| *export == Export::Fetch);
    let call = call.map(|(_, stats)| stats).unwrap_or_default();
    if as_json {
        return print_json(&document(fetched, &call, show));
    }
    let mut lines = String::new();
    for (asked, outcome) in fetched.asked.iter().zip(&fetched.outcomes) {
        lines.push_str(&format!("{}: {}\n", words::line(asked.name()), told(outcome)));
        match outcome {
            Outcome::Value(value) if show => lines.push_str(&format!("  {}\n", content(value))),
            Outcome::Values(values) => {
                for NamedValue { name, full_name, value } in values {
                    let shown = if show {
                        content(value)
                    } else {
                        words::bytes(value.bytes.len())
                    };
                    lines.push_str(&format!(
                        "  {} ({}): {shown}\n",
                        words::line(name),
                        words::line(full_name)
                    ));
                }
            }
            _ => {}
        }
    }
    text::print(&lines)?;
    text::say(&format!(
        "{} exchanges, {} ms, {} ms of CPU time, {} of memory",
        call.exchanges,
        call.wall.as_millis(),
        call.cpu.as_millis(),
        words::bytes(call.peak_memory)
    ));
    Ok(())
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Value(value) => match &value.version {
            Some(version) => format!("{}, version {}", words::bytes(value.bytes.len()), words::line(version)),
            None => words::bytes(value.bytes.len()),
        },
        Outcome::Failed(error) => {
            let code = error
                .store_code
                .as_ref()
                .map(|code| format!(" [{}]", words::line(code)));
            format!("{}: {}{}", words::kind(error), error.message, code.unwrap_or_default())
        }
        other => words::outcome(other),
    }
}

/// A value for a terminal: text as it is, bytes in base64.
fn content(value: &Value) -> String {
    match std::str::from_utf8(value.bytes.expose()) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("base64:{}", STANDARD.encode(value.bytes.expose())),
    }
}

fn document(fetched: &Fetched, call: &CallStats, show: bool) -> Json {
    let outcomes: Vec<Json> = fetched
        .asked
        .iter()
        .zip(&fetched.outcomes)
        .map(|(asked, outcome)| {
            let mut said = of(outcome, show);
            if let Some(members) = said.as_object_mut() {
                let what = if asked.key.is_some() { "key" } else { "path" };
                members.insert(what.to_owned(), asked.name().into());
            }
            said
        })
        .collect();
    json!({
        "outcomes": outcomes,
        "exchanges": call.exchanges,
        "milliseconds": u64::try_from(call.wall.as_millis()).unwrap_or(u64::MAX),
        "cpuMilliseconds": u64::try_from(call.cpu.as_millis()).unwrap_or(u64::MAX),
        "peakMemory": call.peak_memory,
    })
}

fn of(outcome: &Outcome, show: bool) -> Json {
    let of_value = |value: &Value| {
        let mut said = json!({ "bytes": value.bytes.len() });
        if let Some(members) = said.as_object_mut() {
            if let Some(version) = &value.version {
                members.insert("version".to_owned(), (&**version).into());
            }
            if show {
                match std::str::from_utf8(value.bytes.expose()) {
                    Ok(text) => members.insert("value".to_owned(), text.into()),
                    Err(_) => members.insert("valueBase64".to_owned(), STANDARD.encode(value.bytes.expose()).into()),
                };
            }
        }
        said
    };
    match outcome {
        Outcome::Value(value) => of_value(value),
        Outcome::Values(values) => {
            let named = |named: &NamedValue| {
                let mut said = of_value(&named.value);
                if let Some(members) = said.as_object_mut() {
                    members.insert("name".to_owned(), named.name.as_str().into());
                    members.insert("fullName".to_owned(), named.full_name.as_str().into());
                }
                said
            };
            json!({ "values": values.iter().map(named).collect::<Vec<_>>() })
        }
        Outcome::Unchanged => json!({ "unchanged": true }),
        Outcome::Failed(error) => {
            let after = match &error.kind {
                StoreErrorKind::Throttled(after) | StoreErrorKind::Unavailable(after) => {
                    after.and_then(|after| u64::try_from(after.as_millis()).ok())
                }
                _ => None,
            };
            json!({
                "error": words::kind(error),
                "message": error.message,
                "storeCode": error.store_code,
                "retryAfterMs": after,
            })
        }
    }
}
