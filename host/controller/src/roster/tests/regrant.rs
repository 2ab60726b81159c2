//! A grant that changes while the file of the plugin cannot be had, and what the object says of it meanwhile.

use std::time::Duration;

use keyhole_plugins::PluginCode;
use keyhole_sandbox::{Component, Engine, EngineConfig, Pooling};

use super::*;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// The smallest component that there is.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// What is found with a plugin's file.
fn found() -> Found {
    let config = EngineConfig {
        pooling: Pooling::Never,
        ..EngineConfig::default()
    };
    let id = PluginId {
        name: "store".into(),
        digest: DIGEST.into(),
    };
    let component = Component::compile(&Engine::new(&config).unwrap(), EMPTY).unwrap();
    Found {
        code: Some(PluginCode { id, component }),
        ..Found::default()
    }
}

/// A plugin from a file, that may reach these hosts.
fn granted(hosts: &[&str]) -> Json {
    json!({"source": {"file": {"path": "store.wasm"}}, "grant": {"hosts": hosts}})
}

/// The same, of which only the file with this digest is taken.
fn pinned(hosts: &[&str]) -> Json {
    let mut spec = granted(hosts);
    spec["verify"] = json!({"digest": DIGEST});
    spec
}

/// That and what is said of its file, from an entry that serves.
fn loaded(spec: Json) -> Entry {
    let mut entry = entry(spec);
    assert!(entry.loaded(found(), &plugin(DIGEST)));
    entry
}

const WIDE: &[&str] = &["store.example.com", "old.example.com"];
const NARROW: &[&str] = &["new.example.com"];

/// What the status says is granted and missing, of hosts.
fn hosts(entry: &Entry) -> (Vec<String>, Vec<String>) {
    let status = status(entry, &serving(), Timestamp::UNIX_EPOCH);
    (status.granted_hosts, status.missing_hosts)
}

#[test]
fn a_status_shows_the_grant_that_is_in_force() {
    let mut entry = entry(granted(WIDE));
    assert_eq!(hosts(&entry).0, WIDE, "nothing serves: what will be");
    // Without code, as when only the file can tell.
    entry.loaded(Found::default(), &plugin(DIGEST));
    let mut narrowed = granted(NARROW);
    narrowed["grant"]["auth"] = json!({"exposed": {"password": {"name": "s", "key": "k"}}});
    update(&mut entry, narrowed, Instant::now());
    for failed in [false, true] {
        if failed {
            entry.failed(Found::default(), problem(Retry::Slowly), Instant::now(), 0.5);
        }
        let status = status(&entry, &serving(), Timestamp::UNIX_EPOCH);
        assert_eq!(status.granted_hosts, WIDE);
        assert_eq!(status.missing_hosts, [""; 0]);
        assert_eq!(status.credentials.as_deref(), Some("none"));
        let missing = [
            "header authorization",
            "aws kms:Decrypt",
            "aws kms:Encrypt",
            "exposed password",
        ];
        assert_eq!(status.missing_credentials, missing);
        let (_, _, message) = said(&entry, &serving());
        let words =
            "What was loaded before serves on, under the grant and settings that it was loaded with: json-store";
        assert!(message.contains(words), "{message}");
    }
    entry.loaded(Found::default(), &plugin(DIGEST));
    assert_eq!(hosts(&entry).0, NARROW);
    assert_eq!(hosts(&entry).1, ["store.example.com"]);
}

#[test]
fn a_narrowed_grant_waits_for_the_file_until_it_fails_or_is_late() {
    let now = Instant::now();
    let mut late = loaded(granted(WIDE));
    assert_eq!(update(&mut late, granted(NARROW), now), Change::Everything);
    assert!(late.rebuild(now).is_none(), "the file may be another one");
    let (spec, _) = late.rebuild(now + LATE).expect("due");
    assert_eq!(spec.grant.hosts.len(), 1);
    assert!(late.rebuild(now + LATE).is_none(), "once");

    let mut failing = loaded(granted(WIDE));
    update(&mut failing, granted(NARROW), now);
    failing.failed(Found::default(), problem(Retry::Slowly), now, 0.5);
    assert!(failing.rebuild(now).is_some());

    let mut coming = loaded(granted(WIDE));
    update(&mut coming, granted(NARROW), now);
    coming.loaded(found(), &plugin(DIGEST));
    assert!(coming.rebuild(now + Duration::from_secs(3600)).is_none(), "it came");
}

#[test]
fn under_its_new_grant_it_serves_and_what_became_of_its_file_stands() {
    let now = Instant::now();
    let mut entry = loaded(granted(WIDE));
    update(&mut entry, granted(NARROW), now);
    entry.failed(Found::default(), problem(Retry::Slowly), now, 0.5);
    let (spec, _) = entry.rebuild(now).unwrap();
    assert!(entry.awaits(&spec));
    entry.rebuilt(&plugin(DIGEST), false);
    assert!(!entry.awaits(&spec), "done");
    assert_eq!(hosts(&entry).0, NARROW);
    let (holds, reason, message) = said(&entry, &serving());
    assert_eq!((holds, reason.as_str()), (ConditionStatus::False, "NotAPlugin"));
    assert!(message.contains("serves on: json-store"), "{message}");
    assert_eq!(entry.retry_at, Some(now + reason::SLOWLY), "its file is still wanted");
    assert!(
        !entry.loaded(found(), &plugin(DIGEST)),
        "the same file under the same grant changes nothing"
    );
}

#[test]
fn a_file_whose_digest_is_given_is_not_obtained_again_for_another_grant() {
    let now = Instant::now();
    let mut entry = loaded(pinned(WIDE));
    assert_eq!(update(&mut entry, pinned(NARROW), now), Change::Rules);
    let (spec, _) = entry.rebuild(now).expect("at once");
    assert!(entry.awaits(&spec));
    assert_eq!(entry.outcome, Outcome::Loading);
    entry.rebuilt(&plugin(DIGEST), false);
    assert_eq!(entry.outcome, Outcome::Serves);
    let status = status(&entry, &serving(), Timestamp::UNIX_EPOCH);
    assert_eq!(status.digest, status.serving_digest);
    assert_eq!(status.granted_hosts, NARROW);

    // Settings that the plugin does not take are told, and try nobody's patience.
    assert_eq!(update(&mut entry, pinned(WIDE), now), Change::Rules);
    assert!(!entry.awaits(&spec), "another spec");
    entry.rebuild(now).unwrap();
    entry.not_rebuilt(problem(Retry::OnChange), false, now, 0.5);
    assert_eq!(said(&entry, &serving()).1, "NotAPlugin");
    assert_eq!((entry.retry_at, entry.rebuild_at), (None, None));
    assert_eq!(hosts(&entry).0, NARROW, "as before");
}

#[test]
fn with_another_source_or_other_demands_its_file_has_to_be_obtained_first() {
    let mut other_source = granted(NARROW);
    other_source["source"] = json!({"file": {"path": "other.wasm"}});
    let unusable = json!({"source": {"file": {"path": "store.wasm"}}, "grant": {"hosts": ["*"]}});
    for next in [other_source, pinned(NARROW), unusable] {
        let now = Instant::now();
        let mut entry = loaded(granted(WIDE));
        assert_eq!(update(&mut entry, next.clone(), now), Change::Everything);
        if entry.wanted.is_ok() {
            entry.failed(Found::default(), problem(Retry::Slowly), now, 0.5);
        }
        assert!(entry.rebuild(now + Duration::from_secs(3600)).is_none(), "{next}");
        assert_eq!(hosts(&entry).0, WIDE);
    }
}

#[test]
fn a_file_that_serves_is_not_obtained_again_whatever_became_of_earlier_edits() {
    let now = Instant::now();
    // A second edit before the first was done, and one after a mistake.
    let mut entry = loaded(pinned(WIDE));
    assert_eq!(update(&mut entry, pinned(NARROW), now), Change::Rules);
    assert_eq!(update(&mut entry, pinned(&["x.example.com"]), now), Change::Rules);
    entry.rebuild(now).expect("at once");
    entry.not_rebuilt(problem(Retry::OnChange), false, now, 0.5);
    assert_eq!(update(&mut entry, pinned(NARROW), now), Change::Rules);
    entry.rebuild(now).expect("at once");
    entry.rebuilt(&plugin(DIGEST), false);
    assert_eq!(said(&entry, &serving()).1, "Serving");

    // Back to what serves already.
    update(&mut entry, pinned(WIDE), now);
    assert_eq!(update(&mut entry, pinned(NARROW), now), Change::Rules);
    assert_eq!(said(&entry, &serving()).1, "Serving");
    assert!(entry.rebuild(now).is_none());

    // What could not be done at first, and can be later, is told as done.
    update(&mut entry, pinned(WIDE), now);
    entry.rebuild(now).expect("at once");
    entry.not_rebuilt(problem(Retry::Backoff), false, now, 0.5);
    assert_eq!(said(&entry, &serving()).1, "NotAPlugin");
    entry.rebuild(now + Duration::from_secs(3600)).expect("again");
    entry.rebuilt(&plugin(DIGEST), false);
    assert_eq!(said(&entry, &serving()).1, "Serving");
    assert_eq!(entry.retry_at, None);
}
