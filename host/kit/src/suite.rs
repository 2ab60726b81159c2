//! The conformance suite: what every plugin owes its host, tried in the real sandbox.
//!
//! Each check is independent and has one lesson. A check that cannot be made, because nothing is recorded that
//! it could use, is skipped and says what to record; it never passes. Answers come from the plugin's own
//! cases ([`crate::case`]), so what is asked of the store is what the plugin's author saw it ask.

mod answers;
mod endurance;
mod lines;
mod report;
mod rig;
mod shape;
mod trouble;

use std::path::Path;

use keyhole_sandbox::LoadError;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::case::{self, BadSettings, Recorded};
use crate::guest::Guest;
use crate::kit_error::KitError;
use rig::Rig;

/// All checks, in the order in which they are made, and what each is about.
pub const CHECKS: [(&str, &str); 14] = [
    ("contract", "the component fits keyhole:backend"),
    (
        "describe",
        "it says of itself what makes sense, always the same, without a network",
    ),
    ("bad-settings", "wrong settings are problems with a path"),
    ("recordings", "every recorded request is answered as it was"),
    ("not-found", "a key that is not there is not-found"),
    ("order", "outcomes are in the order of the requests"),
    ("isolation", "a request that fails leaves the others alone"),
    ("big-batch", "a batch of max-batch requests is answered"),
    ("denied-host", "a host that is not granted is the host's error, at once"),
    ("no-retries", "nothing is asked twice in one call"),
    ("server-error", "a store that fails is unavailable"),
    ("throttled", "a store that throttles is throttled, with its retry-after"),
    ("no-growth", "a thousand calls leave nothing behind"),
    ("redaction", "no value is in its log lines and messages"),
];

/// What is tested with.
#[derive(Debug, Default)]
pub struct Material {
    /// Cases with their exchanges.
    pub cases: Vec<Recorded>,
    /// Settings that should be refused.
    pub bad_settings: Vec<BadSettings>,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok {
        /// What was seen.
        detail: String,
    },
    /// Not as it should be.
    Failed {
        /// What is wrong.
        detail: String,
        /// What to do.
        remedy: String,
    },
    /// It could not be made.
    Skipped {
        /// Why, and what would let it be made.
        detail: String,
    },
}

/// One check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One of [`CHECKS`].
    pub check: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// All findings about one plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name and version, as far as the plugin could say them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Its digest.
    pub digest: String,
    /// Whether no check failed.
    pub passed: bool,
    /// In the order of [`CHECKS`].
    pub findings: Vec<Finding>,
}

impl Material {
    /// Everything in a folder of recordings.
    ///
    /// # Errors
    ///
    /// When a file in it cannot be read.
    pub fn load(folder: &Path) -> Result<Self, KitError> {
        Ok(Self {
            cases: Recorded::all(folder)?,
            bad_settings: case::bad_settings(folder)?,
        })
    }

    /// The same with these settings over those of every case.
    #[must_use]
    pub fn with_settings(mut self, settings: &Map<String, Json>) -> Self {
        for recorded in &mut self.cases {
            recorded.case.settings.extend(settings.clone());
        }
        self
    }
}

impl Verdict {
    fn ok(detail: impl Into<String>) -> Self {
        Self::Ok { detail: detail.into() }
    }

    fn failed(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Failed {
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }

    fn skipped(detail: impl Into<String>) -> Self {
        Self::Skipped { detail: detail.into() }
    }

    /// Whether it failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Makes every check. Log lines of the plugin are caught for as long as this runs, so it must run on a runtime
/// of one thread.
///
/// # Errors
///
/// When the kit itself cannot go on; what is wrong with the plugin is in the report.
pub async fn run(guest: &Guest, material: &Material) -> Result<Report, KitError> {
    let lines = lines::Lines::default();
    let _caught = lines.catch();
    let rig = match Rig::new(guest, lines).await? {
        Ok(rig) => rig,
        Err(error) => return Ok(unloadable(guest, &error)),
    };
    let mut verdicts = vec![
        Verdict::ok(format!("{} of {}", rig.description.name, shape::contract(guest))),
        shape::describe(&rig).await?,
        shape::bad_settings(&rig, material).await?,
        answers::recordings(&rig, material).await?,
        answers::not_found(&rig, material).await?,
        answers::order(&rig, material).await?,
        answers::isolation(&rig, material).await?,
        answers::big_batch(&rig, material).await?,
        trouble::denied_host(&rig, material).await?,
        trouble::no_retries(&rig, material).await?,
        trouble::server_error(&rig, material).await?,
        trouble::throttled(&rig, material).await?,
        endurance::no_growth(&rig, material).await?,
    ];
    verdicts.push(endurance::redaction(&rig, material));
    let plugin = format!("{} {}", rig.description.name, rig.description.version);
    Ok(report(guest, Some(plugin), verdicts))
}

fn report(guest: &Guest, plugin: Option<String>, verdicts: Vec<Verdict>) -> Report {
    let findings: Vec<Finding> = CHECKS
        .iter()
        .zip(verdicts)
        .map(|((check, _), verdict)| Finding { check, verdict })
        .collect();
    Report {
        plugin,
        digest: guest.id().digest.to_string(),
        passed: !findings.iter().any(|finding| finding.verdict.is_failure()),
        findings,
    }
}

/// Of a plugin that cannot be loaded only that can be said.
fn unloadable(guest: &Guest, error: &LoadError) -> Report {
    let mut verdicts = shape::unloadable(error);
    verdicts.resize(CHECKS.len(), Verdict::skipped("the plugin cannot be loaded"));
    report(guest, None, verdicts)
}
