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
    under(Rules::default(), name, digest, types, aliases)
}

/// One that an object describes which was created then.
fn created(at: i64, name: &str, types: &[&str]) -> LivePlugin {
    let rules = Rules {
        precedence: Precedence::Created(at),
        ..Rules::default()
    };
    under(rules, name, name, types, &[])
}

fn under(rules: Rules, name: &str, digest: &str, types: &[&str], aliases: &[&str]) -> LivePlugin {
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
    LivePlugin::new(id, &description, rules, Arc::new(Unused)).unwrap()
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

#[test]
fn the_older_object_wins_whichever_was_loaded_first_and_built_in_plugins_before_all() {
    let set = LiveSet::default();
    assert!(set.install(created(200, "newer", &["x", "y"])).is_empty());
    assert!(set.install(created(100, "older", &["x"])).is_empty());
    assert_eq!(digest(&set, "x").as_deref(), Some("older"));
    assert_eq!(digest(&set, "y").as_deref(), Some("newer"));
    let told = |name: &str| -> Vec<String> { set.conflicts(name).iter().map(ToString::to_string).collect() };
    assert_eq!(told("newer"), ["x is served by plugin older already"]);
    assert_eq!(set.served_by("newer"), ["y".into()]);
    set.install(plugin("built-in", "1", &["x"], &[]));
    assert_eq!(digest(&set, "x").as_deref(), Some("1"));
    assert_eq!(told("older"), ["x is served by plugin built-in already"]);
    set.remove("built-in");
    assert!(told("older").is_empty());
    set.remove("older");
    assert!(told("newer").is_empty());
    assert_eq!(set.served_by("newer").len(), 2);
}

#[test]
fn objects_of_one_second_are_told_apart_by_name() {
    for order in [["a", "b"], ["b", "a"]] {
        let set = LiveSet::default();
        for name in order {
            set.install(created(100, name, &["x"]));
        }
        assert_eq!(digest(&set, "x").as_deref(), Some("a"), "{order:?}");
    }
}

#[test]
fn who_waits_for_a_plugin_is_told_when_there_is_none_to_come() {
    let set = LiveSet::default();
    assert!(!set.is_awaited());
    set.settle(false);
    let mut changes = set.changes();
    changes.mark_unchanged();
    set.settle(true);
    assert!(!changes.has_changed().unwrap(), "nobody waited");
    set.settle(false);
    assert!(set.is_awaited());
    set.settle(true);
    assert!(changes.has_changed().unwrap());
    assert!(!set.is_awaited());
}
