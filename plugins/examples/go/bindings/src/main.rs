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
    Ok(files
        .iter()
        .map(|(name, content)| (name.to_owned(), content.to_vec()))
        .collect())
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
