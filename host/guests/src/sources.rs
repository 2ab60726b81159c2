//! What a guest is made of, for `cargo::rerun-if-changed`.

use std::path::{Path, PathBuf};

/// Files and folders whose change can change a guest of the workspace: manifests, the lock file,
/// build scripts, `src` folders (as folders, so that a new file counts) and the contract.
///
/// Target folders, tests and documentation are left out: a build script that named the whole
/// workspace would run again after each build of its own.
#[must_use]
pub fn sources(workspace_dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")];
    collect(workspace_dir, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => match name.as_ref() {
                "src" => found.push(path),
                "target" | "tests" | "benches" => {}
                hidden if hidden.starts_with('.') => {}
                _ => collect(&path, found),
            },
            Ok(_) if matches!(name.as_ref(), "Cargo.toml" | "Cargo.lock" | "build.rs") => found.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_sources_and_the_contract_count_and_build_output_does_not() {
        let found = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins"));
        let ends = |suffix: &str| found.iter().any(|path| path.ends_with(suffix));
        for suffix in [
            "wit",
            "plugins/Cargo.toml",
            "plugins/Cargo.lock",
            "secrets-manager/src",
            "sdk/src",
            "sdk/Cargo.toml",
        ] {
            assert!(ends(suffix), "{suffix} is missing in {found:?}");
        }
        assert!(found.iter().all(|path| path.exists()));
        assert!(
            !found
                .iter()
                .any(|path| path.components().any(|part| part.as_os_str() == "target"))
        );
    }
}
