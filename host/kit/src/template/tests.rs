use super::*;

fn files(language: Language) -> Vec<(String, String)> {
    let project = Project::new("my-store2", language).unwrap();
    let text = |bytes: Cow<'static, [u8]>| String::from_utf8(bytes.into_owned()).unwrap();
    project
        .files()
        .into_iter()
        .map(|(name, content)| (name, text(content)))
        .collect()
}

fn file(language: Language, name: &str) -> String {
    let found = files(language).into_iter().find(|(file, _)| file == name);
    found.unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn every_language_has_a_project_with_recordings_and_no_name_of_an_example() {
    for language in Language::ALL {
        let files = files(language);
        let has = |name: &str| files.iter().any(|(file, _)| file == name);
        assert!(
            has("README.md") && has(".gitignore") && has("tests/a-key/case.yaml"),
            "{language:?}"
        );
        assert_eq!(has("wit/backend.wit"), language != Language::Rust);
        for (name, text) in &files {
            let example = format!("example-{}", language.name());
            for left in [
                example.clone(),
                camel(&example),
                snake(&example),
                "../../..".to_owned(),
                "../recordings".to_owned(),
                "../../target".to_owned(),
            ] {
                assert!(
                    !text.contains(&left) && !name.contains(&left),
                    "{language:?}: {left} in {name}"
                );
            }
        }
    }
}

#[test]
fn a_rust_project_stands_alone() {
    let manifest = file(Language::Rust, "Cargo.toml");
    for line in [
        "name = \"my-store2\"",
        "keyhole-sdk = \"0.1.0\"",
        "[workspace]",
        "lto = true",
    ] {
        assert!(manifest.lines().any(|found| found == line), "{line}\n{manifest}");
    }
    assert!(
        !manifest.contains("workspace = true") && !manifest.contains("path ="),
        "{manifest}"
    );
    assert!(file(Language::Rust, "src/lib.rs").contains("backend_type(\"my-store2\""));
    let project = Project::new("a", Language::Rust).unwrap().with_sdk("/sdk".into());
    assert!(
        project
            .manifest("keyhole-sdk = 1\n")
            .contains("keyhole-sdk = { path = \"/sdk\" }")
    );
}

#[test]
fn a_name_that_no_plugin_may_have_is_refused() {
    for name in [
        "",
        "My-Store",
        "1store",
        "store-",
        "a--b",
        "a_b",
        "../a",
        &"a".repeat(64),
    ] {
        let error = Project::new(name, Language::Go).unwrap_err().to_string();
        assert!(error.contains("lower-case letters"), "{error}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let error = Project::new("a", Language::Rust)
        .unwrap()
        .write(folder.path())
        .unwrap_err();
    assert!(error.to_string().contains("is there already"), "{error}");
}
