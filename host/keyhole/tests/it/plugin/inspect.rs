//! `keyhole plugin inspect`.

use super::*;

/// What changes with every toolchain, taken out.
fn without_build(text: &str) -> String {
    let kept = |line: &&str| {
        !["digest ", "file ", "imports ", "             and "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    text.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

#[test]
fn people_read_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "good");
    let (out, err, code) = ended(&mut plugin(&["inspect", file.to_str().unwrap()]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let golden = "\
plugin       bad 0.1.0
contract     keyhole:backend@0.1.0
types        bad
batch        up to 20 requests a call
hosts        store.example.com
credentials  none
             keyhole:backend/session-store@0.1.0
             keyhole:backend/types@0.1.0
             wasi:http/outgoing-handler@0.2.12

settings
  name     type    set by         description
  address  string  administrator  Where the store is. [required]

options of a request
  none";
    assert_eq!(without_build(&out), golden, "{out}");
    assert!(out.contains("imports      keyhole:backend/log@0.1.0\n"), "{out}");
}

#[test]
fn programs_read_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "good");
    let (out, _, code) = ended(&mut plugin(&["inspect", "--json", file.to_str().unwrap()]));
    assert_eq!(code, Some(0));
    let mut found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let members = found.as_object_mut().unwrap();
    assert!(
        members
            .remove("digest")
            .unwrap()
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert!(members.remove("size").unwrap().as_u64().unwrap() > 1000);
    assert!(
        members
            .remove("imports")
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name == "keyhole:backend/log@0.1.0")
    );
    let golden = serde_json::json!({
        "file": "bad.wasm",
        "contract": "keyhole:backend@0.1.0",
        "plugin": {
            "name": "bad",
            "version": "0.1.0",
            "backendTypes": [{"name": "bad", "aliases": []}],
            "maxBatch": 20,
            "settings": [{
                "name": "address", "type": "string", "required": true, "setBy": "administrator",
                "description": "Where the store is."
            }],
            "options": [],
            "hosts": ["store.example.com"],
            "credentials": [],
            "metadata": {},
        },
        "warnings": [],
    });
    assert_eq!(found, golden);
}

#[test]
fn what_no_host_would_load_is_told_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "describe-host");
    let (out, _, code) = ended(&mut plugin(&["inspect", file.to_str().unwrap()]));
    assert_eq!(code, Some(1));
    assert!(
        out.contains("problem\n  describe() returned a bad hosts: \"*.example.com\" is no host pattern"),
        "{out}"
    );
    let text_file = folder.path().join("text.wasm");
    std::fs::write(&text_file, "no component").unwrap();
    let (_, err, code) = ended(&mut plugin(&["inspect", text_file.to_str().unwrap()]));
    assert_eq!(code, Some(1));
    assert!(err.starts_with("keyhole: ") && err.lines().count() == 1, "{err}");
}
