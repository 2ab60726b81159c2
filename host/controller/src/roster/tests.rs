//! What becomes of an entry of the roster when its object changes, its file is broken, or it is mended.

use std::num::NonZeroU32;
use std::path::PathBuf;

use jiff::Timestamp;
use keyhole_api::ConditionStatus;
use keyhole_core::PluginId;
use keyhole_plugins::{Backend, BuiltIn, Conflict, Grant, Precedence, Rules};
use keyhole_sandbox::{BackendType, CredentialWant, Description};
use serde_json::{Map, Value as Json, json};

use super::entry::{Change, Outcome};
use super::reason::Retry;
use super::status::{Place, status};
use super::*;
use crate::plan::fixture::Table;

mod regrant;

fn around() -> Surroundings {
    Surroundings {
        builtins: vec![BuiltIn {
            name: "secrets-manager",
            component: b"wasm",
            grant: Grant::default(),
        }],
        plugin_dir: Some(PathBuf::from("/plugins")),
    }
}

fn object(generation: i64, spec: Json) -> BackendPlugin {
    let object = json!({
        "apiVersion": "kubernetes-client.io/v1alpha1",
        "kind": "BackendPlugin",
        "metadata": {"name": "store", "uid": "u", "generation": generation, "creationTimestamp": "2026-01-31T12:00:00Z"},
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn file(settings: Json) -> Json {
    json!({"source": {"file": {"path": "store.wasm"}}, "settings": settings})
}

fn entry(spec: Json) -> Entry {
    Entry::new("store", object(1, spec), &around())
}

/// A plugin that was loaded from a file of this digest.
fn plugin(digest: &str) -> LivePlugin {
    let description = Description {
        name: "json-store".into(),
        version: "1.2.0".into(),
        backend_types: vec![BackendType {
            name: "store".into(),
            aliases: vec![],
        }],
        settings_schema: Map::new(),
        options_schema: Map::new(),
        hosts: vec!["store.example.com".parse().unwrap()],
        credentials: vec![
            CredentialWant::Header("authorization".into()),
            CredentialWant::Aws {
                service: "kms".into(),
                actions: vec!["Decrypt".into(), "Encrypt".into()],
            },
            CredentialWant::Exposed("password".into()),
        ],
        max_batch: NonZeroU32::MIN,
        metadata: Map::new(),
    };
    let id = PluginId {
        name: "store".into(),
        digest: digest.into(),
    };
    let backend = Arc::new(Table::default()) as Arc<dyn Backend>;
    let plugin = LivePlugin::new(id, &description, Rules::default(), backend).unwrap();
    plugin.built_against(Some("0.1.0".into()))
}

/// Takes over another spec.
fn update(entry: &mut Entry, spec: Json, now: Instant) -> Change {
    entry.update("store", object(entry.generation + 1, spec), &around(), now)
}

fn serving() -> Place {
    Place {
        types: vec!["store".into()],
        conflicts: vec![],
    }
}

fn problem(retry: Retry) -> Problem {
    Problem {
        reason: "NotAPlugin",
        message: "file store.wasm is no plugin".into(),
        retry,
    }
}

/// Whether it is ready, why, and the message.
fn said(entry: &Entry, place: &Place) -> (ConditionStatus, String, String) {
    let status = status(entry, place, Timestamp::UNIX_EPOCH);
    let ready = status.ready().unwrap().clone();
    (ready.status, ready.reason, ready.message)
}

#[test]
fn a_plugin_that_serves_says_what_it_lacks() {
    let mut entry = entry(json!({
        "source": {"file": {"path": "store.wasm"}},
        "grant": {"auth": {"aws": [{"service": "kms", "actions": ["Decrypt"]}]}},
    }));
    assert_eq!(said(&entry, &Place::default()).1, "Loading");
    assert!(entry.loaded(Found::default(), &plugin("sha256:1")));
    let status = status(&entry, &serving(), Timestamp::UNIX_EPOCH);
    assert_eq!(status.version.as_deref(), Some("json-store 1.2.0"));
    assert_eq!(status.contract.as_deref(), Some("0.1.0"));
    assert_eq!(status.backend_types.as_deref(), Some("store"));
    assert_eq!(status.source.as_deref(), Some("file store.wasm"));
    assert_eq!(status.credentials.as_deref(), Some("hidden"));
    assert_eq!(status.missing_hosts, ["store.example.com"]);
    let missing = ["header authorization", "aws kms:Encrypt", "exposed password"];
    assert_eq!(status.missing_credentials, missing);
    let (holds, reason, message) = said(&entry, &serving());
    assert_eq!((holds, reason.as_str()), (ConditionStatus::True, "Serving"));
    assert_eq!(
        message,
        "serves store; wanted and not in spec.grant.hosts: store.example.com; wanted and not in spec.grant.auth: header \
         authorization, aws kms:Encrypt, exposed password"
    );
}

#[test]
fn what_was_loaded_before_serves_on_when_a_newer_version_is_broken() {
    let mut entry = entry(file(json!({})));
    entry.loaded(Found::default(), &plugin("sha256:1"));
    let found = Found {
        digest: Some("sha256:2".into()),
        ..Found::default()
    };
    let now = Instant::now();
    entry.failed(found, problem(Retry::Slowly), now, 0.5);
    let status = status(&entry, &serving(), Timestamp::UNIX_EPOCH);
    assert_eq!(
        (status.digest.as_deref(), status.serving_digest.as_deref()),
        (Some("sha256:2"), Some("sha256:1"))
    );
    let (holds, reason, message) = said(&entry, &serving());
    assert_eq!((holds, reason.as_str()), (ConditionStatus::False, "NotAPlugin"));
    assert_eq!(
        message,
        "file store.wasm is no plugin. What was loaded before serves on: json-store 1.2.0, sha256:1"
    );
    assert_eq!(entry.retry_at, Some(now + reason::SLOWLY));
}

#[test]
fn a_plugin_is_absent_when_it_is_broken_and_nothing_of_it_serves() {
    let mut entry = entry(file(json!({})));
    assert_eq!(entry.absence(), None, "not known yet");
    entry.failed(Found::default(), problem(Retry::Slowly), Instant::now(), 0.5);
    assert_eq!(entry.absence(), Some("NotAPlugin"));
    update(&mut entry, file(json!({"a": 1})), Instant::now());
    assert_eq!(entry.absence(), Some("NotAPlugin"), "until the next attempt has ended");
    entry.loaded(Found::default(), &plugin("sha256:1"));
    assert_eq!(entry.absence(), None);
    entry.failed(Found::default(), problem(Retry::Slowly), Instant::now(), 0.5);
    assert_eq!(entry.absence(), None, "the last good one serves");
}

#[test]
fn the_same_file_under_the_same_spec_is_not_installed_again() {
    let mut entry = entry(file(json!({})));
    assert!(entry.loaded(Found::default(), &plugin("sha256:1")));
    assert!(!entry.loaded(Found::default(), &plugin("sha256:1")));
    assert!(entry.loaded(Found::default(), &plugin("sha256:2")));
    let generation = update(&mut entry, file(json!({})), Instant::now());
    assert_eq!(generation, Change::Nothing, "nothing but the generation");
    let settings = update(&mut entry, file(json!({"a": 1})), Instant::now());
    assert_eq!(settings, Change::Everything);
    assert_eq!(entry.outcome, Outcome::Loading);
    assert!(entry.loaded(Found::default(), &plugin("sha256:2")), "other settings");
}

#[test]
fn a_wrong_spec_is_not_loaded_and_says_why_at_once() {
    let mut entry = entry(json!({"source": {}}));
    assert!(entry.load().is_none());
    let (holds, reason, message) = said(&entry, &Place::default());
    assert_eq!((holds, reason.as_str()), (ConditionStatus::False, "InvalidSpec"));
    assert_eq!(
        message,
        "spec.source: there is none; set one of builtin, oci, configMap and file"
    );
    let mended = update(&mut entry, file(json!({})), Instant::now());
    assert_eq!(mended, Change::Everything);
    assert!(entry.load().is_some());
}

#[test]
fn a_plugin_whose_types_are_all_taken_says_by_whom() {
    let mut entry = entry(file(json!({})));
    entry.loaded(Found::default(), &plugin("sha256:1"));
    let conflict = Conflict {
        backend_type: "store".into(),
        holder: "older".into(),
    };
    let taken = Place {
        types: vec![],
        conflicts: vec![conflict.clone()],
    };
    let (holds, reason, message) = said(&entry, &taken);
    assert_eq!((holds, reason.as_str()), (ConditionStatus::False, "TypeTaken"));
    assert_eq!(
        message,
        "store is served by plugin older already; this one takes over when that goes"
    );
    let some = Place {
        types: vec!["mine".into()],
        conflicts: vec![conflict],
    };
    let (holds, _, message) = said(&entry, &some);
    assert_eq!(holds, ConditionStatus::True);
    assert!(
        message.starts_with("serves mine; store is served by plugin older already"),
        "{message}"
    );
}

#[test]
fn what_may_pass_is_tried_again_with_growing_pauses_and_the_rest_waits_for_a_change() {
    let mut entry = entry(file(json!({})));
    let now = Instant::now();
    let mut waits = Vec::new();
    for _ in 0..3 {
        entry.failed(Found::default(), problem(Retry::Backoff), now, 1.0);
        waits.push(entry.retry_at.unwrap() - now);
    }
    assert!(waits.is_sorted() && waits[0] < waits[2], "{waits:?}");
    entry.failed(Found::default(), problem(Retry::OnChange), now, 1.0);
    assert_eq!(entry.retry_at, None);
}

#[test]
fn the_time_of_a_transition_stays_until_the_next() {
    let mut entry = entry(file(json!({})));
    entry.loaded(Found::default(), &plugin("sha256:1"));
    let first = status(&entry, &serving(), Timestamp::UNIX_EPOCH);
    entry.sent = Some(first.clone());
    let later = Timestamp::from_second(3600).unwrap();
    assert_eq!(status(&entry, &serving(), later), first, "nothing to write");
    entry.failed(Found::default(), problem(Retry::OnChange), Instant::now(), 0.5);
    let failed = status(&entry, &serving(), later);
    assert_eq!(failed.ready().unwrap().last_transition_time, "1970-01-01T01:00:00.000Z");
}

#[test]
fn the_age_of_an_object_is_its_precedence_unless_it_stands_for_a_built_in_plugin() {
    let precedence = |entry: &Entry| entry.wanted.as_ref().unwrap().precedence;
    assert_eq!(precedence(&entry(file(json!({})))), Precedence::Created(1_769_860_800));
    let builtin = object(1, json!({"source": {"builtin": "secrets-manager"}}));
    let builtin = Entry::new("secrets-manager", builtin, &around());
    assert_eq!(precedence(&builtin), Precedence::BuiltIn);
}
