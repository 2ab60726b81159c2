//! Entries of a spec as items, in merge order: `dataFrom`, `dataFromWithOptions`, `data`.
//!
//! KES drops silently what it cannot use (a `property` beside a `path`); here it is an error that names
//! the entry, because a key that somebody relies on must not go missing without a word.

use keyhole_api::{DataFromItem, DataItem, ExternalSecretSpec};
use keyhole_core::item::{Item, Mapping};
use keyhole_core::request::JsonText;
use keyhole_core::{Failure, Reason, Request, Selector};
use keyhole_plugins::LivePlugin;
use serde_json::Map;

/// All items, or everything that is wrong with them.
pub(super) fn items(spec: &ExternalSecretSpec, plugin: &LivePlugin) -> Result<Vec<Item>, Vec<Failure>> {
    let from = spec
        .data_from
        .iter()
        .map(|key| spread(key, plugin.options(&Map::new(), &Map::new())));
    let from_with_options = spec
        .data_from_with_options
        .iter()
        .map(|entry| from_with_options(entry, plugin));
    let data = spec.data.iter().map(|entry| data(entry, plugin));
    let placed = place("dataFrom", from)
        .chain(place("dataFromWithOptions", from_with_options))
        .chain(place("data", data));

    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for (place, item) in placed {
        match item {
            Ok((request, mapping)) => items.push(Item {
                place,
                request,
                mapping,
            }),
            Err(failure) => failures.push(failure.at(place)),
        }
    }
    if items.is_empty() && failures.is_empty() {
        let failure = Failure::new(Reason::InvalidSpec, "the object asks for nothing");
        failures.push(failure.remedy("add an entry to spec.data, spec.dataFrom or spec.dataFromWithOptions"));
    }
    if failures.is_empty() { Ok(items) } else { Err(failures) }
}

type Entry = Result<(Request, Mapping), Failure>;

fn place<'a>(field: &'a str, entries: impl Iterator<Item = Entry> + 'a) -> impl Iterator<Item = (String, Entry)> + 'a {
    entries
        .enumerate()
        .map(move |(index, entry)| (format!("{field}[{index}]"), entry))
}

fn from_with_options(entry: &DataFromItem, plugin: &LivePlugin) -> Entry {
    let free = entry.options.clone().unwrap_or_default();
    spread(&entry.key, plugin.options(&entry.fixed_options(), &free))
}

fn spread(key: &str, options: Result<JsonText, Failure>) -> Entry {
    Ok((
        Request {
            selector: selector(key)?,
            options: options?,
        },
        Mapping::Spread,
    ))
}

fn data(entry: &DataItem, plugin: &LivePlugin) -> Entry {
    let free = entry.options.clone().unwrap_or_default();
    let options = plugin.options(&entry.fixed_options(), &free);
    let is_binary = entry.is_binary.unwrap_or(false);
    match (&entry.path, &entry.key, &entry.name) {
        (Some(path), ..) => {
            if path.is_empty() {
                return Err(Failure::new(Reason::InvalidSpec, "path is empty").remedy("write the path, e.g. /team/app"));
            }
            if entry.property.is_some() {
                return Err(without_effect("property"));
            }
            if is_binary {
                return Err(without_effect("isBinary"));
            }
            let recursive = entry.recursive.unwrap_or(false);
            let selector = Selector::Prefix {
                path: path.as_str().into(),
                recursive,
            };
            Ok((
                Request {
                    selector,
                    options: options?,
                },
                Mapping::Path,
            ))
        }
        (None, Some(key), Some(name)) => {
            let mapping = Mapping::Single {
                name: name.clone(),
                property: entry.property.clone(),
                is_binary,
            };
            Ok((
                Request {
                    selector: selector(key)?,
                    options: options?,
                },
                mapping,
            ))
        }
        (None, ..) => {
            let failure = Failure::new(Reason::InvalidSpec, "neither key and name nor path are given");
            Err(failure.remedy("give key and name for one value, or path for everything under it"))
        }
    }
}

fn selector(key: &str) -> Result<Selector, Failure> {
    if key.is_empty() {
        let failure = Failure::new(Reason::InvalidSpec, "key is empty");
        return Err(failure.remedy("write the name of the entry in the store"));
    }
    Ok(Selector::Key(key.into()))
}

fn without_effect(field: &str) -> Failure {
    Failure::new(Reason::InvalidSpec, format!("{field} has no effect beside path"))
        .remedy(format!("remove {field}, or name a single value with key and name"))
}
