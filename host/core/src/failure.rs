//! The one table from "what went wrong" to what a user, a dashboard and the planner see.
//!
//! Every failure of every stage ends as a [`Failure`]. Its [`Reason`] comes from a closed list that is
//! part of the API; the reason alone decides the metric label and whether trying again can help.

use std::fmt;
use std::time::Duration;

use crate::call_error::{CallError, EgressError};
use crate::store_error::{StoreError, StoreErrorKind};

/// The code of [`StoreErrorKind::Other`] by which a plugin says that a value is not what the object says it is.
const INVALID_VALUE: &str = "invalid-value";

/// The reason of an ExternalSecret's `Ready` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The Secret is what the object asks for.
    Synced,
    /// Not attempted yet.
    Pending,
    /// The object cannot be served as written.
    InvalidSpec,
    /// No plugin serves the backend type.
    NoPlugin,
    /// The namespace does not permit what the object asks for.
    NotPermitted,
    /// The store has no such entry.
    NotFound,
    /// The store refuses this identity.
    AccessDenied,
    /// The store, or the host, has no valid identity.
    Unauthenticated,
    /// The store asks for fewer calls.
    Throttled,
    /// The store cannot be reached or cannot answer.
    Unavailable,
    /// The value is not what the object says it is.
    InvalidValue,
    /// A template failed.
    TemplateFailed,
    /// Too large for the store, the sandbox or a Secret.
    TooLarge,
    /// A Secret of that name belongs to somebody else.
    TargetConflict,
    /// There is no Secret to merge into.
    TargetMissing,
    /// The Secret is immutable, or its type would have to change.
    TargetImmutable,
    /// The API server refused the write.
    WriteRefused,
    /// The plugin tried to reach what it was not granted.
    EgressDenied,
    /// The plugin exceeded a limit of its sandbox.
    SandboxLimit,
    /// The plugin crashed or broke its contract.
    PluginFailed,
}

/// When to try again without anybody having changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, with back-off: the cause is likely to pass.
    Backoff,
    /// At the next interval: somebody outside has to act, and may have.
    Interval,
    /// Not before the object (or what it refers to) changes.
    OnChange,
}

impl Reason {
    /// All reasons, in the order of the table in the reference.
    pub const ALL: [Self; 20] = [
        Self::Synced,
        Self::Pending,
        Self::InvalidSpec,
        Self::NoPlugin,
        Self::NotPermitted,
        Self::NotFound,
        Self::AccessDenied,
        Self::Unauthenticated,
        Self::Throttled,
        Self::Unavailable,
        Self::InvalidValue,
        Self::TemplateFailed,
        Self::TooLarge,
        Self::TargetConflict,
        Self::TargetMissing,
        Self::TargetImmutable,
        Self::WriteRefused,
        Self::EgressDenied,
        Self::SandboxLimit,
        Self::PluginFailed,
    ];

    /// Name in the condition, metric label, retry class, and meaning: the table itself.
    const fn row(self) -> (&'static str, &'static str, Retry, &'static str) {
        use Retry::{Backoff, Interval, OnChange};
        match self {
            Self::Synced => ("Synced", "synced", Interval, "the Secret is what the object asks for"),
            Self::Pending => ("Pending", "pending", Backoff, "not attempted yet"),
            Self::InvalidSpec => (
                "InvalidSpec",
                "invalid_spec",
                OnChange,
                "the object cannot be served as written",
            ),
            Self::NoPlugin => ("NoPlugin", "no_plugin", OnChange, "no plugin serves the backend type"),
            Self::NotPermitted => (
                "NotPermitted",
                "not_permitted",
                OnChange,
                "the namespace does not permit what the object asks for",
            ),
            Self::NotFound => ("NotFound", "not_found", Backoff, "the store has no such entry"),
            Self::AccessDenied => (
                "AccessDenied",
                "access_denied",
                Backoff,
                "the store refuses this identity",
            ),
            Self::Unauthenticated => (
                "Unauthenticated",
                "unauthenticated",
                Backoff,
                "the store, or the host, has no valid identity",
            ),
            Self::Throttled => ("Throttled", "throttled", Backoff, "the store asks for fewer calls"),
            Self::Unavailable => (
                "Unavailable",
                "unavailable",
                Backoff,
                "the store cannot be reached or cannot answer",
            ),
            Self::InvalidValue => (
                "InvalidValue",
                "invalid_value",
                Interval,
                "the value is not what the object says it is",
            ),
            Self::TemplateFailed => ("TemplateFailed", "template_failed", Interval, "a template failed"),
            Self::TooLarge => (
                "TooLarge",
                "too_large",
                Interval,
                "too large for the store, the sandbox or a Secret",
            ),
            Self::TargetConflict => (
                "TargetConflict",
                "target_conflict",
                Interval,
                "a Secret of that name belongs to somebody else",
            ),
            Self::TargetMissing => (
                "TargetMissing",
                "target_missing",
                Interval,
                "there is no Secret to merge into",
            ),
            Self::TargetImmutable => (
                "TargetImmutable",
                "target_immutable",
                Interval,
                "the Secret is immutable, or its type would have to change",
            ),
            Self::WriteRefused => (
                "WriteRefused",
                "write_refused",
                Backoff,
                "the API server refused the write",
            ),
            Self::EgressDenied => (
                "EgressDenied",
                "egress_denied",
                Interval,
                "the plugin tried to reach what it was not granted",
            ),
            Self::SandboxLimit => (
                "SandboxLimit",
                "sandbox_limit",
                Backoff,
                "the plugin exceeded a limit of its sandbox",
            ),
            Self::PluginFailed => (
                "PluginFailed",
                "plugin_failed",
                Backoff,
                "the plugin crashed or broke its contract",
            ),
        }
    }

    /// As in the condition, e.g. `NotFound`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What it says, for the reference.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.row().3
    }

    /// As a metric label, e.g. `not_found`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.row().1
    }

    /// When to try again.
    #[must_use]
    pub const fn retry(self) -> Retry {
        self.row().2
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is shown on an object. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// Which part of the object, e.g. `data[1]`.
    pub item: Option<String>,
    /// What and where, in one line.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The status line is `message` alone, because KES words it so.
    pub kes_wording: bool,
    /// The store's own wish.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure with a message in our own words.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            item: None,
            message: one_line(&message.into()),
            remedy: None,
            kes_wording: false,
            retry_after: None,
        }
    }

    /// A failure whose status line must read as KES's.
    #[must_use]
    pub fn kes(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            kes_wording: true,
            ..Self::new(reason, message)
        }
    }

    /// The same, about this part of the object.
    #[must_use]
    pub fn at(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(one_line(&remedy.into()));
        self
    }

    /// The same, said by this backend: `secretsManager: no secret ...`.
    #[must_use]
    pub fn by(mut self, backend: &str) -> Self {
        if !self.kes_wording {
            self.message = format!("{backend}: {}", self.message);
        }
        self
    }

    /// `status.status`, e.g. `ERROR, data[1]: secretsManager: no secret "prod/db"`.
    #[must_use]
    pub fn status_line(&self) -> String {
        match &self.item {
            Some(item) if !self.kes_wording => format!("ERROR, {item}: {}", self.message),
            _ => format!("ERROR, {}", self.message),
        }
    }

    /// The message of the `Ready` condition: item, message, remedy and how many more failed.
    #[must_use]
    pub fn condition_message(&self, more: usize) -> String {
        let mut text = match &self.item {
            Some(item) => format!("{item}: {}", self.message),
            None => self.message.clone(),
        };
        if let Some(remedy) = &self.remedy {
            // Only KES ends its lines so.
            text.truncate(text.trim_end_matches('.').len());
            text.push_str("; ");
            text.push_str(remedy);
        }
        if more > 0 {
            text.push_str(&format!(" (and {more} more)"));
        }
        text
    }
}

/// KES's clean-up of messages: no line breaks, tabs to spaces, runs of spaces collapsed.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let character = if character == '\t' { ' ' } else { character };
        if character.is_control() || (character == ' ' && line.ends_with(' ')) {
            continue;
        }
        line.push(character);
    }
    line
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        use StoreErrorKind as Kind;
        let (reason, retry_after) = match &error.kind {
            Kind::NotFound => (Reason::NotFound, None),
            Kind::Denied => (Reason::AccessDenied, None),
            Kind::Unauthenticated => (Reason::Unauthenticated, None),
            Kind::Invalid(_) | Kind::Unsupported | Kind::Ambiguous => (Reason::InvalidSpec, None),
            Kind::Throttled(after) => (Reason::Throttled, *after),
            Kind::Unavailable(after) => (Reason::Unavailable, *after),
            Kind::TooLarge => (Reason::TooLarge, None),
            Kind::Other(code) if code == INVALID_VALUE => (Reason::InvalidValue, None),
            Kind::Internal | Kind::Other(_) => (Reason::PluginFailed, None),
            Kind::Host(error) => return Self::from(&**error),
        };
        Self {
            retry_after,
            kes_wording: begins_with_code(error),
            ..Self::new(reason, error.message.clone())
        }
    }
}

/// Whether a plugin worded its message as KES does, with the store's own code in front: `ParameterNotFound:
/// KEY could not be found.` People match such lines, so nothing is put before them.
fn begins_with_code(error: &StoreError) -> bool {
    error.store_code.as_deref().is_some_and(|code| {
        let rest = error.message.strip_prefix(code);
        !code.is_empty()
            && code.bytes().all(|b| b.is_ascii_alphanumeric())
            && rest.is_some_and(|rest| rest.starts_with(": "))
    })
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        let reason = match error {
            CallError::Store(error) => return Self::from(error),
            CallError::Trap(_) | CallError::Protocol(_) | CallError::Host(_) => Reason::PluginFailed,
            CallError::Cpu(_) | CallError::Wall(_) | CallError::Memory(_) | CallError::Output { .. } => {
                Reason::SandboxLimit
            }
            CallError::Egress(EgressError::TooManyExchanges(_) | EgressError::BodyTooLarge { .. }) => {
                Reason::SandboxLimit
            }
            CallError::Egress(EgressError::TimedOut { .. } | EgressError::Unreachable { .. }) => Reason::Unavailable,
            CallError::Egress(_) => Reason::EgressDenied,
            CallError::Identity { .. } => Reason::Unauthenticated,
        };
        Self::new(reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_unique() {
        let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        let labels: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.label()).collect();
        assert_eq!((names.len(), labels.len()), (Reason::ALL.len(), Reason::ALL.len()));
    }

    #[test]
    fn lines_name_item_message_remedy_and_the_rest() {
        let failure = Failure::new(Reason::NotFound, "no secret \"a\"\n in\teu-west-1")
            .by("secretsManager")
            .at("data[1]")
            .remedy("create it");
        assert_eq!(
            failure.status_line(),
            "ERROR, data[1]: secretsManager: no secret \"a\" in eu-west-1"
        );
        assert_eq!(
            failure.condition_message(2),
            "data[1]: secretsManager: no secret \"a\" in eu-west-1; create it (and 2 more)"
        );
    }

    #[test]
    fn a_line_worded_by_kes_stays_as_it_is() {
        let failure = Failure::kes(Reason::InvalidValue, "Could not find property p in k")
            .by("secretsManager")
            .at("data[0]");
        assert_eq!(failure.status_line(), "ERROR, Could not find property p in k");
        assert_eq!(failure.condition_message(0), "data[0]: Could not find property p in k");
    }
    fn told(kind: StoreErrorKind, message: &str, code: Option<&str>) -> Failure {
        let error = StoreError {
            kind,
            message: message.to_owned(),
            store_code: code.map(str::to_owned),
        };
        Failure::from(&error).by("systemManager").at("data[0]")
    }

    #[test]
    fn a_store_s_message_that_begins_with_its_code_stands_as_kes_wrote_it() {
        let (code, line) = ("ParameterNotFound", "ParameterNotFound: /a could not be found.");
        let failure = told(StoreErrorKind::NotFound, line, Some(code));
        assert_eq!(failure.reason, Reason::NotFound);
        assert_eq!(failure.status_line(), format!("ERROR, {line}"));
        assert_eq!(failure.condition_message(0), format!("data[0]: {line}"));
        assert_eq!(
            failure.remedy("it was looked for in eu-west-1").condition_message(1),
            "data[0]: ParameterNotFound: /a could not be found; it was looked for in eu-west-1 (and 1 more)"
        );
        for (message, code) in [
            (line, None),
            (line, Some("Parameter")),
            (line, Some("ResourceNotFoundException")),
            ("not allowed: x", Some("not allowed")),
            (": x", Some("")),
        ] {
            let failure = told(StoreErrorKind::NotFound, message, code);
            assert_eq!(
                failure.status_line(),
                format!("ERROR, data[0]: systemManager: {message}")
            );
        }
    }

    #[test]
    fn a_value_that_is_not_what_the_object_says_waits_for_the_next_interval() {
        let reason = |code: &str| told(StoreErrorKind::Other(code.to_owned()), "x", None).reason;
        assert_eq!(
            (reason("invalid-value"), reason("invalid")),
            (Reason::InvalidValue, Reason::PluginFailed)
        );
        assert_eq!(Reason::InvalidValue.retry(), Retry::Interval);
    }
}
