//! One BackendPlugin: what it asks for, what became of that, and what serves meanwhile.
//!
//! There is no I/O in here. The invariant: what serves is always a version that was loaded, described and
//! instantiated; a newer one that is broken changes what is said, never what serves. Under which grant it serves
//! is another matter: see [`super::rebuilding`].

use std::sync::Arc;
use std::time::Duration;

use keyhole_api::{BackendPlugin, BackendPluginSpec, BackendPluginStatus};
use keyhole_core::schedule::Backoff;
use keyhole_plugins::{
    InvalidPlugin, LivePlugin, PluginCode, PluginSpec, Precedence, Source, Surroundings, Wants, plugin_spec,
};
use kube::ResourceExt as _;
use tokio::time::Instant;

use super::LATE;
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
    /// When what serves goes under the spec as it is now, unless its file has come by then.
    pub(super) rebuild_at: Option<Instant>,
    /// Why the last attempt came to nothing.
    absent: Option<&'static str>,
    backoff: Backoff,
}

/// What a newer state of an object changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// What is said of the file that serves, which is known to be the one that is asked for.
    Rules,
    /// Its file is to be obtained.
    Everything,
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
    /// The spec under which it serves.
    pub(super) spec: Arc<BackendPluginSpec>,
    pub(super) wanted: Arc<PluginSpec>,
    pub(super) code: Option<PluginCode>,
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
    pub(super) code: Option<PluginCode>,
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
            rebuild_at: None,
            absent: None,
            backoff: Backoff::new(None),
        };
        entry.judge();
        entry
    }

    /// Takes over a newer state of the object.
    pub(super) fn update(&mut self, name: &str, object: BackendPlugin, around: &Surroundings, now: Instant) -> Change {
        self.generation = object.metadata.generation.unwrap_or_default();
        self.shown = object.status.clone().unwrap_or_default();
        if *self.spec == object.spec {
            return Change::Nothing;
        }
        let precedence = precedence(name, &object, around);
        self.wanted = wanted(name, &object.spec, precedence, around);
        self.spec = Arc::new(object.spec);
        self.digest = None;
        self.outcome = Outcome::Loading;
        self.backoff.reset();
        self.retry_at = None;
        self.judge();
        let is_pinned = self.is_pinned();
        self.rebuild_at = self.kept().map(|_| if is_pinned { now } else { now + LATE });
        if self.serves_as_asked() && is_pinned {
            // Back to what it was before an edit that came to nothing.
            self.outcome = Outcome::Serves;
            self.digest = self.serving.as_ref().map(|serving| Arc::clone(&serving.digest));
        }
        match is_pinned && (self.rebuild_at.is_some() || self.serves_as_asked()) {
            true => Change::Rules,
            false => Change::Everything,
        }
    }

    fn is_pinned(&self) -> bool {
        self.wanted.as_ref().is_ok_and(|wanted| is_pinned(wanted))
    }

    fn serves_as_asked(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.spec == self.spec)
    }

    /// The code that serves, if it is what the spec as it is now asks for, and serves under another one.
    fn kept(&self) -> Option<(&Arc<PluginSpec>, &PluginCode)> {
        let serving = self.serving.as_ref()?;
        let (before, now) = (&serving.spec, &self.spec);
        let is_asked_for = before.source == now.source && before.verify == now.verify && before != now;
        let wanted = self.wanted.as_ref().ok().filter(|_| is_asked_for)?;
        Some((wanted, serving.code.as_ref()?))
    }

    /// What is to be put under which spec, if that is due.
    pub(super) fn rebuild(&mut self, now: Instant) -> Option<(Arc<PluginSpec>, PluginCode)> {
        self.rebuild_at.take_if(|at| *at <= now)?;
        let (wanted, code) = self.kept()?;
        Some((Arc::clone(wanted), code.clone()))
    }

    /// Whether what serves is still to be put under this very spec.
    pub(super) fn awaits(&self, spec: &Arc<PluginSpec>) -> bool {
        self.kept().is_some_and(|(wanted, _)| Arc::ptr_eq(wanted, spec))
    }

    /// What serves does so under the spec as it is now. `is_loading`: its file is on its way and says the rest.
    pub(super) fn rebuilt(&mut self, plugin: &LivePlugin, is_loading: bool) {
        if let (Some(serving), Ok(wanted)) = (&mut self.serving, &self.wanted) {
            serving.spec = Arc::clone(&self.spec);
            serving.wanted = Arc::clone(wanted);
            serving.name_and_version = name_and_version(plugin);
            serving.wants = plugin.wants().clone();
        }
        let says_all = match self.outcome {
            Outcome::Loading => true,
            // Its file cannot be another one, so what could not be had is not missing.
            Outcome::Broken(_) => self.is_pinned(),
            Outcome::Serves => false,
        };
        if says_all && !is_loading {
            self.outcome = Outcome::Serves;
            self.digest = Some(Arc::clone(&plugin.id().digest));
            self.retry_at = None;
            self.backoff.reset();
        }
    }

    /// It could not be put under the spec as it is now.
    pub(super) fn not_rebuilt(&mut self, problem: Problem, is_loading: bool, now: Instant, random: f64) {
        let may_pass = problem.retry == Retry::Backoff;
        if self.outcome == Outcome::Loading && !is_loading {
            self.failed(Found::default(), problem, now, random);
        }
        self.rebuild_at = may_pass.then(|| now + LATE);
    }

    /// Its file is another one. What is said stands until that was tried.
    pub(super) fn begin(&mut self) {
        self.retry_at = None;
        self.backoff.reset();
    }

    fn judge(&mut self) {
        if let Err(error) = &self.wanted {
            let problem = Problem::invalid(error);
            self.absent = Some(problem.reason);
            self.outcome = Outcome::Broken(problem);
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
        let Ok(wanted) = &self.wanted else { return false };
        self.rebuild_at = None;
        self.absent = None;
        self.outcome = Outcome::Serves;
        self.backoff.reset();
        let digest = Arc::clone(&plugin.id().digest);
        self.digest = Some(Arc::clone(&digest));
        let before = self.serving.replace(Serving {
            spec: Arc::clone(&self.spec),
            wanted: Arc::clone(wanted),
            code: found.code,
            digest: Arc::clone(&digest),
            name_and_version: name_and_version(plugin),
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
        self.rebuild_at = self.kept().map(|_| now);
        self.absent = Some(problem.reason);
        self.outcome = Outcome::Broken(problem);
    }

    /// Why nothing of it serves, by the last attempt that came to its end.
    pub(super) fn absence(&self) -> Option<&'static str> {
        self.absent.filter(|_| self.serving.is_none())
    }

    /// Where its file comes from.
    pub(super) fn source(&self) -> Option<&Source> {
        self.wanted.as_ref().ok().map(|wanted| &wanted.source)
    }
}

fn name_and_version(plugin: &LivePlugin) -> String {
    format!("{} {}", plugin.own_name(), plugin.version())
}

/// Whether the spec leaves no choice of the file, so that the same spec always gives the same.
fn is_pinned(spec: &PluginSpec) -> bool {
    match &spec.source {
        Source::BuiltIn(_) => true,
        Source::Oci(image) => image.reference.digest().is_some() || spec.demands.digest.is_some(),
        Source::File(_) | Source::ConfigMap { .. } => spec.demands.digest.is_some(),
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
