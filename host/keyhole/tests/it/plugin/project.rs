//! `keyhole plugin new` and `build`: what is written builds, and passes `test`, as it is.

use keyhole_test_assets::Example;

use super::*;

#[test]
fn a_new_rust_project_builds_and_passes_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-store");
    let sdk = repository().join("plugins/sdk");
    let (out, err, code) = ended(&mut plugin(&[
        "new",
        "my-store",
        "--sdk-path",
        sdk.to_str().unwrap(),
        "--dir",
        project.to_str().unwrap(),
    ]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("serves backendType my-store"), "{out}");

    // The versions that this repository's plugins are built from, whatever is new today.
    std::fs::copy(repository().join("plugins/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut pin = Command::new("cargo");
    pin.args(["update", "--workspace", "--quiet"]).current_dir(&project);
    assert!(pin.status().unwrap().success());
    let built = builds_and_passes(&project);
    assert!(built["size"].as_u64().unwrap() < 1 << 20, "{built}");
}

#[test]
fn a_new_project_in_each_other_language_builds_and_passes_every_check() {
    let folder = tempfile::tempdir().unwrap();
    for (language, example) in [
        ("javascript", Example::JavaScript),
        ("python", Example::Python),
        ("go", Example::Go),
    ] {
        let project = folder.path().join(language).join("my-store");
        let path = project.to_str().unwrap();
        let (_, err, code) = ended(&mut plugin(&["new", "my-store", "--lang", language, "--dir", path]));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{language}");
        // What `npm ci` and pip would fetch anew for each.
        example.equip(&project).unwrap();
        builds_and_passes(&project);
    }
}

/// Builds the project `my-store` and tries it on its own cases. Returns what `build` printed.
fn builds_and_passes(project: &Path) -> serde_json::Value {
    let mut build = plugin(&["build", project.to_str().unwrap(), "--json"]);
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "GOCACHE",
        "GOMODCACHE",
        "GOPROXY",
    ] {
        if let Some(value) = std::env::var_os(name) {
            build.env(name, value);
        }
    }
    let (out, err, code) = ended(&mut build);
    assert_eq!(code, Some(0), "{err}");
    let built: serde_json::Value = serde_json::from_str(&out).unwrap();
    let file = built["path"].as_str().unwrap();
    assert!(file.ends_with("my-store/my-store.wasm"), "{built}");

    let tests = project.join("tests");
    let (out, _, code) = ended(&mut plugin(&["test", file, "--recordings", tests.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("14 ok, 0 failed, 0 skipped"), "{out}");
    built
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    for (arguments, told) in [
        (vec!["build", here], "holds no project"),
        (vec!["new", "My Store"], "use lower-case letters"),
        (vec!["new", "store", "--dir", here], "is there already"),
        (
            vec!["new", "store", "--lang", "go", "--sdk-path", here],
            "--sdk-path is for Rust",
        ),
    ] {
        let (_, err, code) = ended(&mut plugin(&arguments));
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(err.contains(told) && err.lines().count() == 1, "{err}");
    }
}
