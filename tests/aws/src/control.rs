//! The control API under `/_fake/`, for people with curl and for [`crate::FakeAwsClient`].
//!
//! | request | effect |
//! |---|---|
//! | `PUT /_fake/secrets/REGION/NAME` | the body becomes the current value; text when it is UTF-8, else binary |
//! | `POST /_fake/secrets/REGION` | the same for many: a JSON object of names and texts |
//! | `DELETE /_fake/secrets/REGION/NAME` | removes the secret |
//! | `PUT /_fake/parameters/REGION/NAME` | the body becomes the value of a SecureString; a name that starts with a slash gives two |
//! | `POST /_fake/parameters/REGION` | many: a JSON object of names and `{"type":..,"value":..}` |
//! | `DELETE /_fake/parameters/REGION/NAME` | deletes the parameter |
//! | `GET`, `DELETE /_fake/counts` | what was called how often; forget it and the requests |
//! | `GET /_fake/requests` | the last requests |
//! | `POST`, `DELETE /_fake/faults` | adds a [`crate::Fault`]; ends all faults and throttles |
//! | `POST`, `DELETE /_fake/denials` | adds a [`crate::Deny`]; ends all |
//! | `PUT /_fake/throttle` | `{"operation":..,"perSecond":..,"burst":..}` |
//! | `PUT /_fake/latency` | milliseconds of every answer, as text |
//! | `POST /_fake/sessions/expire` | ends every session |

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::FaultyBody;
use crate::parameters::ParameterType;
use crate::secrets::Content;
use crate::state::{Reset, State};

/// A member of the body of `POST /_fake/parameters/REGION`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParameterSeed {
    /// `SecureString` when absent.
    #[serde(default)]
    pub r#type: ParameterType,
    /// The value.
    pub value: String,
}

/// Body of `PUT /_fake/throttle`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    pub operation: String,
    pub per_second: f64,
    pub burst: f64,
}

pub fn answer(method: &Method, path: &str, body: &Bytes, state: &State) -> Result<Response<FaultyBody>, Reset> {
    let (status, text) = match run(method, path, body, state) {
        Ok(text) => (StatusCode::OK, text),
        Err((status, text)) => (status, text),
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(text + "\n").into())
        .map_err(|_| Reset)
}

type Answer = Result<String, (StatusCode, String)>;

fn run(method: &Method, path: &str, body: &Bytes, state: &State) -> Answer {
    let mut state = state.lock();
    let (head, rest) = path.split_once('/').unwrap_or((path, ""));
    match (method.as_str(), head, rest.split_once('/')) {
        ("PUT", "secrets", Some((region, name))) => {
            let content = match std::str::from_utf8(body) {
                Ok(text) => Content::from(text),
                Err(_) => Content::from(body.as_ref()),
            };
            let version = state.secrets.set(region, name, content);
            to_json(&BTreeMap::from([("versionId", version)]))
        }
        ("POST", "secrets", None) => {
            let values: BTreeMap<String, String> = from_json(body)?;
            for (name, value) in values {
                state.secrets.set(rest, &name, value.into());
            }
            done()
        }
        ("DELETE", "secrets", Some((region, name))) => {
            state
                .secrets
                .remove(region, name)
                .map_err(|error| (StatusCode::NOT_FOUND, error.message))?;
            done()
        }
        ("PUT", "parameters", Some((region, name))) => {
            let value = std::str::from_utf8(body).map_err(|_| (StatusCode::BAD_REQUEST, "no text".to_owned()))?;
            let version = state.parameters.set(region, name, ParameterType::SecureString, value);
            to_json(&BTreeMap::from([("version", version)]))
        }
        ("POST", "parameters", None) => {
            let seeds: BTreeMap<String, ParameterSeed> = from_json(body)?;
            for (name, ParameterSeed { r#type, value }) in seeds {
                state.parameters.set(rest, &name, r#type, &value);
            }
            done()
        }
        ("DELETE", "parameters", Some((region, name))) => {
            state
                .parameters
                .remove(region, name)
                .map_err(|error| (StatusCode::NOT_FOUND, error.code))?;
            done()
        }
        ("GET", "counts", _) => to_json(&state.ledger.counts),
        ("DELETE", "counts", _) => {
            state.ledger.clear();
            done()
        }
        ("GET", "requests", _) => to_json(&state.ledger.records()),
        ("POST", "faults", _) => {
            let fault = from_json(body)?;
            state.faults.add(fault);
            done()
        }
        ("DELETE", "faults", _) => {
            state.faults.clear();
            state.throttles.clear();
            done()
        }
        ("POST", "denials", _) => {
            let deny = from_json(body)?;
            state.denials.push(deny);
            done()
        }
        ("DELETE", "denials", _) => {
            state.denials.clear();
            done()
        }
        ("PUT", "throttle", _) => {
            let Throttle {
                operation,
                per_second,
                burst,
            } = from_json(body)?;
            state.throttles.limit(&[&operation], per_second, burst);
            done()
        }
        ("PUT", "latency", _) => {
            let milliseconds: u64 = from_json(body)?;
            state.latency = Duration::from_millis(milliseconds);
            done()
        }
        ("POST", "sessions", _) if rest == "expire" => {
            state.keyring.expire_sessions(jiff::Timestamp::now());
            done()
        }
        _ => Err((StatusCode::NOT_FOUND, format!("no {method} /_fake/{path}"))),
    }
}

fn done() -> Answer {
    Ok("{}".to_owned())
}

fn to_json(value: &impl Serialize) -> Answer {
    serde_json::to_string(value).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn from_json<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}
