//! From what a guest returned to what the host works with.
//!
//! Values move into [`SecretBytes`] first, before anything can fail, so that no path leaves them behind
//! in freed memory. Then the answer is checked as a whole, its sizes first (a plugin that breaks the contract
//! in one outcome is not believed in the others), and last every text that a user will read is masked with
//! all values of the call. Names of values stay as they are: they become keys of a Secret.

use std::sync::Arc;
use std::time::Duration;

use keyhole_core::limits::Limits;
use keyhole_core::mask::Mask;
use keyhole_core::{CallError, NamedValue, Outcome, SecretBytes, Selector, StoreError, StoreErrorKind, Value};

use crate::bindings::since_v0_1_0::keyhole::backend::types as wit;
use crate::call::PlannedRequest;
use crate::output::one_line;

/// Longest opaque version.
const VERSION: usize = 1 << 10;
/// Longest proposed name or full name of a named value.
const NAME: usize = 4 << 10;
/// Longest JSON Pointer and short code in an error.
const CODE: usize = 256;
/// Longest retry-after that is believed.
const RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Outcomes with their values taken over and their texts still as the guest wrote them.
pub(crate) struct Answer(Vec<Outcome>);

impl Answer {
    pub(crate) fn take(raw: Vec<wit::Outcome>) -> Self {
        Self(raw.into_iter().map(outcome).collect())
    }

    /// All secret values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().flat_map(|outcome| {
            let (one, many): (Option<&Value>, &[NamedValue]) = match outcome {
                Outcome::Value(value) => (Some(value), &[]),
                Outcome::Values(values) => (None, values),
                Outcome::Unchanged | Outcome::Failed(_) => (None, &[]),
            };
            one.into_iter().chain(many.iter().map(|named| &named.value))
        })
    }

    /// Whether it has texts that a user will read.
    pub(crate) fn has_texts(&self) -> bool {
        self.0.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// Whether the answer is within the limits. Comes first: only then is it bounded what else is done with it.
    pub(crate) fn check_sizes(&self, limits: &Limits) -> Result<(), CallError> {
        let mut total = 0_usize;
        for value in self.values() {
            too_long("value", value.bytes.len(), limits.value)?;
            too_long(
                "version",
                value.version.as_ref().map_or(0, |version| version.len()),
                VERSION,
            )?;
            total = total.saturating_add(value.bytes.len());
        }
        too_long("answer", total, limits.values)?;
        for outcome in &self.0 {
            if let Outcome::Values(values) = outcome {
                for named in values {
                    too_long("name of a value", named.name.len().max(named.full_name.len()), NAME)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the answer is one to these requests.
    pub(crate) fn check_fit(&self, requests: &[PlannedRequest]) -> Result<(), CallError> {
        let (outcomes, asked) = (self.0.len(), requests.len());
        if outcomes != asked {
            return Err(CallError::Protocol(format!(
                "it returned {outcomes} outcomes for {asked} requests"
            )));
        }
        for (number, (outcome, planned)) in self.0.iter().zip(requests).enumerate() {
            check_kind(outcome, planned).map_err(|what| CallError::Protocol(format!("outcome {number}: {what}")))?;
        }
        Ok(())
    }

    /// The outcomes, with every text fit to be shown.
    pub(crate) fn cleaned(self, mask: &Mask) -> Vec<Outcome> {
        let clean = |outcome| match outcome {
            Outcome::Failed(error) => Outcome::Failed(clean_error(error, mask)),
            other => other,
        };
        self.0.into_iter().map(clean).collect()
    }
}

fn check_kind(outcome: &Outcome, planned: &PlannedRequest) -> Result<(), &'static str> {
    match (outcome, &planned.request.selector) {
        (Outcome::Value(_), Selector::Prefix { .. }) => Err("one value for a request of a prefix; return values"),
        (Outcome::Values(_), Selector::Key(_)) => Err("several values for a request of one key; return a value"),
        (Outcome::Unchanged, _) if planned.known_version.is_none() => Err("unchanged, but no known-version was sent"),
        _ => Ok(()),
    }
}

fn too_long(what: &'static str, length: usize, limit: usize) -> Result<(), CallError> {
    if length > limit {
        Err(CallError::Output { what, limit })
    } else {
        Ok(())
    }
}

fn outcome(raw: wit::Outcome) -> Outcome {
    match raw {
        wit::Outcome::Value(raw) => Outcome::Value(value(raw.content, raw.version)),
        wit::Outcome::Values(raw) => Outcome::Values(
            raw.into_iter()
                .map(|raw| NamedValue {
                    name: raw.name,
                    full_name: raw.full_name,
                    value: value(raw.content, raw.version),
                })
                .collect(),
        ),
        wit::Outcome::Unchanged => Outcome::Unchanged,
        wit::Outcome::Failed(raw) => Outcome::Failed(store_error(raw)),
    }
}

fn value(content: wit::Content, version: Option<String>) -> Value {
    let (bytes, is_text) = match content {
        wit::Content::Text(text) => (SecretBytes::from(text), true),
        wit::Content::Bytes(bytes) => (SecretBytes::new(bytes), false),
    };
    Value {
        bytes,
        is_text,
        version: version.map(Arc::from),
    }
}

/// A guest's error as ours; its texts are not yet fit to be shown.
pub(crate) fn store_error(raw: wit::Error) -> StoreError {
    use wit::ErrorKind as Raw;
    let after = |milliseconds: Option<u64>| milliseconds.map(|after| Duration::from_millis(after).min(RETRY_AFTER));
    let kind = match raw.kind {
        Raw::NotFound => StoreErrorKind::NotFound,
        Raw::Denied => StoreErrorKind::Denied,
        Raw::Unauthenticated => StoreErrorKind::Unauthenticated,
        Raw::Invalid(path) => StoreErrorKind::Invalid(path),
        Raw::Throttled(wish) => StoreErrorKind::Throttled(after(wish)),
        Raw::Unavailable(wish) => StoreErrorKind::Unavailable(after(wish)),
        Raw::TooLarge => StoreErrorKind::TooLarge,
        Raw::Unsupported => StoreErrorKind::Unsupported,
        Raw::Ambiguous => StoreErrorKind::Ambiguous,
        Raw::Internal => StoreErrorKind::Internal,
        Raw::Other(code) => StoreErrorKind::Other(code),
    };
    StoreError {
        kind,
        message: raw.message,
        store_code: raw.store_code,
    }
}

/// The same error with all its texts masked, on one line each, and cut.
pub(crate) fn clean_error(error: StoreError, mask: &Mask) -> StoreError {
    let code = |text: String| short(&mask.apply(&text));
    let kind = match error.kind {
        StoreErrorKind::Invalid(path) => StoreErrorKind::Invalid(code(path)),
        StoreErrorKind::Other(name) => StoreErrorKind::Other(code(name)),
        other => other,
    };
    let mut message = one_line(&mask.apply(&error.message));
    if message.is_empty() {
        "the plugin gave no reason".clone_into(&mut message);
    }
    StoreError {
        kind,
        message,
        store_code: error.store_code.map(code),
    }
}

fn short(text: &str) -> String {
    let mut line = one_line(text);
    line.truncate(line.floor_char_boundary(CODE));
    line
}

#[cfg(test)]
mod tests;
