//! One BackendPlugin: what it asks for, what became of that, and what serves meanwhile.
//!
//! There is no I/O in here. The invariant: what serves is always a version that was loaded, described and
//! instantiated; a newer one that is broken changes what is said, never what serves.

use std::sync::Arc;
use std::time::Duration;

use keyhole_api::{BackendPlugin, BackendPluginSpec, BackendPluginStatus};
use keyhole_core::schedule::Backoff;
use keyhole_plugins::{InvalidPlugin, LivePlugin, PluginSpec, Precedence, Source, Surroundings, Wants, plugin_spec};
use kube::ResourceExt as _;
use tokio::time::Instant;

use super::files::Stamp;
use super::reason::{Problem, Retry, SLOWLY};

/// What is known of an object.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) uid: Arc<str>,
    pub(super) generation: i64,
    pub(super) spec: Arc<BackendPluginSpec>,
    /// What the spec asks for, or what is wrong with it.
    pub(super) wanted: Result<Arc<PluginSpec>, InvalidPlugin>,
    /// Its status, as the API server has it.
    pub(super) shown: BackendPluginStatus,
    /// What was written last.
    pub(super) sent: Option<BackendPluginStatus>,
    pub(super) outcome: Outcome,
    /// Digest of the file that the spec leads to, once it was obtained.
    pub(super) digest: Option<Arc<str>>,
    pub(super) serving: Option<Serving>,
    pub(super) retry_at: Option<Instant>,
    backoff: Backoff,
}

/// What became of the spec as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not known yet.
    Loading,
    Serves,
    Broken(Problem),
}

/// The version that serves.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) spec: Arc<BackendPluginSpec>,
    pub(super) digest: Arc<str>,
    pub(super) name_and_version: String,
    pub(super) contract: Option<String>,
    pub(super) wants: Wants,
    pub(super) resolved: Option<String>,
    pub(super) signed_by: Option<String>,
}

/// What was obtained on the way to a plugin.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) digest: Option<Arc<str>>,
    pub(super) resolved: Option<String>,
    pub(super) signed_by: Option<String>,
    /// The state of its file before it was read, if it is one.
    pub(super) stamp: Option<Stamp>,
}

impl Entry {
    /// An object that was not known.
    pub(super) fn new(name: &str, object: BackendPlugin, around: &Surroundings) -> Self {
        let uid = object.metadata.uid.as_deref().unwrap_or_default().into();
        let generation = object.metadata.generation.unwrap_or_default();
        let precedence = precedence(name, &object, around);
        let wanted = wanted(name, &object.spec, precedence, around);
        let mut entry = Self {
            uid,
            generation,
            wanted,
            spec: Arc::new(object.spec),
            shown: object.status.unwrap_or_default(),
            sent: None,
            outcome: Outcome::Loading,
            digest: None,
            serving: None,
            retry_at: None,
            backoff: Backoff::new(None),
        };
        entry.judge();
        entry
    }

    /// Takes over a newer state of the object. Returns whether it is to be loaded anew.
    pub(super) fn update(&mut self, name: &str, object: BackendPlugin, around: &Surroundings) -> bool {
        self.generation = object.metadata.generation.unwrap_or_default();
        self.shown = object.status.clone().unwrap_or_default();
        if *self.spec == object.spec {
            return false;
        }
        let precedence = precedence(name, &object, around);
        self.wanted = wanted(name, &object.spec, precedence, around);
        self.spec = Arc::new(object.spec);
        self.digest = None;
        self.outcome = Outcome::Loading;
        self.backoff.reset();
        self.retry_at = None;
        self.judge();
        true
    }

    /// Its file is another one. What is said stands until that was tried.
    pub(super) fn begin(&mut self) {
        self.retry_at = None;
        self.backoff.reset();
    }

    fn judge(&mut self) {
        if let Err(error) = &self.wanted {
            self.outcome = Outcome::Broken(Problem::invalid(error));
        }
    }

    /// What to load now.
    pub(super) fn load(&mut self) -> Option<Arc<PluginSpec>> {
        let wanted = self.wanted.as_ref().ok()?;
        self.retry_at = None;
        Some(Arc::clone(wanted))
    }

    /// The plugin was loaded. Returns whether it is another than the one that serves.
    pub(super) fn loaded(&mut self, found: Found, plugin: &LivePlugin) -> bool {
        self.outcome = Outcome::Serves;
        self.backoff.reset();
        let digest = Arc::clone(&plugin.id().digest);
        self.digest = Some(Arc::clone(&digest));
        let before = self.serving.replace(Serving {
            spec: Arc::clone(&self.spec),
            digest: Arc::clone(&digest),
            name_and_version: format!("{} {}", plugin.own_name(), plugin.version()),
            contract: plugin.contract().map(str::to_owned),
            wants: plugin.wants().clone(),
            resolved: found.resolved,
            signed_by: found.signed_by,
        });
        before.is_none_or(|before| before.digest != digest || before.spec != self.spec)
    }

    /// It could not be loaded.
    pub(super) fn failed(&mut self, found: Found, problem: Problem, now: Instant, random: f64) {
        if found.digest.is_some() {
            self.digest = found.digest;
        }
        let wait = match problem.retry {
            Retry::Backoff => Some(self.backoff.next(random)),
            Retry::Slowly => Some(SLOWLY),
            Retry::OnChange => None,
        };
        self.retry_at = wait.map(|wait: Duration| now + wait);
        self.outcome = Outcome::Broken(problem);
    }

    /// Where its file comes from.
    pub(super) fn source(&self) -> Option<&Source> {
        self.wanted.as_ref().ok().map(|wanted| &wanted.source)
    }
}

fn wanted(
    name: &str,
    spec: &BackendPluginSpec,
    precedence: Precedence,
    around: &Surroundings,
) -> Result<Arc<PluginSpec>, InvalidPlugin> {
    let spec = plugin_spec(name, spec, around)?;
    Ok(Arc::new(PluginSpec { precedence, ..spec }))
}

/// The built-in plugins keep their place, whoever sets their grant.
fn precedence(name: &str, object: &BackendPlugin, around: &Surroundings) -> Precedence {
    if around.builtins.iter().any(|builtin| builtin.name == name) {
        return Precedence::BuiltIn;
    }
    let created = object.creation_timestamp();
    Precedence::Created(created.map_or(i64::MAX, |time| time.0.as_second()))
}
