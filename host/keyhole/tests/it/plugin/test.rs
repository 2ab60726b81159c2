//! `keyhole plugin test`.

use super::*;

fn recordings() -> String {
    hostile().join("bad/recordings").display().to_string()
}

#[test]
fn a_good_plugin_passes_with_one_line_for_each_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "good");
    let (out, err, code) = ended(&mut plugin(&[
        "test",
        file.to_str().unwrap(),
        "--recordings",
        &recordings(),
    ]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("bad 0.1.0, sha256:"), "{out}");
    assert!(out.ends_with("14 ok, 0 failed, 0 skipped\n"), "{out}");
    assert_eq!(out.lines().count(), 16, "{out}");
}

#[test]
fn a_bad_plugin_fails_and_its_author_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "throttle-forgets");
    let arguments = ["test", file.to_str().unwrap(), "--recordings", &recordings()];
    let (out, _, code) = ended(&mut plugin(&arguments));
    assert_eq!(code, Some(1));
    let failed: Vec<_> = out
        .lines()
        .skip_while(|line| !line.starts_with("FAILED"))
        .take(2)
        .collect();
    assert!(
        failed[0].contains("throttled") && failed[0].contains("retry-after: 7"),
        "{out}"
    );
    assert!(
        failed[1].trim_start().starts_with("-> read the header retry-after"),
        "{out}"
    );
    assert!(out.ends_with("13 ok, 1 failed, 0 skipped\n"), "{out}");

    let (out, _, code) = ended(plugin(&arguments).arg("--json"));
    assert_eq!(code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["passed"], false);
    let findings = report["findings"].as_array().unwrap();
    let failed: Vec<_> = findings
        .iter()
        .filter(|finding| finding["verdict"] == "failed")
        .collect();
    assert_eq!((failed.len(), &failed[0]["check"]), (1, &"throttled".into()));
    assert!(failed[0]["remedy"].as_str().unwrap().contains("retry-after"));
}

#[test]
fn settings_of_the_command_line_replace_those_of_the_cases() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "good");
    let arguments = ["test", file.to_str().unwrap(), "--recordings", &recordings()];
    let settings = r#"{"address": "https://elsewhere.example.com"}"#;
    let (out, _, code) = ended(plugin(&arguments).args(["--settings", settings]));
    assert_eq!(code, Some(1));
    // A host that is in no recording is in no grant either.
    assert!(out.contains("host elsewhere.example.com is not granted"), "{out}");
}
