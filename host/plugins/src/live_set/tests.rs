use super::*;
use crate::live_plugin::{Backend, Rules};
use futures::future::BoxFuture;
use keyhole_core::{CallError, Outcome};
use keyhole_sandbox::{BackendType, Call, Description, PlannedRequest, Problem};
use std::num::NonZeroU32;

struct Unused;

impl Backend for Unused {
    fn validate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn fetch<'a>(&'a self, _: &'a Call, _: &'a [PlannedRequest]) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        Box::pin(async { Ok(vec![]) })
    }
}

fn plugin(name: &str, digest: &str, types: &[&str], aliases: &[&str]) -> LivePlugin {
    let aliases: Vec<String> = aliases.iter().map(|&alias| alias.into()).collect();
    let description = Description {
        name: name.into(),
        version: "1.0.0".into(),
        backend_types: types
            .iter()
            .map(|&name| BackendType {
                name: name.into(),
                aliases: aliases.clone(),
            })
            .collect(),
        settings_schema: Default::default(),
        options_schema: Default::default(),
        hosts: vec![],
        credentials: vec![],
        max_batch: NonZeroU32::MIN,
        metadata: Default::default(),
    };
    let id = PluginId {
        name: name.into(),
        digest: digest.into(),
    };
    LivePlugin::new(id, &description, Rules::default(), Arc::new(Unused)).unwrap()
}

fn digest(set: &LiveSet, backend_type: &str) -> Option<String> {
    set.serving(backend_type).map(|plugin| plugin.id().digest.to_string())
}

#[test]
fn types_and_aliases_lead_to_the_plugin_but_only_types_are_listed() {
    let set = LiveSet::default();
    assert!(
        set.install(plugin("sm", "1", &["secretsManager"], &["secretManager"]))
            .is_empty()
    );
    assert_eq!(digest(&set, "secretsManager").as_deref(), Some("1"));
    assert_eq!(digest(&set, "secretManager").as_deref(), Some("1"));
    assert_eq!(digest(&set, "vault"), None);
    assert_eq!(set.backend_types(), ["secretsManager"]);
}

#[test]
fn a_new_digest_takes_the_place_of_the_old_one() {
    let set = LiveSet::default();
    set.install(plugin("sm", "1", &["secretsManager", "old"], &[]));
    let held = set.serving("secretsManager").unwrap();
    assert!(set.install(plugin("sm", "2", &["secretsManager"], &[])).is_empty());
    assert_eq!(digest(&set, "secretsManager").as_deref(), Some("2"));
    assert_eq!(digest(&set, "old"), None);
    assert_eq!(&*held.id().digest, "1", "whoever holds the old one can finish with it");
    assert_eq!(&*set.plugin(held.id()).unwrap().id().digest, "2");
}

#[test]
fn a_type_belongs_to_whoever_claimed_it_first() {
    let set = LiveSet::default();
    set.install(plugin("built-in", "1", &["secretsManager"], &[]));
    let conflicts = set.install(plugin("rogue", "2", &["secretsManager", "mine"], &[]));
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        conflicts[0].to_string(),
        "secretsManager is served by plugin built-in already"
    );
    assert_eq!(digest(&set, "secretsManager").as_deref(), Some("1"));
    assert_eq!(digest(&set, "mine").as_deref(), Some("2"));
    set.install(plugin("built-in", "3", &["secretsManager"], &[]));
    assert_eq!(
        digest(&set, "secretsManager").as_deref(),
        Some("3"),
        "an update keeps its place"
    );
}

#[test]
fn a_removed_plugins_types_go_to_the_next() {
    let set = LiveSet::default();
    set.install(plugin("a", "1", &["x"], &[]));
    set.install(plugin("b", "2", &["x"], &[]));
    set.remove("a");
    assert_eq!(digest(&set, "x").as_deref(), Some("2"));
    set.remove("b");
    assert!(set.plugins().is_empty());
    assert_eq!(set.backend_types(), Vec::<String>::new());
}

#[test]
fn every_change_is_announced() {
    let set = LiveSet::default();
    let mut changes = set.changes();
    assert!(!changes.has_changed().unwrap());
    set.install(plugin("a", "1", &["x"], &[]));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    set.clone().remove("a");
    assert!(changes.has_changed().unwrap());
}
