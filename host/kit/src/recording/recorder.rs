//! Hears a plugin's exchanges and writes them down as a case.
//!
//! The order is: collect everything, learn every secret (values, session entries, credentials, and whatever
//! travelled in a header that carries one), replace, search for what is left, and only then write. A file
//! that cannot be made safe is not made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use keyhole_core::{Outcome, SecretBytes, StoreErrorKind};
use keyhole_sandbox::egress::{Observed, Tap};
use serde_json::{Map, Value as Json};

use super::{Exchange, RecordedRequest, RecordedResponse, Secrets, written};
use crate::case::{Asked, CASE_FILE, Case, Expected, Named};
use crate::kit_error::KitError;
use crate::words;

/// Parts of header names that carry credentials.
const SENSITIVE: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];
/// Headers that say nothing about the store, or that only hold for one connection or one moment.
const PASSING: [&str; 14] = [
    "accept-encoding",
    "age",
    "connection",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "server",
    "trailer",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amz-date",
];

/// Collects exchanges while calls run.
#[derive(Debug, Default)]
pub struct Recorder {
    exchanges: Mutex<Vec<Observed>>,
    handled: Mutex<Vec<SecretBytes>>,
}

impl Tap for Recorder {
    fn exchange(&self, exchange: Observed) {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }

    fn handled(&self, secret: &SecretBytes) {
        self.handled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(secret.clone());
    }
}

/// What was asked, beside what the tap heard.
#[derive(Debug)]
pub struct Asking<'a> {
    /// The effective settings.
    pub settings: &'a Map<String, Json>,
    /// The requests, without what is expected of them.
    pub requests: Vec<Asked>,
    /// What came of them.
    pub outcomes: &'a [Outcome],
    /// Credentials that the plugin was handed, by name.
    pub credentials: BTreeMap<String, SecretBytes>,
}

impl Recorder {
    /// Writes the case into `folder`, which must not hold one yet. Returns the files.
    ///
    /// # Errors
    ///
    /// [`KitError::Leak`] when a secret could not be replaced; nothing is written then.
    pub fn write(&self, folder: &Path, asking: Asking<'_>) -> Result<Vec<PathBuf>, KitError> {
        let observed = std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner));
        let secrets = self.secrets(&observed, &asking)?;
        let mut files = Vec::new();
        for (number, observed) in observed.iter().enumerate() {
            let exchange = exchange(observed, &secrets)?;
            let name = format!("{:02}-{}.yaml", number + 1, slug(&exchange.request));
            files.push((name, yaml(&exchange)?));
        }
        files.push((CASE_FILE.to_owned(), yaml(&case(asking, &secrets)?)?));
        for (name, text) in &files {
            // Whatever hides in a file hides from its reader too; the parts were searched one by one before.
            if let Some(how) = secrets.left_in(text.as_bytes()) {
                return Err(KitError::Leak(format!(
                    "a secret would be left {how} in {name}; report this with the plugin's name"
                )));
            }
        }
        fs::create_dir_all(folder).map_err(KitError::file(folder))?;
        if folder.join(CASE_FILE).exists() {
            return Err(KitError::format(
                folder,
                "holds a case already; remove it or name another folder",
            ));
        }
        let mut paths = Vec::new();
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).map_err(KitError::file(&path))?;
            paths.push(path);
        }
        Ok(paths)
    }

    fn secrets(&self, observed: &[Observed], asking: &Asking<'_>) -> Result<Secrets, KitError> {
        let mut secrets = Secrets::default();
        for request in &asking.requests {
            secrets.is_public(request.name());
            secrets.is_public(Json::Object(request.options.clone()).to_string());
        }
        secrets.is_public(Json::Object(asking.settings.clone()).to_string());
        for value in asking.outcomes.iter().flat_map(values) {
            secrets.add(value);
        }
        asking.credentials.values().for_each(|secret| secrets.add(secret));
        let returned = asking.outcomes.iter().flat_map(values);
        if returned
            .chain(asking.credentials.values())
            .any(|secret| secrets.is_named(secret))
        {
            return Err(KitError::Leak(
                "a value or credential is also written in the key, the options or the settings, so it cannot be told from \
                 them and would stay; record with another value"
                    .to_owned(),
            ));
        }
        let handled = self.handled.lock().unwrap_or_else(PoisonError::into_inner);
        handled.iter().for_each(|secret| secrets.add(secret));
        for headers in observed
            .iter()
            .flat_map(|seen| [&seen.request_headers, &seen.response_headers])
        {
            for (name, value) in headers.iter().filter(|(name, _)| is_sensitive(name.as_str())) {
                credentials_in(name.as_str(), value.as_bytes()).for_each(|secret| secrets.add(&secret));
            }
        }
        Ok(secrets)
    }
}

fn values(outcome: &Outcome) -> Vec<&SecretBytes> {
    match outcome {
        Outcome::Value(value) => vec![&value.bytes],
        Outcome::Values(values) => values.iter().map(|named| &named.value.bytes).collect(),
        Outcome::Unchanged | Outcome::Failed(_) => Vec::new(),
    }
}

fn is_sensitive(name: &str) -> bool {
    SENSITIVE.iter().any(|part| name.contains(part))
}

/// The credentials in a header: its value, and of `Bearer x`, `a=x; b=y` the parts that are long enough.
fn credentials_in(name: &str, value: &[u8]) -> impl Iterator<Item = SecretBytes> {
    const PART: usize = 8;
    let parts: Vec<SecretBytes> = value
        .split(|byte| matches!(byte, b' ' | b';' | b',' | b'='))
        .filter(|part| part.len() >= PART)
        // Words of schemes and attributes are none: `AWS4-HMAC-SHA256`, `Path`, `HttpOnly`.
        .filter(|part| !part.starts_with(b"AWS4-HMAC") && !part.eq_ignore_ascii_case(b"httponly"))
        .map(|part| SecretBytes::new(part.to_vec()))
        .collect();
    let whole = (name != "set-cookie" && value.len() >= PART).then(|| SecretBytes::new(value.to_vec()));
    whole.into_iter().chain(parts)
}

fn exchange(observed: &Observed, secrets: &Secrets) -> Result<Exchange, KitError> {
    let encoded = observed.response_headers.get(http::header::CONTENT_ENCODING);
    if let Some(encoding) = encoded.filter(|encoding| *encoding != "identity") {
        return Err(KitError::Leak(format!(
            "{} answered with content-encoding {:?}, in which no secret can be found; do not send accept-encoding",
            observed.uri, encoding
        )));
    }
    let clean = |bytes: &[u8], what: &str| -> Result<Vec<u8>, KitError> {
        let replaced = secrets.replace(bytes)?;
        match secrets.left_in(&replaced) {
            None => Ok(replaced),
            Some(how) => Err(KitError::Leak(format!(
                "a secret is left {how} in the {what} of {} {}",
                observed.method,
                observed.uri.path()
            ))),
        }
    };
    let text = |bytes: &[u8], what: &str| -> Result<String, KitError> {
        Ok(String::from_utf8_lossy(&clean(bytes, what)?).into_owned())
    };
    let headers = |all: &HeaderMap, what: &str| -> Result<BTreeMap<String, String>, KitError> {
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in all {
            let name = name.as_str();
            if is_sensitive(name) || PASSING.contains(&name) || name.starts_with("amz-sdk") {
                continue;
            }
            let value = text(value.as_bytes(), what)?;
            kept.entry(name.to_owned())
                .and_modify(|earlier| earlier.push_str(&format!(", {value}")))
                .or_insert(value);
        }
        Ok(kept)
    };
    let (body, body_base64) = written(clean(observed.request_body.expose(), "request body")?);
    let request = RecordedRequest {
        method: observed.method.to_string(),
        url: text(observed.uri.to_string().as_bytes(), "URL")?,
        headers: headers(&observed.request_headers, "request headers")?,
        body,
        body_base64,
    };
    let (body, body_base64) = written(clean(observed.response_body.expose(), "response body")?);
    let response = RecordedResponse {
        status: observed.status.as_u16(),
        headers: headers(&observed.response_headers, "response headers")?,
        body,
        body_base64,
    };
    Ok(Exchange { request, response })
}

fn case(asking: Asking<'_>, secrets: &Secrets) -> Result<Case, KitError> {
    let replaced = |secret: &SecretBytes| secrets.replace(secret.expose());
    let mut requests = asking.requests;
    for (asked, outcome) in requests.iter_mut().zip(asking.outcomes) {
        asked.expect = expected(outcome, secrets)?;
    }
    let mut credentials = BTreeMap::new();
    for (name, secret) in &asking.credentials {
        credentials.insert(name.clone(), String::from_utf8_lossy(&replaced(secret)?).into_owned());
    }
    Ok(Case {
        settings: asking.settings.clone(),
        credentials,
        requests,
    })
}

fn expected(outcome: &Outcome, secrets: &Secrets) -> Result<Expected, KitError> {
    let of = |secret: &SecretBytes| -> Result<(Option<String>, Option<String>), KitError> {
        let replaced = secrets.replace(secret.expose())?;
        Ok(match written(replaced) {
            (None, None) => (Some(String::new()), None),
            written => written,
        })
    };
    Ok(match outcome {
        Outcome::Value(value) => {
            let (text, base64) = of(&value.bytes)?;
            Expected {
                value: text,
                value_base64: base64,
                version: value.version.as_deref().map(str::to_owned),
                ..Expected::default()
            }
        }
        Outcome::Values(values) => {
            let mut expected = Vec::new();
            for named in values {
                let (value, value_base64) = of(&named.value.bytes)?;
                expected.push(Named {
                    name: named.name.clone(),
                    full_name: Some(named.full_name.clone()),
                    value,
                    value_base64,
                });
            }
            Expected {
                values: Some(expected),
                ..Expected::default()
            }
        }
        Outcome::Unchanged => Expected {
            unchanged: true,
            ..Expected::default()
        },
        Outcome::Failed(error) => {
            if let StoreErrorKind::Host(verdict) = &error.kind {
                return Err(KitError::Leak(format!("the host stopped an exchange: {verdict}")));
            }
            let after = match &error.kind {
                StoreErrorKind::Throttled(after) | StoreErrorKind::Unavailable(after) => *after,
                _ => None,
            };
            Expected {
                error: Some(words::kind(error).to_owned()),
                retry_after_ms: after.and_then(|after| u64::try_from(after.as_millis()).ok()),
                ..Expected::default()
            }
        }
    })
}

fn yaml(value: &impl serde::Serialize) -> Result<String, KitError> {
    serde_saphyr::to_string(value).map_err(|error| KitError::Leak(format!("it cannot be written as YAML: {error}")))
}

/// A few words of a request for the name of its file.
fn slug(request: &RecordedRequest) -> String {
    let path = request.url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let kept = |character: char| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text: String = format!("{}-{last}", request.method)
        .chars()
        .map(kept)
        .take(40)
        .collect();
    text.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
