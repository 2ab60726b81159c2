//! Everything under a path: folders are listed level by level, then their entries are read.
//!
//! A path is written as a key is: `secret/data/team` in version 2 of the key-value engine, whose folders Vault
//! keeps under `secret/metadata/team`. What a call may take is bounded, and over the host's limits the whole
//! call would be lost with everything that is done; so a path that is too large is told in time.

use keyhole_sdk::{Content, Error, NamedValue};
use serde_json::Value as Json;

use crate::api::{Answer, Fault};
use crate::entry::{Entry, escaped};
use crate::reader::{Question, Reader};
use crate::settings::Kv;
use crate::{kv, words};

/// What the values of a Secret may take together in Kubernetes. A path with more can never become one.
const LARGEST: usize = 1 << 20;
/// Bytes of values of one call, all paths together; the host allows 8 MiB.
const BYTES: usize = 6 << 20;

/// A folder of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// As people read it.
    name: String,
    /// Escaped, where the folders are listed and where the entries are read.
    listed: String,
    read: String,
    recursive: bool,
    kv: Kv,
}

impl Tree {
    /// # Errors
    /// When the path is none, or not one of this version of the engine.
    pub fn new(path: &str, recursive: bool, kv: Kv) -> Result<Self, Error> {
        let name = path.trim_matches('/');
        let read = escaped(name, "/path")?;
        let listed = match kv {
            Kv::One => read.clone(),
            Kv::Two => in_metadata(&read).ok_or_else(|| {
                let message = format!("in version 2 of the key-value engine {name:?} must have data/ after the mount, as in secret/data/team");
                Error::invalid("/path", message)
            })?,
        };
        Ok(Self {
            name: name.to_owned(),
            listed,
            read,
            recursive,
            kv,
        })
    }
}

/// `secret/data/team` is listed as `secret/metadata/team`.
fn in_metadata(read: &str) -> Option<String> {
    let mut parts: Vec<&str> = read.split('/').collect();
    let data = parts.iter().skip(1).position(|part| *part == "data")?;
    *parts.get_mut(data + 1)? = "metadata";
    Some(parts.join("/"))
}

/// Reads a tree. `used` counts the bytes of all trees of a call; `alone` says that nothing else is asked in it.
///
/// # Errors
/// When the tree cannot be listed, one of its entries cannot be read, or it is too large.
pub fn read(reader: &mut Reader<'_>, tree: &Tree, used: &mut usize, alone: bool) -> Result<Vec<NamedValue>, Error> {
    let names = list(reader, tree, alone)?;
    if names.len() > reader.left() {
        return Err(crowded(tree, alone));
    }
    let questions: Vec<Question> = names.iter().map(|name| under(&tree.read, name, None)).collect();
    let mut values = Vec::new();
    let mut bytes = 0;
    for (name, answer) in names.iter().zip(reader.ask(&questions)) {
        let entry = Entry {
            name: format!("{}/{name}", tree.name),
            path: String::new(),
            version: None,
        };
        if is_deleted(&answer) {
            continue;
        }
        let body = answer.map_err(|fault| words::entry(&fault, &entry, tree.kv, reader.role()))?;
        let value = kv::value(&body, &entry, tree.kv)?;
        bytes += match &value.content {
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        values.push(NamedValue {
            name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            full_name: entry.name,
            value,
        });
    }
    if bytes > LARGEST {
        return Err(Error::too_large(format!(
            "the entries under {:?} take more than {LARGEST} bytes, the most that a Secret can hold; divide them into several paths",
            tree.name
        )));
    }
    *used += bytes;
    if *used > BYTES {
        return Err(crowded(tree, false));
    }
    Ok(values)
}

/// Names of all entries below the tree, relative to it, in order.
fn list(reader: &mut Reader<'_>, tree: &Tree, alone: bool) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut folders = vec![String::new()];
    while !folders.is_empty() {
        if folders.len() + names.len() > reader.left() {
            return Err(crowded(tree, alone));
        }
        let questions: Vec<Question> = folders
            .iter()
            .map(|folder| under(&tree.listed, folder, Some("list")))
            .collect();
        let mut deeper = Vec::new();
        for (folder, answer) in folders.iter().zip(reader.ask(&questions)) {
            for name in keys(answer, tree, folder, reader.role())? {
                match name.strip_suffix('/') {
                    Some(inner) if tree.recursive => deeper.push(format!("{folder}{inner}/")),
                    Some(_) => {}
                    None => names.push(format!("{folder}{name}")),
                }
            }
        }
        folders = deeper;
    }
    names.sort();
    Ok(names)
}

/// What one folder holds. One that is not there holds nothing, unless Vault says that the path is no folder.
fn keys(answer: Answer, tree: &Tree, folder: &str, role: &str) -> Result<Vec<String>, Error> {
    let entry = Entry {
        name: format!("{}/{folder}", tree.name),
        path: String::new(),
        version: None,
    };
    match answer {
        Ok(body) => {
            let keys = body
                .get("data")
                .and_then(|data| data.get("keys")?.as_array().cloned())
                .unwrap_or_default();
            let name = |key: &Json| key.as_str().filter(|key| is_plain(key)).map(str::to_owned);
            Ok(keys.iter().filter_map(name).collect())
        }
        Err(Fault::Refused(refusal))
            if refusal.status == 404 && refusal.errors.is_empty() && refusal.warnings.is_empty() =>
        {
            Ok(Vec::new())
        }
        Err(fault) if fault.status() == Some(403) => Err(Error::denied(format!(
            "not allowed to list {:?} with role {role:?}; give the role a policy with the capability list on {:?}",
            entry.name, tree.listed
        ))
        .code("403")),
        Err(fault) => Err(words::entry(&fault, &entry, tree.kv, role)),
    }
}

/// The store proposes these names; none of them may lead out of the folder.
fn is_plain(key: &str) -> bool {
    let key = key.strip_suffix('/').unwrap_or(key);
    !key.is_empty() && !key.contains('/') && key != "." && key != ".."
}

/// The latest version of an entry may be deleted while its history is still listed.
fn is_deleted(answer: &Answer) -> bool {
    matches!(answer, Err(Fault::Refused(refusal)) if refusal.status == 404 && refusal.data.get("metadata").is_some())
}

fn under(base: &str, name: &str, list: Option<&'static str>) -> Question {
    let name: Vec<String> = name.split('/').map(keyhole_sdk::http::encode).collect();
    Question {
        path: format!("{base}/{}", name.join("/")),
        query: list.map(|list| (list, "true".to_owned())),
    }
}

fn crowded(tree: &Tree, alone: bool) -> Error {
    let name = &tree.name;
    if alone {
        Error::too_large(format!(
            "{name:?} has more entries than one call can read; divide it into several paths, or ask for grant.limits.exchanges and settings.exchanges of the BackendPlugin to be raised"
        ))
    } else {
        let message = format!("{name:?} has too many entries to be read beside others; it will be read again later");
        Error::unavailable(None, message)
    }
}
