//! From an answer to a value, or to an error that a user can act on.
//!
//! What a store says beside a failure is not repeated: nobody knows what it holds. The URL is the
//! administrator's and stays out of messages too.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use keyhole_sdk::http::Response;
use keyhole_sdk::{Content, Error, ErrorKind, Outcome, Value};
use serde_json::Value as Json;

use crate::settings::{Meaning, Settings};

/// What the answer to one key means.
pub fn outcome(settings: &Settings, key: &str, known: Option<&str>, answer: Result<Response, Error>) -> Outcome {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return no_answer(error).into(),
    };
    if response.status() == 304 && known.is_some() {
        return Outcome::Unchanged;
    }
    if !response.is_success() {
        return refused(settings, key, &response).into();
    }
    match value(settings, key, &response) {
        Ok(value) if value.version.is_some() && value.version.as_deref() == known => Outcome::Unchanged,
        answer => answer.into(),
    }
}

/// What the SDK found wrong in the request itself stays as it is.
fn no_answer(error: Error) -> Error {
    match error.kind {
        ErrorKind::Invalid(_) | ErrorKind::TooLarge | ErrorKind::Internal => error,
        _ => Error::unavailable(
            None,
            "the store cannot be reached, or breaks off before it has answered",
        ),
    }
}

fn refused(settings: &Settings, key: &str, response: &Response) -> Error {
    let status = response.status();
    let given = settings.statuses.get(&status.to_string()).copied();
    let usual = match status {
        300..=399 => Some(Meaning::Unavailable),
        401 => Some(Meaning::Unauthenticated),
        403 => Some(Meaning::Denied),
        404 | 410 => Some(Meaning::NotFound),
        408 | 500..=599 => Some(Meaning::Unavailable),
        429 => Some(Meaning::Throttled),
        _ => None,
    };
    let error = match given.or(usual) {
        Some(meaning) => {
            let message = match meaning {
                Meaning::NotFound => format!("no entry {key:?}"),
                Meaning::Denied => format!("not allowed to read {key:?}; the credential that the BackendPlugin grants needs the right to read it"),
                Meaning::Unauthenticated => "the store does not accept the credential; ask for the header that the BackendPlugin grants to be checked".to_owned(),
                Meaning::Invalid => format!("the store refuses to look up {key:?} (HTTP {status})"),
                Meaning::Throttled => "the store asks for fewer calls; it will be asked again later".to_owned(),
                Meaning::Unavailable if (300..400).contains(&status) => format!(
                    "the store redirects (HTTP {status}), which is not followed; ask for the url in the BackendPlugin to be checked"
                ),
                Meaning::Unavailable => format!("the store cannot answer now (HTTP {status})"),
            };
            meaning.error(message, response.retry_after())
        }
        None => Error::other(
            format!("http-{status}"),
            format!(
                "the store answers HTTP {status} to {key:?}; if it means something here, settings.statuses of the BackendPlugin can say so"
            ),
        ),
    };
    error.code(status.to_string())
}

fn value(settings: &Settings, key: &str, response: &Response) -> Result<Value, Error> {
    let etag = || {
        response
            .header("etag")
            .filter(|etag| is_strong(etag))
            .map(str::to_owned)
    };
    let Some(pointer) = &settings.value else {
        let content = if settings.base64 {
            let text = std::str::from_utf8(response.body()).map_err(|_| no_base64(key))?;
            Content::Bytes(decode(text).ok_or_else(|| no_base64(key))?)
        } else {
            match std::str::from_utf8(response.body()) {
                Ok(text) => Content::Text(text.to_owned()),
                Err(_) => Content::Bytes(response.body().to_vec()),
            }
        };
        return Ok(Value {
            content,
            version: etag(),
        });
    };
    let document: Json = response.peek().ok_or_else(|| {
        Error::invalid_value(format!(
            "what the store answers to {key:?} is no JSON; ask for the settings of the BackendPlugin to be checked"
        ))
    })?;
    let found = document.pointer(pointer).filter(|value| !value.is_null());
    let found = found
        .ok_or_else(|| Error::not_found(format!("what the store answers to {key:?} has nothing at {pointer:?}")))?;
    let content = match found {
        Json::String(text) if settings.base64 => Content::Bytes(decode(text).ok_or_else(|| no_base64(key))?),
        _ if settings.base64 => return Err(no_base64(key)),
        Json::String(text) => Content::Text(text.clone()),
        other => Content::Text(other.to_string()),
    };
    let version = match &settings.version {
        Some(pointer) => document.pointer(pointer).and_then(scalar),
        None => etag(),
    };
    Ok(Value { content, version })
}

/// A weak ETag may stay while the bytes change.
fn is_strong(etag: &str) -> bool {
    etag.starts_with('"') && etag.len() <= 1024
}

/// A version is a text or a number, not a document.
fn scalar(version: &Json) -> Option<String> {
    let text = match version {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= 1024).then_some(text)
}

fn no_base64(key: &str) -> Error {
    Error::invalid_value(format!(
        "the value of {key:?} is no base64; ask for settings.base64 of the BackendPlugin to be checked"
    ))
}

/// Both alphabets, padded or not, in lines or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: String = text.split_ascii_whitespace().collect();
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(&text).ok())
}
