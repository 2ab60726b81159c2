//! Writes `internal/` of the Go example: what `wit-bindgen` makes of `wit/backend.wit` for Go.
//!
//! The files are committed, so that an author of a Go plugin needs no Rust. They are formatted by `gofmt`.
//! The test below fails when they are not what the generator makes of the contract; then run
//! `cargo run --manifest-path plugins/Cargo.toml --package example-go-bindings`.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_go::Opts;

const WORLD: &str = "plugin-with-wasi";
const PACKAGE: &str = "example.com/json-store/internal";

/// The only interface that the plugin exports; its functions are written by the author, beside `main`.
const EXPORT_PACKAGE: &str = "example.com/json-store";

/// What calls the author's functions.
const EXPORTS: &str = "wit_exports/wit_exports.go";

fn main() -> anyhow::Result<()> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for (name, content) in generate()? {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../internal")
}

/// Files by their names below `internal/`.
fn generate() -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../wit");
    let (package, _) = resolve.push_path(contract)?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let options = Opts {
        pkg_name: Some(PACKAGE.to_owned()),
        export_pkg_name: Some(EXPORT_PACKAGE.to_owned()),
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    files
        .iter()
        .map(|(name, content)| {
            let content = match name {
                EXPORTS => with_whole_areas(std::str::from_utf8(content)?).into_bytes(),
                _ => content.to_vec(),
            };
            Ok((name.to_owned(), content))
        })
        .collect()
}

/// The generator takes the largest size and the largest alignment of all answers for the area that they are returned
/// in, and its own `Allocate` panics when the one is no multiple of the other, as here: 17 words, aligned to two. The
/// size is rounded up.
fn with_whole_areas(code: &str) -> String {
    const BEFORE: &str = "witRuntime.Allocate(&staticPinner, (";
    const AFTER: &str = " * 4), 8)";
    let Some((head, rest)) = code.split_once(BEFORE) else {
        return code.to_owned();
    };
    match rest.split_once(AFTER) {
        Some((words, tail)) if words.parse::<u32>().is_ok_and(|words| words % 2 == 1) => {
            let words = words.parse::<u32>().unwrap_or_default() + 1;
            format!("{head}{BEFORE}{words}{AFTER}{tail}")
        }
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                committed(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }

    #[test]
    fn the_area_of_answers_is_as_large_as_its_alignment_wants() {
        let area =
            |words: &str| format!("var a = uintptr(witRuntime.Allocate(&staticPinner, ({words} * 4), 8))\nvar b = 17");
        assert_eq!(with_whole_areas(&area("17")), area("18"));
        assert_eq!(with_whole_areas(&area("18")), area("18"));
        assert_eq!(with_whole_areas("package main"), "package main");
        assert!(
            !str::from_utf8(&generate().unwrap()[EXPORTS])
                .unwrap()
                .contains("(17 * 4), 8)")
        );
    }

    #[test]
    fn the_committed_bindings_are_what_the_generator_makes_of_the_contract() {
        let mut found = BTreeMap::new();
        committed(&folder(), "", &mut found);
        let made = generate().unwrap();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            made.keys().collect::<Vec<_>>(),
            "run `cargo run --manifest-path plugins/Cargo.toml --package example-go-bindings`"
        );
        for (name, content) in made {
            assert!(
                found[&name] == content,
                "{name} is old; run `cargo run --manifest-path plugins/Cargo.toml --package example-go-bindings`"
            );
        }
    }
}
