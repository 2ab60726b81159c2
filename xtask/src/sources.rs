//! Finds tests in the sources, by their names.
//!
//! The sources are read instead of a list that the compiler could give, so that the page can be made and
//! checked without building anything. What is read too generously (a test under a `cfg` that is off) shows
//! after the next run: it did not pass.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The folders with code.
const FOLDERS: [&str; 4] = ["host", "plugins", "tests", "xtask"];

/// A test function.
#[derive(Debug, PartialEq, Eq)]
pub struct Test {
    /// Its name without modules.
    pub name: String,
    /// The file below the root.
    pub file: String,
}

/// Every test below `root`, in the order of the files' names.
pub fn tests(root: &Path) -> anyhow::Result<Vec<Test>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        visit(root, &root.join(folder), &mut found)?;
    }
    Ok(found)
}

fn visit(root: &Path, folder: &Path, found: &mut Vec<Test>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.with_context(cannot)?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                visit(root, &path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            found.extend(names(&text).map(|name| Test {
                name: name.to_owned(),
                file: file.clone(),
            }));
        }
    }
    Ok(())
}

/// The functions that stand under a test attribute.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut armed = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            armed = true;
            return None;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        let was_armed = std::mem::take(&mut armed);
        was_armed.then(|| function.split(['(', '<']).next().unwrap_or_default().trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_under_a_test_attribute_count() {
        let text = "fn s1_no() {}\n#[test]\nfn s1_yes() {\n    fn s2_inner() {}\n}\n#[tokio::test(start_paused = true)]\n\
                    #[should_panic]\n// why\n    async fn s3_async() {}\nasync fn s4_no() {}\n// #[test]\nfn s5_no() {}\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["s1_yes", "s3_async"]);
    }

    #[test]
    fn the_tests_of_this_file_are_found() {
        let found = tests(&crate::cargo::root()).unwrap();
        let here = found
            .iter()
            .find(|test| test.name == "the_tests_of_this_file_are_found");
        assert_eq!(here.unwrap().file, "xtask/src/sources.rs");
    }
}
