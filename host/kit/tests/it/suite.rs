//! A good guest passes every check, and each bad one fails exactly the check that is about its fault.

use std::collections::BTreeSet;

use keyhole_kit::Guest;
use keyhole_kit::suite::{self, CHECKS, Report, Verdict};
use keyhole_plugins::CompileCache;

use crate::{bad, block_on};

fn report(habit: &str) -> Report {
    block_on(async { suite::run(&bad::guest(habit).await, &bad::material()).await.unwrap() })
}

fn failed(report: &Report) -> Vec<&'static str> {
    let failed = report.findings.iter().filter(|finding| finding.verdict.is_failure());
    failed.map(|finding| finding.check).collect()
}

#[test]
fn a_good_plugin_passes_every_check() {
    let report = report("good");
    assert!(report.passed, "{report}");
    let ok = |finding: &&suite::Finding| matches!(finding.verdict, Verdict::Ok { .. });
    assert_eq!(report.findings.iter().filter(ok).count(), CHECKS.len(), "{report}");
}

/// Each habit, the check that must fail, and a part of what its author is told.
const HABITS: [(&str, &str, &str); 25] = [
    ("describe-random", "describe", "differently"),
    ("describe-network", "describe", "tried to use the network"),
    ("describe-huge", "describe", "65536 are allowed"),
    ("describe-name", "describe", "lower-case letters"),
    ("describe-version", "describe", "semantic version"),
    ("describe-host", "describe", "no host pattern"),
    ("describe-schema", "describe", "is of type \"string\""),
    ("describe-ref", "describe", "only local references"),
    ("describe-batch", "describe", "at least 1"),
    ("describe-traps", "describe", "crashed"),
    ("validate-silent", "bad-settings", "should be a problem at \"/address\""),
    ("validate-path", "bad-settings", "no JSON Pointer"),
    ("validate-traps", "bad-settings", "did not survive"),
    ("validate-complains", "bad-settings", "complains about the settings"),
    ("embellishes", "recordings", "expected value"),
    (
        "missing-unavailable",
        "not-found",
        "expected not-found, came unavailable",
    ),
    ("reversed", "order", "the answer to \"prod/"),
    ("all-or-nothing", "isolation", "for the whole call"),
    ("greedy", "big-batch", "a batch of 100 requests fails"),
    ("refusal-slow", "denied-host", "a refused request took 1"),
    ("refusal-traps", "denied-host", "crashed"),
    ("refusal-not-found", "denied-host", "it said: not-found"),
    ("retries", "no-retries", "3 times in one call"),
    ("error-internal", "server-error", "it says internal"),
    ("hoards", "no-growth", "entries in its session store"),
];

#[test]
fn each_bad_plugin_fails_exactly_the_check_about_its_fault() {
    let mut wrong = Vec::new();
    for (habit, check, told) in HABITS {
        wrong.extend(misjudged(habit, check, told));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Those that the recordings of throttling and of a value in a log line find.
const MORE_HABITS: [(&str, &str, &str); 3] = [
    ("throttle-unavailable", "throttled", "it says unavailable"),
    ("throttle-forgets", "throttled", "passed on none"),
    ("talks", "redaction", "the host had to hide"),
];

#[test]
fn throttling_that_is_lost_and_values_that_are_logged_are_found() {
    for (habit, check, told) in MORE_HABITS {
        assert_eq!(misjudged(habit, check, told), None);
    }
}

#[test]
fn every_check_is_failed_by_a_bad_plugin() {
    let habits = HABITS.iter().chain(&MORE_HABITS);
    // What is no plugin at all has a test of its own.
    let failed: BTreeSet<_> = habits.map(|(_, check, _)| *check).chain(["contract"]).collect();
    assert_eq!(failed, CHECKS.iter().map(|(check, _)| *check).collect());
}

/// What is wrong with the suite's verdict about this guest, if anything is.
fn misjudged(habit: &str, check: &str, told: &str) -> Option<String> {
    let report = report(habit);
    let Some(finding) = report.findings.iter().find(|finding| finding.check == check) else {
        return Some(format!("{habit}: the suite has no check {check}\n{report}"));
    };
    let right = match &finding.verdict {
        Verdict::Failed { detail, remedy } => detail.contains(told) && !remedy.is_empty(),
        _ => false,
    };
    let right = right && failed(&report) == [check] && !report.passed;
    (!right).then(|| format!("{habit} should fail {check} with {told:?}\n{report}"))
}

#[test]
fn without_recordings_checks_are_skipped_and_none_passes_by_that() {
    let report = block_on(async {
        suite::run(&bad::guest("good").await, &suite::Material::default())
            .await
            .unwrap()
    });
    let skipped: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Skipped { .. }))
        .map(|finding| finding.check)
        .collect();
    assert_eq!(
        skipped.len(),
        CHECKS.len() - 3,
        "contract, describe and bad-settings need none: {report}"
    );
    assert!(report.to_string().contains("--record tests/a-key"), "{report}");
}

#[test]
fn a_file_that_is_no_plugin_fails_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.wasm");
    // An empty component.
    std::fs::write(&path, [0, b'a', b's', b'm', 0x0d, 0, 1, 0]).unwrap();
    let report = block_on(async {
        let guest = Guest::open(&path, &CompileCache::in_memory()).await.unwrap();
        suite::run(&guest, &bad::material()).await.unwrap()
    });
    assert_eq!(failed(&report), ["contract"], "{report}");
}
