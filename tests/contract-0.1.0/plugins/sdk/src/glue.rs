//! Between the generated bindings and [`Backend`]. Public only because [`crate::export!`] names it.
//!
//! Invariant: a request whose options cannot be read fails alone. The host has checked options
//! against the schema, but a schema made from a type is not always as strict as the type.

use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
#[cfg(not(target_family = "wasm"))]
use serde_json::Value as Json;

use crate::bindings::exports::keyhole::backend::backend::Guest;
use crate::bindings::keyhole::backend::types as wit;
use crate::{Backend, Call, Content, Description, Error, ErrorKind, Outcome, Problem, Request, Selector, Value};

/// The component that serves a backend.
#[derive(Debug)]
pub struct Component<B>(PhantomData<B>);

impl<B: Backend> Guest for Component<B> {
    fn describe() -> wit::Description {
        description::<B>(B::describe())
    }

    fn validate(settings: String) -> Vec<wit::Problem> {
        validate::<B>(&settings)
            .into_iter()
            .map(|Problem { path, message }| wit::Problem { path, message })
            .collect()
    }

    fn fetch(call: wit::Call, requests: Vec<wit::Request>) -> Result<Vec<wit::Outcome>, wit::Error> {
        let outcomes = fetch::<B>(call, requests).map_err(error)?;
        Ok(outcomes.into_iter().map(outcome).collect())
    }
}

/// The problems of settings as JSON.
pub(crate) fn validate<B: Backend>(settings: &str) -> Vec<Problem> {
    match serde_json::from_str(settings) {
        Ok(settings) => B::validate(&settings),
        Err(error) => vec![Problem::at("", error.to_string())],
    }
}

/// A call whose settings and options are JSON.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn fetch_json<B: Backend>(
    settings: &Json,
    call: &Call,
    requests: &[Request<Json>],
) -> Result<Vec<Outcome>, Error> {
    let requests = requests.iter().map(|request| wit::Request {
        selector: match request.selector.clone() {
            Selector::Key(key) => wit::Selector::Key(key),
            Selector::Prefix { path, recursive } => wit::Selector::Prefix(wit::Prefix { path, recursive }),
        },
        options: request.options.to_string(),
        known_version: request.known_version.clone(),
    });
    let call = wit::Call {
        settings: settings.to_string(),
        deadline_ms: u64::try_from(call.deadline.as_millis()).unwrap_or(u64::MAX),
        attempt: call.attempt,
        context: Json::Object(call.context.clone()).to_string(),
    };
    fetch::<B>(call, requests.collect())
}

fn description<B: Backend>(said: Description) -> wit::Description {
    wit::Description {
        name: said.name,
        version: said.version,
        backend_types: said.backend_types,
        settings_schema: schema::<B::Settings>(),
        options_schema: schema::<B::Options>(),
        hosts: said.hosts,
        credentials: said.credentials,
        max_batch: said.max_batch,
        metadata: serde_json::Value::Object(said.metadata).to_string(),
    }
}

/// Everything inline: settings are small, and a schema without `$ref` is easiest to read.
fn schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    SchemaGenerator::new(settings)
        .into_root_schema_for::<T>()
        .to_value()
        .to_string()
}

fn fetch<B: Backend>(call: wit::Call, requests: Vec<wit::Request>) -> Result<Vec<Outcome>, Error> {
    let settings = serde_json::from_str(&call.settings)
        .map_err(|error| Error::invalid("/settings", format!("the settings cannot be read: {error}")))?;
    let call = Call {
        deadline: Duration::from_millis(call.deadline_ms),
        attempt: call.attempt,
        context: serde_json::from_str(&call.context).unwrap_or_default(),
    };

    let mut unreadable = Vec::new();
    let mut readable = Vec::with_capacity(requests.len());
    for (position, asked) in requests.into_iter().enumerate() {
        match request(asked) {
            Ok(request) => readable.push(request),
            Err(error) => unreadable.push((position, Outcome::Failed(error))),
        }
    }
    let mut outcomes = if readable.is_empty() {
        Vec::new()
    } else {
        B::fetch(&settings, &call, &readable)?
    };
    if outcomes.len() != readable.len() {
        let message = format!("the plugin answered {} of {} requests", outcomes.len(), readable.len());
        return Err(Error::internal(message));
    }
    // Ascending positions, so each insertion finds everything before it in place.
    for (position, failed) in unreadable {
        outcomes.insert(position, failed);
    }
    Ok(outcomes)
}

fn request<O: DeserializeOwned + Default>(asked: wit::Request) -> Result<Request<O>, Error> {
    let options = match asked.options.as_str() {
        "" | "{}" => O::default(),
        text => serde_json::from_str(text)
            .map_err(|error| Error::invalid("/options", format!("the options cannot be read: {error}")))?,
    };
    let selector = match asked.selector {
        wit::Selector::Key(key) => Selector::Key(key),
        wit::Selector::Prefix(wit::Prefix { path, recursive }) => Selector::Prefix { path, recursive },
    };
    Ok(Request {
        selector,
        options,
        known_version: asked.known_version,
    })
}

fn outcome(outcome: Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Value(Value {
            content: value,
            version,
        }) => wit::Outcome::Value(wit::Value {
            content: content(value),
            version,
        }),
        Outcome::Values(values) => wit::Outcome::Values(
            values
                .into_iter()
                .map(|named| wit::NamedValue {
                    name: named.name,
                    full_name: named.full_name,
                    content: content(named.value.content),
                    version: named.value.version,
                })
                .collect(),
        ),
        Outcome::Unchanged => wit::Outcome::Unchanged,
        Outcome::Failed(failed) => wit::Outcome::Failed(error(failed)),
    }
}

fn content(content: Content) -> wit::Content {
    match content {
        Content::Text(text) => wit::Content::Text(text),
        Content::Bytes(bytes) => wit::Content::Bytes(bytes),
    }
}

fn error(error: Error) -> wit::Error {
    let millis = |after: Option<Duration>| after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let kind = match error.kind {
        ErrorKind::NotFound => wit::ErrorKind::NotFound,
        ErrorKind::Denied => wit::ErrorKind::Denied,
        ErrorKind::Unauthenticated => wit::ErrorKind::Unauthenticated,
        ErrorKind::Invalid(pointer) => wit::ErrorKind::Invalid(pointer),
        ErrorKind::Throttled(after) => wit::ErrorKind::Throttled(millis(after)),
        ErrorKind::Unavailable(after) => wit::ErrorKind::Unavailable(millis(after)),
        ErrorKind::TooLarge => wit::ErrorKind::TooLarge,
        ErrorKind::Unsupported => wit::ErrorKind::Unsupported,
        ErrorKind::Ambiguous => wit::ErrorKind::Ambiguous,
        ErrorKind::Internal => wit::ErrorKind::Internal,
        ErrorKind::Other(code) => wit::ErrorKind::Other(code),
    };
    wit::Error {
        kind,
        message: error.message,
        store_code: error.store_code,
    }
}

#[cfg(test)]
mod tests;
