//! One case of a plugin's own tests: what is asked, and what should come of it.
//!
//! A case is a folder. `case.yaml` says what is asked and expected; every other `.yaml` file in it is an
//! exchange ([`crate::recording::Exchange`]), in the order of their names. `keyhole plugin run --record`
//! writes such a folder, and one can be written by hand:
//!
//! ```yaml
//! # tests/a-key/case.yaml
//! settings: {address: https://store.example.com}
//! requests:
//! - key: prod/db
//!   expect: {value: replaced-secret-01, version: "3"}
//! - key: prod/absent
//!   expect: {error: not-found}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyhole_core::request::JsonText;
use keyhole_core::{Outcome, Request, Selector, StoreErrorKind, Value};
use keyhole_sandbox::PlannedRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::kit_error::KitError;
use crate::recording::Exchange;
use crate::words;

/// The file that says what is asked.
pub const CASE_FILE: &str = "case.yaml";
/// The file beside the cases with settings that are wrong.
pub const BAD_SETTINGS_FILE: &str = "bad-settings.yaml";

/// What is asked and expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// The effective settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Json>,
    /// Credentials that the plugin is handed, by the name that it asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, String>,
    /// The requests of one call, in order.
    pub requests: Vec<Asked>,
}

/// One request and what should come of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// One entry by its name. Either this or `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Everything under a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether to descend.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// Options of the request.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Json>,
    /// The version that the host already has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_version: Option<String>,
    /// What should come of it.
    pub expect: Expected,
}

/// What should come of a request. Exactly one of value, valueBase64, values, unchanged and error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// This text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// These bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Its version; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// These values, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Named>>,
    /// That the known version is still current.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// A failure of this kind, in the words of the contract, e.g. `not-found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// With `error: throttled` or `unavailable`: the store's retry-after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// One of several values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Named {
    /// The proposed name.
    pub name: String,
    /// The store's full name; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

/// Settings that the plugin should complain about.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BadSettings {
    /// The settings.
    pub settings: Map<String, Json>,
    /// JSON Pointer to what is wrong in them; empty for the whole document.
    pub path: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(BadSettings),
    More(Vec<BadSettings>),
}

/// A case with its exchanges.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Name of its folder.
    pub name: String,
    /// What is asked.
    pub case: Case,
    /// How the store answers.
    pub exchanges: Vec<Exchange>,
}

impl Asked {
    /// Whether a failure is expected.
    #[must_use]
    pub fn expects_failure(&self) -> bool {
        self.expect.error.is_some()
    }

    /// The key or path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.as_deref().or(self.path.as_deref()).unwrap_or_default()
    }

    /// The request as the host sends it.
    #[must_use]
    pub fn planned(&self) -> PlannedRequest {
        let selector = match (&self.key, &self.path) {
            (Some(key), _) => Selector::Key(key.as_str().into()),
            (None, path) => Selector::Prefix {
                path: path.as_deref().unwrap_or_default().into(),
                recursive: self.recursive,
            },
        };
        PlannedRequest {
            request: Request {
                selector,
                options: JsonText::new(&self.options),
            },
            known_version: self.known_version.as_deref().map(Arc::from),
        }
    }
}

impl Expected {
    /// What differs between this and what came, if anything does.
    #[must_use]
    pub fn mismatch(&self, outcome: &Outcome) -> Option<String> {
        let came = || words::outcome(outcome);
        match outcome {
            Outcome::Value(value) => match self.bytes() {
                None => Some(format!("expected {}, came {}", self.shown(), came())),
                Some(bytes) if bytes != value.bytes.expose() => Some(differing(&bytes, value)),
                Some(_) => (self.version.is_some() && self.version.as_deref() != value.version.as_deref()).then(|| {
                    format!(
                        "expected version {:?}, came {:?}",
                        self.version.as_deref().unwrap_or_default(),
                        value.version.as_deref().unwrap_or("none")
                    )
                }),
            },
            Outcome::Values(values) => {
                let Some(expected) = &self.values else {
                    return Some(format!("expected {}, came {}", self.shown(), came()));
                };
                let missing = expected.iter().find(|named| {
                    !values.iter().any(|came| {
                        came.name == named.name
                            && named.full_name.as_ref().is_none_or(|full| *full == came.full_name)
                            && bytes_of(named.value.as_ref(), named.value_base64.as_ref())
                                .is_some_and(|bytes| bytes == came.value.bytes.expose())
                    })
                });
                match missing {
                    Some(named) => Some(format!("no value {:?} as expected came among {}", named.name, came())),
                    None if values.len() != expected.len() => {
                        Some(format!("expected {} values, came {}", expected.len(), values.len()))
                    }
                    None => None,
                }
            }
            Outcome::Unchanged => (!self.unchanged).then(|| format!("expected {}, came unchanged", self.shown())),
            Outcome::Failed(error) => {
                let after = match &error.kind {
                    StoreErrorKind::Throttled(after) | StoreErrorKind::Unavailable(after) => *after,
                    _ => None,
                };
                let after = after.and_then(|after| u64::try_from(after.as_millis()).ok());
                let same = self.error.as_deref() == Some(words::kind(error))
                    && (self.retry_after_ms.is_none() || self.retry_after_ms == after);
                (!same).then(|| format!("expected {}, came {}", self.shown(), came()))
            }
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        bytes_of(self.value.as_ref(), self.value_base64.as_ref())
    }

    fn shown(&self) -> String {
        match (&self.error, &self.values) {
            (Some(error), _) => match self.retry_after_ms {
                Some(after) => format!("{error} with retry-after {after} ms"),
                None => error.clone(),
            },
            (None, Some(values)) => format!("{} values", values.len()),
            (None, None) if self.unchanged => "unchanged".to_owned(),
            (None, None) => "a value".to_owned(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let said = [
            self.value.is_some(),
            self.value_base64.is_some(),
            self.values.is_some(),
            self.unchanged,
            self.error.is_some(),
        ];
        if said.iter().filter(|said| **said).count() != 1 {
            return Err("say exactly one of value, valueBase64, values, unchanged and error".to_owned());
        }
        if let Some(error) = &self.error
            && !words::KINDS.contains(&error.as_str())
        {
            return Err(format!(
                "{error:?} is no kind of error; one of {}",
                words::KINDS.join(", ")
            ));
        }
        if self.value_base64.is_some() && self.bytes().is_none() {
            return Err("valueBase64 is no base64".to_owned());
        }
        Ok(())
    }
}

/// Recordings hold placeholders, so what differs may be shown.
fn differing(expected: &[u8], came: &Value) -> String {
    let shown = |bytes: &[u8]| words::line(&String::from_utf8_lossy(bytes).chars().take(80).collect::<String>());
    format!(
        "expected value {:?}, came {:?}",
        shown(expected),
        shown(came.bytes.expose())
    )
}

fn bytes_of(text: Option<&String>, base64: Option<&String>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(base64)) => STANDARD.decode(base64).ok(),
        (None, None) => None,
    }
}

impl Recorded {
    /// Every case of a folder, by name; none when there is no such folder.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read or says something impossible.
    pub fn all(folder: &Path) -> Result<Vec<Self>, KitError> {
        let mut cases = Vec::new();
        for entry in entries(folder)? {
            if entry.join(CASE_FILE).is_file() {
                cases.push(Self::load(&entry)?);
            }
        }
        Ok(cases)
    }

    /// The case in `folder`.
    ///
    /// # Errors
    ///
    /// As [`Recorded::all`].
    pub fn load(folder: &Path) -> Result<Self, KitError> {
        let path = folder.join(CASE_FILE);
        let case: Case = read(&path)?;
        if case.requests.is_empty() {
            return Err(KitError::format(path, "asks for nothing; name at least one request"));
        }
        for (number, asked) in case.requests.iter().enumerate() {
            let wrong = |why: &str| KitError::format(&path, format!("requests[{number}]: {why}"));
            if asked.key.is_some() == asked.path.is_some() {
                return Err(wrong("say exactly one of key and path"));
            }
            asked.expect.check().map_err(|why| wrong(&format!("expect: {why}")))?;
        }
        Ok(Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            case,
            exchanges: exchanges(folder)?,
        })
    }
}

/// The exchanges in a folder, in the order of their files.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn exchanges(folder: &Path) -> Result<Vec<Exchange>, KitError> {
    entries(folder)?
        .iter()
        .filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| path.file_name().is_some_and(|name| name != CASE_FILE))
        .map(|path| {
            let exchange: Exchange = read(path)?;
            exchange.check().map_err(|why| KitError::format(path, why))?;
            Ok(exchange)
        })
        .collect()
}

/// The settings that should be refused, from [`BAD_SETTINGS_FILE`]; none when there is no such file.
///
/// # Errors
///
/// When the file cannot be read.
pub fn bad_settings(folder: &Path) -> Result<Vec<BadSettings>, KitError> {
    let path = folder.join(BAD_SETTINGS_FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    Ok(match read(&path)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, KitError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(KitError::file(folder))?;
    paths.sort();
    Ok(paths)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, KitError> {
    let text = fs::read_to_string(path).map_err(KitError::file(path))?;
    serde_saphyr::from_str(&text)
        .map_err(|error| KitError::format(path, words::line(&error.without_snippet().to_string())))
}

#[cfg(test)]
mod tests;
