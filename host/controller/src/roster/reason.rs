//! Why a BackendPlugin serves or does not: the reasons of its `Ready` condition, in one table.
//!
//! The reason also decides whether trying again can help. What the object itself says wrongly waits for an
//! edit; what lies outside (a registry, a ConfigMap) may be mended there without a word to the host.

use std::path::Path;
use std::time::Duration;

use keyhole_core::CallError;
use keyhole_core::schedule::LONGEST_BACKOFF;
use keyhole_plugins::{CacheError, PluginError, SourceError};
use keyhole_sandbox::LoadError;

/// When to try again without anybody having changed the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, with back-off.
    Backoff,
    /// Now and then, and at once when the file or ConfigMap changes.
    Slowly,
    /// Not before the object, or its file, changes.
    OnChange,
}

/// Between two attempts that hope for somebody outside to act.
pub(super) const SLOWLY: Duration = LONGEST_BACKOFF;

/// It serves.
pub const SERVING: &str = "Serving";
/// It is being loaded for the first time.
pub const LOADING: &str = "Loading";
/// The spec cannot be used.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// Others serve all that it claims.
pub const TYPE_TAKEN: &str = "TypeTaken";
const COMPILE_FAILED: &str = "CompileFailed";
const CONTRACT: &str = "ContractNotMet";
const SCHEMA: &str = "InvalidSchema";
const TIMED_OUT: &str = "TimedOut";

/// One reason, as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in the condition.
    pub reason: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// When it is tried again.
    pub retry: Retry,
}

const fn row(reason: &'static str, meaning: &'static str, retry: Retry) -> Row {
    Row { reason, meaning, retry }
}

/// All of them.
pub const REASONS: &[Row] = &[
    row(SERVING, "the plugin serves", Retry::OnChange),
    row(LOADING, "it is being loaded for the first time", Retry::Backoff),
    row(
        INVALID_SPEC,
        "a field of the spec is wrong, or does not fit the plugin",
        Retry::OnChange,
    ),
    row(
        TYPE_TAKEN,
        "older plugins serve all backend types that it claims",
        Retry::OnChange,
    ),
    row(COMPILE_FAILED, "the component cannot be compiled", Retry::Slowly),
    row(
        CONTRACT,
        "the component does not do what the contract asks for",
        Retry::OnChange,
    ),
    row(SCHEMA, "one of the plugin's schemas cannot be used", Retry::OnChange),
    row(
        TIMED_OUT,
        "loading took too long, or no sandbox was free",
        Retry::Backoff,
    ),
    row(
        "SourceNotFound",
        "there is no such file, entry or artifact",
        Retry::Slowly,
    ),
    row("SourceUnreadable", "the file cannot be read", Retry::Backoff),
    row(
        "SourceUnreachable",
        "the registry or the API server does not answer",
        Retry::Backoff,
    ),
    row("SourceDenied", "the registry or the API server refuses", Retry::Slowly),
    row(
        "RegistryUntrusted",
        "the registry's certificate is not trusted",
        Retry::Slowly,
    ),
    row(
        "InvalidPullSecret",
        "the pull secret is missing or of no use",
        Retry::Slowly,
    ),
    row("InvalidSource", "the source cannot be used", Retry::Slowly),
    row("NotARegistry", "what answers is no registry", Retry::Slowly),
    row("TooLarge", "the file is larger than any that is loaded", Retry::Slowly),
    row("NotAPlugin", "the file is no plugin", Retry::Slowly),
    row(
        "DigestMismatch",
        "the file has another digest than spec.verify.digest",
        Retry::Slowly,
    ),
    row(
        "TagRefused",
        "the reference names a tag without a digest",
        Retry::OnChange,
    ),
    row(
        "SignatureDemanded",
        "the operator takes signed plugins only, and no key is named",
        Retry::OnChange,
    ),
    row(
        "KeysOutsidePolicy",
        "none of the object's keys is one of the operator's",
        Retry::OnChange,
    ),
    row("SignatureMissing", "nothing signs the file", Retry::Slowly),
    row(
        "SignedByAnotherKey",
        "the file is signed with a key that does not count",
        Retry::Slowly,
    ),
    row(
        "SignatureOfAnotherFile",
        "the signature is about another file",
        Retry::Slowly,
    ),
    row(
        "MalformedSignature",
        "what should be a signature is none",
        Retry::Slowly,
    ),
    row(
        "NoCluster",
        "the source needs a cluster, and there is none",
        Retry::OnChange,
    ),
];

/// Why a plugin could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) retry: Retry,
}

impl Problem {
    fn new(reason: &'static str, message: String) -> Self {
        let known = REASONS.iter().find(|row| row.reason == reason);
        Self {
            reason,
            message,
            retry: known.map_or(Retry::Slowly, |row| row.retry),
        }
    }

    pub(super) fn invalid(error: &keyhole_plugins::InvalidPlugin) -> Self {
        Self::new(INVALID_SPEC, error.to_string())
    }

    /// A bug of the host, which must not look as if the plugin were loading still.
    pub(super) fn crashed() -> Self {
        Self::new(
            COMPILE_FAILED,
            "the host failed while it loaded the plugin; see its log".to_owned(),
        )
    }

    /// Nothing more is asked of a file system that owes an answer.
    pub(super) fn hangs(file: &Path) -> Self {
        let message = format!(
            "file {}: what was asked before, about it or about the files of other plugins, has not been answered; see whether \
             their file system hangs",
            file.display()
        );
        Self::new("SourceUnreadable", message)
    }

    pub(super) fn timed_out(after: Duration) -> Self {
        Self::new(TIMED_OUT, format!("loading took more than {} s", after.as_secs()))
    }
}

impl From<&SourceError> for Problem {
    fn from(error: &SourceError) -> Self {
        let problem = Self::new(error.reason(), error.to_string());
        match error.is_transient() {
            true => Self {
                retry: Retry::Backoff,
                ..problem
            },
            false => problem,
        }
    }
}

impl From<&PluginError> for Problem {
    fn from(error: &PluginError) -> Self {
        let reason = match error {
            PluginError::Source(error) => return Self::from(error),
            PluginError::Invalid(error) => return Self::invalid(error),
            PluginError::Compile(CacheError::Load(error)) | PluginError::Load(error) => match error {
                LoadError::Engine(_) | LoadError::Incompatible { .. } => COMPILE_FAILED,
                LoadError::Describe(CallError::Host(_)) => TIMED_OUT,
                _ => CONTRACT,
            },
            PluginError::Compile(_) => COMPILE_FAILED,
            PluginError::Schema { .. } => SCHEMA,
        };
        Self::new(reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_stands_in_the_table_once() {
        let names: BTreeSet<_> = REASONS.iter().map(|row| row.reason).collect();
        assert_eq!(names.len(), REASONS.len());
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again_soon() {
        let unreachable = SourceError::Unreachable {
            what: "registry".into(),
            why: "refused".into(),
        };
        assert_eq!(Problem::from(&unreachable).retry, Retry::Backoff);
        let missing = Problem::from(&SourceError::NotFound("file x".into()));
        assert_eq!((missing.reason, missing.retry), ("SourceNotFound", Retry::Slowly));
        let tag = SourceError::TagRefused {
            reference: "a.io/b:1".into(),
        };
        assert_eq!(Problem::from(&tag).retry, Retry::OnChange);
    }
}
